//! Lines of /proc/net/unix, packet and netlink.

use super::words::Words;
use crate::socket::{End, Row, State, Table};

/// `__SO_ACCEPTCON` in the flags of a UNIX socket.
const LISTENS: u32 = 1 << 16;

/// `num: refcount protocol flags type state inode path`.
pub fn unix(line: &[u8], row: &mut Row) -> bool {
    let mut words = Words::new(line);
    let read = || -> Option<(u32, u32, u32, u32)> {
        words.next()?.strip_suffix(b":")?;
        words.skip(2)?;
        let (flags, kind) = (words.hex32()?, words.hex32()?);
        Some((flags, kind, words.hex32()?, words.decimal32()?))
    };
    let mut read = read;
    let Some((flags, kind, state, inode)) = read() else {
        return false;
    };
    row.table = match i32::try_from(kind) {
        Ok(libc::SOCK_STREAM) => Table::UnixStream,
        Ok(libc::SOCK_SEQPACKET) => Table::UnixSeqpacket,
        _ => Table::UnixDgram,
    };
    // `SS_UNCONNECTED` and its neighbours of linux/net.h.
    row.state = match state {
        _ if flags & LISTENS != 0 => State::LISTEN,
        2 => State::SYN_SENT,
        3 => State::ESTABLISHED,
        4 => State::CLOSING,
        _ => State::CLOSE,
    };
    (row.local, row.remote) = (End::default(), End::default());
    (row.local.port, row.inode) = (inode, inode);
    let name = words.rest();
    row.unix.name.extend_from_slice(name);
    if name.first() == Some(&b'@') {
        row.unix.name[0] = 0;
    }
    true
}

/// `sk refcount type protocol interface running rmem user inode`.
pub fn packet(line: &[u8], row: &mut Row) -> bool {
    let mut words = Words::new(line);
    let mut read = || -> Option<()> {
        row.sk = words.hex()?;
        row.refcount = words.decimal32();
        let raw = words.decimal()? == u64::from(libc::SOCK_RAW.unsigned_abs());
        row.table = if raw {
            Table::PacketRaw
        } else {
            Table::PacketDgram
        };
        row.state = State::CLOSE;
        (row.local, row.remote) = (End::default(), End::default());
        row.packet.protocol = u16::try_from(words.hex()?).ok()?;
        row.ifindex = words.decimal32()?;
        row.local.port = row.ifindex;
        words.skip(1)?;
        row.recvq = words.decimal32()?;
        row.uid = Some(words.decimal32()?);
        row.inode = words.decimal32()?;
        Some(())
    };
    read().is_some()
}

/// `sk protocol portid groups rmem wmem dump locks drops inode`.
pub fn netlink(line: &[u8], row: &mut Row) -> bool {
    let mut words = Words::new(line);
    let mut read = || -> Option<()> {
        row.sk = words.hex()?;
        row.state = State::CLOSE;
        (row.local, row.remote) = (End::default(), End::default());
        row.netlink.protocol = u8::try_from(words.decimal()?).ok()?;
        row.local.port = words.decimal32()?;
        row.netlink.groups = words.hex32()?;
        row.recvq = words.decimal32()?;
        row.sendq = words.decimal32()?;
        words.skip(3)?;
        row.inode = words.decimal32()?;
        Some(())
    };
    read().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_unix() {
        let mut row = Row::default();
        assert!(unix(
            b"0000000000000000: 00000002 00000000 00010000 0001 01 4242 /run/a b",
            &mut row
        ));
        assert_eq!((row.state, row.inode), (State::LISTEN, 4242));
        assert_eq!(row.unix.name, b"/run/a b");
        row.reset();
        assert!(unix(b"0: 00000002 00000000 00000000 0005 03 7", &mut row));
        assert_eq!(row.table, Table::UnixSeqpacket);
        assert_eq!((row.state, row.unix.name.len()), (State::ESTABLISHED, 0));
        assert!(!unix(b"rest of a name with a newline", &mut row));
    }

    #[test]
    fn lines_of_packet_and_netlink() {
        let mut row = Row::default();
        assert!(packet(
            b"ffff8881 3      3    0003   2     1 128    0      555",
            &mut row
        ));
        assert_eq!(
            (row.table, row.ifindex, row.recvq),
            (Table::PacketRaw, 2, 128)
        );
        assert!(netlink(
            b"ffff8881 0   4294963   00000111 0 0 0 2 0 19",
            &mut row
        ));
        assert_eq!(
            (row.local.port, row.netlink.groups, row.inode),
            (4_294_963, 0x111, 19)
        );
        assert!(!netlink(b"", &mut row) && !packet(b"a b", &mut row));
    }
}
