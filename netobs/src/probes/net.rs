//! What goes out and what comes back, in plain types.

use crate::{event::Mono, icmp::Family};
use std::net::IpAddr;

/// What carries a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proto {
    Icmp,
    Udp,
    Tcp,
    /// Any other IP protocol, whose first eight bytes are an identity of ours.
    Other(u8),
}

impl Proto {
    pub const DCCP: Self = Self::Other(33);
    pub const UDP_LITE: Self = Self::Other(136);
    const SCTP: Self = Self::Other(132);

    pub const fn name(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::DCCP => "dccp",
            Self::SCTP => "sctp",
            Self::UDP_LITE => "udplite",
            Self::Other(_) => "this protocol",
        }
    }

    /// Whether it begins with two ports, so that routers may tell flows apart.
    pub const fn has_ports(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::DCCP | Self::SCTP | Self::UDP_LITE => true,
            Self::Icmp | Self::Other(_) => false,
        }
    }
}

/// What tells one probe from all others, in the probe, in its answer and in an error that quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub peer: IpAddr,
    pub proto: Proto,
    /// Source port, or the identifier of an echo.
    pub a: u16,
    /// Destination port, or the sequence number of an echo.
    pub b: u16,
    /// TCP sequence number, or UDP checksum, or what else stands behind the ports: it varies while the flow stays.
    pub token: u32,
}

impl Identity {
    /// The same without the token: the flow, as a router that balances load sees it.
    #[must_use]
    pub const fn flow(mut self) -> Self {
        self.token = 0;
        self
    }
}

/// One packet that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    pub identity: Identity,
    /// Hop limit; none: the system's.
    pub ttl: Option<u8>,
    /// Bytes behind the ICMP, UDP or TCP header.
    pub payload: u16,
    /// UDP: instead, the how-manieth question to the usual service of the port, where there is one.
    pub service: Option<u8>,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    EchoReply,
    SynAck,
    Rst,
    /// A datagram came back: somebody serves that port.
    Datagram,
    TimeExceeded,
    /// Destination unreachable, parameter problem ...: type and code.
    Error {
        kind: u8,
        code: u8,
    },
    /// Too big for the next link, of this MTU if the router says so.
    TooBig {
        mtu: u32,
    },
}

/// One entry of an MPLS label stack (RFC 4950).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub label: u32,
    pub traffic_class: u8,
    pub ttl: u8,
}

/// The interface a router speaks of (RFC 5837).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Interface {
    /// Bytes of the router: not to be trusted.
    pub name: Option<Vec<u8>>,
    pub index: Option<u32>,
    pub addr: Option<IpAddr>,
    pub mtu: Option<u32>,
}

/// What an error says beyond its quote.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Extensions {
    pub labels: Vec<Label>,
    pub interface: Option<Interface>,
}

/// The probe as it arrived at whoever sent the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    pub source: IpAddr,
    /// Hop limit left, usually 1; 0 and more than 1 betray routers that do not count.
    pub ttl: u8,
    pub tos: u8,
    /// IPv4 identification.
    pub id: Option<u16>,
}

/// Where the time of an answer was taken, and what it and its probe spent in this machine beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamped {
    /// Probe and answer were seen at the edge of the stack: `at` is free of this machine.
    pub at_edge: bool,
    /// From the call that sends to the edge.
    pub before_ns: Option<u64>,
    /// From the edge until the answer was read.
    pub after_ns: Option<u64>,
}

/// One packet that came back, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub at: Mono,
    pub identity: Identity,
    /// Who sent it.
    pub from: IpAddr,
    pub what: What,
    /// Hop limit of the answer when it came in.
    pub ttl: Option<u8>,
    pub quote: Option<Quote>,
    pub extensions: Option<Box<Extensions>>,
    /// Bytes of the ICMP message, or behind the TCP or UDP header.
    pub len: u16,
    pub stamped: Stamped,
}

