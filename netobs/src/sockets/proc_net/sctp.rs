//! Lines of /proc/net/sctp/eps and assocs.

use super::words::Words;
use crate::socket::{End, Family, Row, State, Table};
use std::net::IpAddr;

/// `ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS`.
pub fn endpoint(line: &[u8], row: &mut Row) -> bool {
    let mut words = Words::new(line);
    let mut read = || -> Option<()> {
        words.skip(1)?;
        row.sk = words.hex()?;
        words.skip(1)?;
        row.state = State(u8::try_from(words.decimal()?).ok()?);
        words.skip(1)?;
        let port = words.decimal32()?;
        row.uid = Some(words.decimal32()?);
        row.inode = words.decimal32()?;
        place(row, first_address(&mut words), port, None);
        Some(())
    };
    read().is_some()
}

/// `ASSOC SOCK STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT LADDRS <-> RADDRS ...`.
pub fn association(line: &[u8], row: &mut Row) -> bool {
    let mut words = Words::new(line);
    let mut read = || -> Option<()> {
        words.skip(1)?;
        row.sk = words.hex()?;
        words.skip(2)?;
        row.state = State(u8::try_from(words.decimal()?).ok()?);
        words.skip(2)?;
        row.sendq = words.decimal32()?;
        row.recvq = words.decimal32()?;
        row.uid = Some(words.decimal32()?);
        row.inode = words.decimal32()?;
        let (local, remote) = (words.decimal32()?, words.decimal32()?);
        let ip = first_address(&mut words);
        while words.next()? != b"<->" {}
        let peer = first_address(&mut words);
        place(row, ip, local, Some((peer, remote)));
        Some(())
    };
    read().is_some()
}

/// The primary address is marked with a star; the first serves.
fn first_address(words: &mut Words<'_>) -> Option<IpAddr> {
    let word = words.next()?;
    let text = std::str::from_utf8(word.strip_prefix(b"*").unwrap_or(word)).ok()?;
    text.parse().ok()
}

fn place(row: &mut Row, ip: Option<IpAddr>, port: u32, peer: Option<(Option<IpAddr>, u32)>) {
    row.table = Table::Sctp;
    row.local = End::default();
    row.remote = End::default();
    row.local.port = port;
    if let Some(ip) = ip {
        row.local.ip = ip;
    }
    if let Some((ip, port)) = peer {
        row.remote.port = port;
        row.remote.ip = ip.unwrap_or(row.remote.ip);
    }
    row.family = if row.local.ip.is_ipv6() {
        Family::Inet6
    } else {
        Family::Inet
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_files() {
        let mut row = Row::default();
        assert!(endpoint(
            b" ffff ffff 2 10 29 11111 0 15126 0.0.0.0 ",
            &mut row
        ));
        assert_eq!(
            (row.state, row.local.port, row.inode),
            (State::LISTEN, 11111, 15126)
        );
        let line = b" ffff ffff 2   1   3  29       5        0        7  0  15127 11111 40000  10.0.0.1 10.0.1.1 <-> *10.0.0.2 10.0.1.2 7500 10 10";
        assert!(association(line, &mut row));
        assert!(row.state.is_association(row.table));
        assert_eq!(row.state.name_in(row.table), "ESTAB");
        assert_eq!(row.remote.ip.to_string(), "10.0.0.2");
        assert_eq!((row.remote.port, row.recvq), (40000, 7));
        assert!(!association(b"x y", &mut row));
    }
}
