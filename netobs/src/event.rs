//! An event, decoded: plain values that every later stage reads and none changes.

use crate::collectors::Body;
use netobs_ebpf::event::{COMM_LEN, CommWords, Flow, Header, Kind, OWNER_KNOWN, UID_KNOWN};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mono(pub u64);

/// The name of a process, as the kernel has it: bytes, not text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Comm(pub [u8; COMM_LEN]);

impl Comm {
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(COMM_LEN);
        &self.0[..end]
    }
}

impl From<CommWords> for Comm {
    fn from(words: CommWords) -> Self {
        Self(zerocopy::transmute!(words))
    }
}

impl std::fmt::Debug for Comm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

/// Who an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Process {
        pid: u32,
        comm: Comm,
    },
    /// There is a socket, but nobody is known to hold it.
    Unknown,
    /// The event has no socket on this machine.
    None,
}

/// What every event has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Common {
    pub at: Mono,
    pub hook: u8,
    pub owner: Owner,
    pub uid: Option<u32>,
    /// Inode number of the network namespace, 0: unknown.
    pub netns: u32,
    /// Cgroup v2 id, 0: unknown.
    pub cgroup: u64,
    /// Kernel address and inode of the socket, to look its owner up; 0: none.
    pub sk: u64,
    pub ino: u64,
}

impl From<&Header> for Common {
    fn from(h: &Header) -> Self {
        let owner = if h.flags & OWNER_KNOWN != 0 {
            Owner::Process {
                pid: h.pid,
                comm: Comm::from(h.comm),
            }
        } else if h.sk != 0 {
            Owner::Unknown
        } else {
            Owner::None
        };
        Self {
            at: Mono(h.time_ns),
            hook: h.hook,
            owner,
            uid: (h.flags & UID_KNOWN != 0).then_some(h.uid),
            netns: h.netns,
            cgroup: h.cgroup,
            sk: h.sk,
            ino: h.ino,
        }
    }
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub common: Common,
    pub body: Body,
}

/// Both ends of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub proto: Proto,
}

impl Ends {
    /// Whether the remote end is known: a listener has none, a datagram's may not be told.
    pub fn has_remote(&self) -> bool {
        self.remote.port() != 0 || !self.remote.ip().is_unspecified()
    }
}

/// An IP protocol number, named where it has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proto(pub u16);

impl Proto {
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "icmp",
            2 => "igmp",
            6 => "tcp",
            17 => "udp",
            47 => "gre",
            50 => "esp",
            58 => "icmpv6",
            132 => "sctp",
            136 => "udplite",
            262 => "mptcp",
            _ => return None,
        })
    }
}

/// `AF_INET6`.
const AF_INET6: u16 = 10;

/// An address as the kernel side writes it.
pub fn address(words: &[u32; 4], family: u16) -> IpAddr {
    if family == AF_INET6 {
        let bytes: [u8; 16] = zerocopy::transmute!(*words);
        IpAddr::V6(Ipv6Addr::from(bytes))
    } else {
        IpAddr::V4(Ipv4Addr::from(words[0].to_ne_bytes()))
    }
}

impl From<&Flow> for Ends {
    fn from(f: &Flow) -> Self {
        Self {
            local: SocketAddr::new(address(&f.laddr, f.family), f.lport),
            remote: SocketAddr::new(address(&f.raddr, f.family), f.rport),
            proto: Proto(f.proto),
        }
    }
}

/// The names of event kinds, in the order of [`Kind`].
pub const KINDS: [(Kind, &str); 12] = [
    (Kind::Connect, "connect"),
    (Kind::Accept, "accept"),
    (Kind::Close, "close"),
    (Kind::ConnectFailed, "connect-failed"),
    (Kind::Retransmit, "retransmit"),
    (Kind::Drop, "drop"),
    (Kind::Reset, "reset"),
    (Kind::Icmp, "icmp"),
    (Kind::Route, "route"),
    (Kind::Neigh, "neigh"),
    (Kind::UdpDrop, "udp-drop"),
    (Kind::ListenOverflow, "listen-overflow"),
];