impl Answer {
    pub const fn family(&self) -> Family {
        match self.from {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// traceroute's mark for an error that ends the way: `!N` `!H` `!P` ...; a closed port is no mark.
    pub const fn mark(&self) -> Option<Mark> {
        match self.what {
            What::Error { kind, code } => mark(self.family(), kind, code),
            What::TooBig { mtu } => Some(Mark::TooBig(mtu)),
            What::EchoReply | What::SynAck | What::Rst | What::Datagram | What::TimeExceeded => {
                None
            }
        }
    }

    /// The destination's own word: the port is closed.
    pub const fn is_port_unreachable(&self) -> bool {
        matches!(
            (self.family(), self.what),
            (Family::V4, What::Error { kind: 3, code: 3 })
                | (Family::V6, What::Error { kind: 1, code: 4 })
        )
    }
}

/// Why a packet went no further, as traceroute marks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Network,
    Host,
    Protocol,
    Prohibited,
    SourceRoute,
    TooBig(u32),
    /// Its precedence is not allowed here.
    Precedence,
    /// Its precedence is too low.
    Cutoff,
    Other(u8),
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network => f.write_str("!N"),
            Self::Host => f.write_str("!H"),
            Self::Protocol => f.write_str("!P"),
            Self::Prohibited => f.write_str("!X"),
            Self::SourceRoute => f.write_str("!S"),
            Self::TooBig(0) => f.write_str("!F"),
            Self::TooBig(mtu) => write!(f, "!F-{mtu}"),
            Self::Precedence => f.write_str("!V"),
            Self::Cutoff => f.write_str("!C"),
            Self::Other(code) => write!(f, "!{code}"),
        }
    }
}

/// The marks of traceroute(8) by type and code.
const fn mark(family: Family, kind: u8, code: u8) -> Option<Mark> {
    Some(match (family, kind, code) {
        (Family::V4, 3, 3) | (Family::V6, 1, 4) => return None,
        (Family::V4, 3, 0 | 6 | 8 | 11) | (Family::V6, 1, 0) => Mark::Network,
        (Family::V4, 3, 1 | 7 | 12) | (Family::V6, 1, 3) => Mark::Host,
        (Family::V4, 3, 2) | (Family::V6, 4, 1) => Mark::Protocol,
        (Family::V4, 3, 9 | 10 | 13) | (Family::V6, 1, 1) => Mark::Prohibited,
        (Family::V4, 3, 5) | (Family::V6, 1, 2) => Mark::SourceRoute,
        (Family::V4, 3, 14) => Mark::Precedence,
        (Family::V4, 3, 15) => Mark::Cutoff,
        (_, _, code) => Mark::Other(code),
    })
}

/// What an engine tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The probe left, as the kernel says: more exact than the moment of the call.
    Sent {
        identity: Identity,
        at: Mono,
    },
    Answer(Answer),
    /// It reached this host, and no socket got it: this machine dropped it.
    Dropped(Answer),
    /// The probe could not be sent.
    Failed {
        identity: Identity,
        error: SendError,
    },
}

/// Why a probe did not leave this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Larger than the MTU towards the destination, with don't-fragment.
    TooBig,
    NoRoute,
    /// A route or a firewall of this machine forbids it.
    Prohibited,
    /// The neighbour does not answer: an earlier probe's error, told now.
    HostDown,
    /// No room in a queue: it may be sent again.
    Full,
    Other(i32),
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooBig => {
                f.write_str("message too long for the MTU, and it may not be fragmented")
            }
            Self::NoRoute => f.write_str("no route to it (see netobs show route)"),
            Self::Prohibited => f.write_str("forbidden by a route or a firewall of this machine"),
            Self::HostDown => f.write_str("the neighbour does not answer"),
            Self::Full => f.write_str("no room in a queue of this machine"),
            Self::Other(errno) => write!(f, "{}", std::io::Error::from_raw_os_error(*errno)),
        }
    }
}

/// Answers that were not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odd {
    /// Ends before it says what it must.
    pub truncated: u64,
    pub checksum: u64,
    /// Quotes a probe that was never sent, or not from here.
    pub foreign: u64,
}

impl Odd {
    pub const fn any(&self) -> bool {
        self.truncated + self.checksum + self.foreign > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_those_of_traceroute() {
        for (family, kind, code, want) in [
            (Family::V4, 3, 0, "!N"),
            (Family::V4, 3, 1, "!H"),
            (Family::V4, 3, 2, "!P"),
            (Family::V4, 3, 5, "!S"),
            (Family::V4, 3, 13, "!X"),
            (Family::V4, 3, 14, "!V"),
            (Family::V4, 3, 16, "!16"),
            (Family::V6, 1, 0, "!N"),
            (Family::V6, 1, 1, "!X"),
            (Family::V6, 1, 3, "!H"),
        ] {
            assert_eq!(mark(family, kind, code).unwrap().to_string(), want);
        }
        assert_eq!(mark(Family::V4, 3, 3), None);
        assert_eq!(Mark::TooBig(1300).to_string(), "!F-1300");
    }
}
