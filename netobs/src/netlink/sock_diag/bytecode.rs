//! The filter language of inet_diag: conditions that jump forward, so that the kernel passes over what is not wanted.

use std::net::IpAddr;

/// One condition as the kernel tests it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    LocalPortAtLeast(u16),
    LocalPortAtMost(u16),
    RemotePortAtLeast(u16),
    RemotePortAtMost(u16),
    Local(Host),
    Remote(Host),
    /// Nobody bound the socket to its port.
    Autobound,
    Mark {
        value: u32,
        mask: u32,
    },
    Cgroup(u64),
}

/// A prefix and a port, both optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    pub prefix: Option<(IpAddr, u8)>,
    pub port: Option<u16>,
}

const JUMP: u8 = 1;
const S_GE: u8 = 2;
const S_LE: u8 = 3;
const D_GE: u8 = 4;
const D_LE: u8 = 5;
const AUTO: u8 = 6;
const S_COND: u8 = 7;
const D_COND: u8 = 8;
const MARK_COND: u8 = 10;
const CGROUP_COND: u8 = 13;
const OP: usize = 4;

fn op(code: u8, yes: usize, no: usize) -> [u8; OP] {
    let yes = u8::try_from(yes).unwrap_or(u8::MAX);
    let no = u16::try_from(no).unwrap_or(u16::MAX).to_ne_bytes();
    [code, yes, no[0], no[1]]
}

/// A test that goes on when it holds and else jumps past its own end by one operation: out of the program, or over a jump.
pub fn test(condition: Condition) -> Vec<u8> {
    let port = |code, port: u16| {
        let mut bytes = op(code, 8, 12).to_vec();
        bytes.extend(op(0, 0, usize::from(port)));
        bytes
    };
    match condition {
        Condition::LocalPortAtLeast(n) => port(S_GE, n),
        Condition::LocalPortAtMost(n) => port(S_LE, n),
        Condition::RemotePortAtLeast(n) => port(D_GE, n),
        Condition::RemotePortAtMost(n) => port(D_LE, n),
        Condition::Local(to) => host(S_COND, to),
        Condition::Remote(to) => host(D_COND, to),
        Condition::Autobound => op(AUTO, 4, 8).to_vec(),
        Condition::Mark { value, mask } => {
            let mut bytes = op(MARK_COND, 12, 16).to_vec();
            bytes.extend(value.to_ne_bytes());
            bytes.extend(mask.to_ne_bytes());
            bytes
        }
        Condition::Cgroup(id) => {
            let mut bytes = op(CGROUP_COND, 12, 16).to_vec();
            bytes.extend(id.to_ne_bytes());
            bytes
        }
    }
}

fn host(code: u8, to: Host) -> Vec<u8> {
    let address = match to.prefix {
        Some((IpAddr::V4(ip), _)) => ip.octets().to_vec(),
        Some((IpAddr::V6(ip), _)) => ip.octets().to_vec(),
        None => Vec::new(),
    };
    let family = match to.prefix {
        Some((IpAddr::V4(_), _)) => libc::AF_INET,
        Some((IpAddr::V6(_), _)) => libc::AF_INET6,
        None => libc::AF_UNSPEC,
    };
    let length = OP + 8 + address.len();
    let mut bytes = op(code, length, length + OP).to_vec();
    bytes.push(u8::try_from(family).unwrap_or(0));
    bytes.push(to.prefix.map_or(0, |(_, bits)| bits));
    bytes.extend([0, 0]);
    bytes.extend(to.port.map_or(-1, i32::from).to_ne_bytes());
    bytes.extend(address);
    bytes
}

/// Both must hold: what leaves the first for the end leaves for the end of both.
pub fn and(mut first: Vec<u8>, second: &[u8]) -> Vec<u8> {
    let length = first.len();
    let mut at = 0;
    while at + OP <= length {
        let step = usize::from(first[at + 1]);
        let no = usize::from(u16::from_ne_bytes([first[at + 2], first[at + 3]]));
        if no == length - at + OP {
            let moved = u16::try_from(no + second.len()).unwrap_or(u16::MAX);
            first[at + 2..at + 4].copy_from_slice(&moved.to_ne_bytes());
        }
        if step == 0 {
            break; // no operation is that short
        }
        at += step;
    }
    first.extend_from_slice(second);
    first
}

/// One must hold: a jump after the first skips the second.
pub fn or(mut first: Vec<u8>, second: &[u8]) -> Vec<u8> {
    first.extend(op(JUMP, OP, second.len() + OP));
    first.extend_from_slice(second);
    first
}

/// A jump after the test: what held leaves for the end, what did not goes on.
pub fn not(mut test: Vec<u8>) -> Vec<u8> {
    test.extend(op(JUMP, OP, 2 * OP));
    test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_land_on_operations() {
        let port = test(Condition::LocalPortAtLeast(1024));
        assert_eq!(port, [2, 8, 12, 0, 0, 0, 0, 4]);
        let both = and(port.clone(), &port);
        assert_eq!(both[..4], [2, 8, 20, 0]);
        let one = or(port.clone(), &port);
        assert_eq!(one[8..12], [1, 4, 12, 0]);
        assert_eq!(not(port)[8..], [1, 4, 8, 0]);
    }
}
