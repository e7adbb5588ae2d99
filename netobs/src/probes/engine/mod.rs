//! Engines: what sends probes and yields stamped answers, and has a name.

mod answers;
pub mod connect;
pub mod datagram;
pub mod dual;
mod filter;
pub mod kernel;
pub mod raw;
mod route;
pub(super) mod socket;
mod stamps;

pub use route::{link_mtu, source_towards};

use super::{
    net::{Event, Odd, Probe, SendError},
    packet::build::Look,
};
use crate::event::Mono;
use std::{io, net::IpAddr, os::fd::BorrowedFd, time::Duration};

/// Sends probes and yields stamped answers. State machines never know which one they talk to.
pub trait Engine {
    /// As the output names it.
    fn name(&self) -> &'static str;

    /// Sends one probe. What happens to it later comes as an event.
    fn send(&mut self, probe: &Probe) -> Result<(), SendError>;

    /// All that has come in, without waiting.
    fn collect(&mut self, events: &mut Vec<Event>) -> Result<(), EngineError>;

    /// What becomes readable, or in error, when there is something to collect; writable too where a handshake is waited for.
    fn sources(&self) -> Vec<(BorrowedFd<'_>, Interest)>;

    /// When to collect even if nothing becomes readable.
    fn look_again(&self, _now: Mono) -> Option<Mono> {
        None
    }

    /// Nothing is to be sent for so long: the moment for what would have delayed it.
    fn rest(&mut self, _left: Duration) {}

    /// Packets that were no answers though they came to us.
    fn odd(&self) -> Odd;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    Read,
    Write,
}

/// How all probes of a run leave.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub source: Option<IpAddr>,
    pub device: Option<String>,
    pub mark: Option<u32>,
    pub look: Look,
    /// Ask the kernel when each probe left: for runs of few probes.
    pub stamp_sending: bool,
    /// The whole run is over in a round trip: nothing may be waited for before it.
    pub hasty: bool,
    /// Of echoes: what the kernel may do about packets larger than the path takes.
    pub discover: Discover,
}

/// `IP_MTU_DISCOVER`, as `ping -M` sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discover {
    #[default]
    System,
    /// Don't-fragment where the packet fits the known path, else fragments.
    Want,
    /// Fragments anywhere.
    Dont,
    /// Never fragments; what is larger than the known path is refused here.
    Do,
    /// Never fragments, whatever is known of the path.
    Probe,
}

/// Why there is no engine, or no more.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(
        "open a raw socket: {0}; need CAP_NET_RAW: run as root, or setcap cap_net_raw+ep netobs"
    )]
    Privilege(io::Error),
    #[error(
        "open a ping socket: {0}; need CAP_NET_RAW, or your group in sysctl net.ipv4.ping_group_range"
    )]
    PingGroup(io::Error),
    #[error("{what}: {source}")]
    Socket { what: String, source: io::Error },
    #[error(
        "{0} by {1} needs raw sockets, which are for CAP_NET_RAW: run as root, or setcap cap_net_raw+ep netobs"
    )]
    NotWithout(&'static str, &'static str),
}

impl EngineError {
    /// Whether a privilege would help.
    pub const fn is_privilege(&self) -> bool {
        matches!(
            self,
            Self::Privilege(_) | Self::PingGroup(_) | Self::NotWithout(..)
        )
    }

    fn socket(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Socket {
            what: what.into(),
            source: source.into(),
        }
    }
}

/// Reads an error of sending.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other errors keep their number"
)]
fn send_error(errno: nix::errno::Errno) -> SendError {
    use nix::errno::Errno;
    match errno {
        Errno::EMSGSIZE => SendError::TooBig,
        Errno::ENETUNREACH => SendError::NoRoute,
        // An `unreachable` route, or a neighbour that was asked for an earlier packet.
        Errno::EHOSTUNREACH => SendError::HostDown,
        // `prohibit` and `blackhole` routes, and a firewall's output chain.
        Errno::EPERM | Errno::EACCES | Errno::EINVAL => SendError::Prohibited,
        Errno::ENOBUFS | Errno::EAGAIN => SendError::Full,
        other => SendError::Other(other as i32),
    }
}
