//! What is known of a port, in nmap's words.

use crate::probes::net::{Answer, Mark, Proto, SendError, Stamped, What};
use std::net::IpAddr;

/// nmap's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    Open,
    Closed,
    Filtered,
    /// UDP: silence may be either.
    OpenFiltered,
    Unreachable,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
            Self::OpenFiltered => "open|filtered",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Why a port is in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The answer, and how long it took.
    Answer(What, Option<Mark>),
    /// The same, but this host dropped it.
    DroppedHere(What, Option<Mark>),
    Silence,
    NotSent(SendError),
}

/// Who answered, how long it took, and where that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub by: IpAddr,
    pub rtt_ns: u64,
    pub stamped: Stamped,
}

/// What is known of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub addr: IpAddr,
    pub port: u16,
    pub state: State,
    pub reason: Reason,
    /// None: nobody answered.
    pub heard: Option<Heard>,
}

/// What an answer says of the port, in nmap's words; none: nothing.
pub(super) fn state_of(answer: &Answer, proto: Proto) -> Option<State> {
    Some(match answer.what {
        What::SynAck | What::Datagram => State::Open,
        What::Rst => State::Closed,
        What::EchoReply | What::TooBig { .. } => return None,
        What::TimeExceeded => State::Unreachable,
        What::Error { .. } if answer.is_port_unreachable() && proto == Proto::Udp => State::Closed,
        What::Error { .. } => State::Filtered,
    })
}
