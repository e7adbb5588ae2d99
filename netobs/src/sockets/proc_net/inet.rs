//! Lines of /proc/net/tcp, udp, udplite, raw and icmp, and their IPv6 siblings.

use super::words::{Words, hex};
use crate::socket::{End, Family, Row, State, Timer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ticks of a second in what the kernel prints (`USER_HZ`).
const USER_HZ: u64 = 100;

pub fn tcp(line: &[u8], row: &mut Row) -> bool {
    common(line, row).is_some()
}

pub fn datagram(line: &[u8], row: &mut Row) -> bool {
    let read = common(line, row).is_some();
    row.timer = Timer::default();
    if row.table == crate::socket::Table::Raw {
        row.inet.raw_protocol = u8::try_from(row.local.port).ok();
    }
    read
}

/// `sl local remote st tx:rx tr:when retrnsmt uid timeout inode ref pointer ...`.
fn common(line: &[u8], row: &mut Row) -> Option<()> {
    let mut words = Words::new(line);
    words.next()?.strip_suffix(b":")?;
    row.local = end(words.next()?, row.family)?;
    row.remote = end(words.next()?, row.family)?;
    row.state = State(u8::try_from(words.hex()?).ok()?);
    let (tx, rx) = words.hex_pair()?;
    row.sendq = u32::try_from(tx).ok()?;
    row.recvq = u32::try_from(rx).ok()?;
    let (kind, ticks) = words.hex_pair()?;
    let retransmits = words.hex()?;
    row.uid = Some(words.decimal32()?);
    let probes = words.decimal()?;
    row.inode = words.decimal32()?;
    row.refcount = words.decimal32();
    row.sk = words.hex().unwrap_or(0);
    let retrans = if kind == 1 { retransmits } else { probes };
    row.timer = Timer {
        kind: u8::try_from(kind).unwrap_or(u8::MAX),
        expires_ms: u32::try_from(ticks * 1000 / USER_HZ).unwrap_or(u32::MAX),
        retrans: u8::try_from(retrans).unwrap_or(u8::MAX),
    };
    Some(())
}

/// `0100007F:0050`: words of the address in the machine's byte order, the port as it is read.
fn end(word: &[u8], family: Family) -> Option<End> {
    let colon = word.iter().position(|byte| *byte == b':')?;
    let (address, port) = (&word[..colon], &word[colon + 1..]);
    let native = |digits: &[u8]| Some(u32::try_from(hex(digits)?).ok()?.to_ne_bytes());
    let ip = if family == Family::Inet6 {
        let mut bytes = [0; 16];
        if address.len() != 32 {
            return None;
        }
        for (into, digits) in bytes.chunks_exact_mut(4).zip(address.chunks_exact(8)) {
            into.copy_from_slice(&native(digits)?);
        }
        IpAddr::V6(Ipv6Addr::from(bytes))
    } else {
        IpAddr::V4(Ipv4Addr::from(native(address)?))
    };
    Some(End {
        ip,
        port: u32::try_from(hex(port)?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_tcp() {
        let line = b"   1: 0100007F:0050 0200007F:C000 01 00000003:00000005 02:000000C8 00000001  1000        4 777 2 ffff88810 20 4 30 10 -1";
        let mut row = Row::default();
        assert!(tcp(line, &mut row));
        assert_eq!(row.local.ip.to_string(), "127.0.0.1");
        assert_eq!((row.local.port, row.remote.port), (80, 0xc000));
        assert_eq!((row.sendq, row.recvq, row.uid), (3, 5, Some(1000)));
        assert_eq!(
            (row.timer.kind, row.timer.expires_ms, row.timer.retrans),
            (2, 2000, 4)
        );
        assert_eq!(row.inode, 777);
    }

    #[test]
    fn a_line_of_udp6_and_nonsense() {
        let line = b" 12: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0 0";
        let mut row = Row {
            family: Family::Inet6,
            ..Row::default()
        };
        assert!(datagram(line, &mut row));
        assert_eq!(
            (row.local.ip.to_string(), row.local.port),
            ("::1".into(), 53)
        );
        for bad in [
            &b""[..],
            b"x",
            b"1: 0:0 0:0 01",
            b"1: zz:1 0:0 01 0:0 0:0 0 0 0 1",
        ] {
            assert!(!tcp(bad, &mut row));
        }
    }
}
