//! Records made rows: only what TCP rows of this source ever set is set.

use crate::socket::{Comm, End, Family, Holder, Row, State, Table, Timer};
use netobs_ebpf::sockets::record::{HolderRecord, RECORD_MINI, TcpRecord};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const AF_INET6: u16 = 10;

/// Only what TCP rows of this source ever set is set again.
///
/// `details`: those are told too, and a jiffy has so many nanoseconds.
pub fn tcp(row: &mut Row, record: &TcpRecord, details: Option<u32>) {
    row.holders.clear();
    row.holders_known = true;
    row.table = Table::Tcp;
    row.family = if record.family == AF_INET6 {
        Family::Inet6
    } else {
        Family::Inet
    };
    row.state = State(record.state);
    row.local = end(record.family, record.laddr, record.lport);
    row.remote = end(record.family, record.raddr, record.rport);
    row.ifindex = record.ifindex;
    // As sock_diag does, of listeners alone.
    row.v6only = (record.family == AF_INET6 && row.state == State::LISTEN)
        .then_some(record.reuse & 0x20 != 0);
    (row.recvq, row.sendq) = (record.rqueue, record.wqueue);
    row.backlog_known = true;
    row.sk = record.holder.sk;
    row.inode = u32::try_from(record.holder.ino).unwrap_or(0);
    let Some(tick_ns) = details else {
        return;
    };
    row.uid = Some(record.uid);
    row.cookie = (record.cookie != 0).then_some(record.cookie);
    row.mark = Some(record.mark);
    row.cgroup = (record.cgroup != 0).then_some(record.cgroup);
    row.inet.shutdown = (record.flags & RECORD_MINI == 0).then_some(record.shutdown);
    row.timer = Timer {
        kind: record.timer,
        expires_ms: if record.timer == 0 {
            0
        } else {
            milliseconds(record.left, tick_ns)
        },
        retrans: record.retrans,
    };
}

/// The same of a UDP socket.
pub fn udp(row: &mut Row, record: &TcpRecord, details: Option<u32>) {
    tcp(row, record, details);
    row.table = Table::Udp;
    row.backlog_known = false;
    row.v6only = (row.family == Family::Inet6 && row.state == State::CLOSE)
        .then_some(record.reuse & 0x20 != 0);
    row.timer = Timer::default();
}

/// Of jiffies that may have passed already.
fn milliseconds(left: u64, tick_ns: u32) -> u32 {
    let left = u64::try_from(left.cast_signed()).unwrap_or(0);
    let ms = u128::from(left) * u128::from(tick_ns) / 1_000_000;
    u32::try_from(ms).unwrap_or(u32::MAX)
}

fn end(family: u16, words: [u64; 2], port: u16) -> End {
    let octets: [u8; 16] = zerocopy::transmute!(words);
    let ip = if family == AF_INET6 {
        IpAddr::V6(Ipv6Addr::from(octets))
    } else {
        IpAddr::V4(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]))
    };
    End {
        ip,
        port: u32::from(port),
    }
}

/// Without threads all descriptors are the process's.
pub fn holder(record: &HolderRecord, threads: bool) -> Holder {
    Holder {
        pid: record.pid,
        tid: if threads { record.tid } else { record.pid },
        fd: record.fd,
        comm: Comm(zerocopy::transmute!(record.comm)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netobs_ebpf::sockets::record::KIND_TCP;
    use zerocopy::{FromBytes as _, FromZeros as _};

    #[test]
    fn any_bytes_make_a_row() {
        for byte in [0, 0x7f, 0x80, 0xff] {
            let record = TcpRecord::read_from_bytes(&[byte; size_of::<TcpRecord>()]).unwrap();
            let mut row = Row::default();
            tcp(&mut row, &record, Some(u32::MAX));
            row.holders.push(holder(&record.holder, true));
            assert_eq!(row.table, Table::Tcp);
            assert!(row.holders_known);
        }
    }

    #[test]
    fn timers_that_are_over_have_nothing_left() {
        assert_eq!(milliseconds(250, 4_000_000), 1000);
        assert_eq!(milliseconds(u64::MAX, 4_000_000), 0);
        assert_eq!(milliseconds(u64::MAX >> 1, u32::MAX), u32::MAX);
    }

    #[test]
    fn ends_of_both_families() {
        let mut record = TcpRecord::new_zeroed();
        (record.holder.kind, record.family, record.state) = (KIND_TCP, AF_INET6, 10);
        record.laddr = zerocopy::transmute!(Ipv6Addr::LOCALHOST.octets());
        (record.lport, record.reuse) = (443, 0x20);
        let mut row = Row::default();
        tcp(&mut row, &record, None);
        assert_eq!(
            (row.local.ip, row.local.port),
            (Ipv6Addr::LOCALHOST.into(), 443)
        );
        assert_eq!(row.v6only, Some(true));
        assert_eq!(row.uid, None, "not looked for");
        record.family = 2;
        tcp(&mut row, &record, None);
        assert_eq!(row.local.ip, IpAddr::from([0, 0, 0, 0]));
        assert_eq!(row.v6only, None);
    }
}
