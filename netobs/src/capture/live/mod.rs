//! Packets as they pass, with the filter in the kernel: by programs at TC, or through the ring of a packet socket.

pub mod devices;
mod packet;
mod request;
mod tc;
mod vlan;

use crate::{event::Mono, wall::Wall};
use rustix::io::Errno;
use std::{io, os::fd::BorrowedFd, time::Duration};

pub use packet::frame::{Block, untagged};
pub use request::{Direction, Engine, Request, Shape};
pub use tc::{TcError, record};

/// `PACKET_OUTGOING`
pub const OUTGOING: u8 = 4;

/// Why packets cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(
        "open a packet socket: {0}; need CAP_NET_RAW: run as root, or setcap cap_net_raw+ep netobs"
    )]
    Privilege(io::Error),
    #[error("this kernel has no packet sockets (CONFIG_PACKET)")]
    Absent,
    #[error("{what}: {source}")]
    Socket {
        what: &'static str,
        source: io::Error,
    },
    #[error("make a ring of {bytes} bytes: {source}; ask for a smaller one with -B")]
    Ring { bytes: usize, source: io::Error },
    #[error(transparent)]
    Tc(#[from] TcError),
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> LiveError {
    move |source| LiveError::Socket { what, source }
}

fn no_socket(errno: Errno) -> LiveError {
    if errno == Errno::PERM || errno == Errno::ACCESS {
        LiveError::Privilege(errno.into())
    } else if errno == Errno::AFNOSUPPORT {
        LiveError::Absent
    } else {
        failed("open a packet socket")(errno.into())
    }
}

/// A packet as its interface had it.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// On the wall clock.
    pub time_ns: u64,
    /// On the other one, if the kernel tells that.
    pub at: Option<Mono>,
    pub data: &'a [u8],
    /// Its length on the wire.
    pub wire: u32,
    pub device: u32,
    /// `PACKET_HOST` ... `PACKET_OUTGOING`
    pub kind: u8,
    /// Several segments in one, to be cut by the device, or put together from what came.
    pub gso: bool,
    /// The tag that the kernel keeps beside it; it stands in the data too.
    pub tag: Option<u16>,
}

impl Captured<'_> {
    /// No longer than so many bytes, the tag and a made-up header included, as in libpcap.
    fn cut(self, snaplen: usize) -> Self {
        Self {
            data: &self.data[..self.data.len().min(snaplen)],
            ..self
        }
    }
}

/// Exact figures of a capture: what passed the filter is either captured or lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed the filter.
    pub received: u64,
    /// Of these, those that the kernel had no room for, or handed over as nothing that we can read.
    pub lost: u64,
}

/// A capture that runs.
pub enum Live {
    Packet(Box<packet::Capture>),
    Tc(Box<tc::Capture>),
}

impl Live {
    pub fn open(request: &Request<'_>) -> Result<Self, LiveError> {
        match request.engine {
            Engine::Packet => {
                packet::Capture::open(request).map(|made| Self::Packet(Box::new(made)))
            }
            Engine::Bpf | Engine::BpfLinks => {
                tc::Capture::open(request).map(|made| Self::Tc(Box::new(made)))
            }
        }
    }

    /// Waits until packets are taken, those of one direction at least.
    pub fn begin(&mut self) -> Result<(), LiveError> {
        match self {
            Self::Packet(_) => Ok(()),
            Self::Tc(capture) => capture.begin(),
        }
    }

    /// Whether all are taken that are wanted.
    pub fn is_whole(&mut self) -> Result<bool, LiveError> {
        match self {
            Self::Packet(_) => Ok(true),
            Self::Tc(capture) => capture.is_whole(),
        }
    }

    /// Readable when packets wait.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Packet(capture) => capture.fd(),
            Self::Tc(capture) => capture.fd(),
        }
    }

    /// Nothing waits: how long to sleep, if nobody wants anything for `most`. Then packets are to be looked for.
    pub fn rest(&mut self, most: Duration) -> Duration {
        match self {
            Self::Packet(_) => most,
            Self::Tc(capture) => capture.rest(most),
        }
    }

    /// How packets are taken, and why not as is usual.
    pub fn told(&self) -> Option<String> {
        match self {
            Self::Packet(capture) => capture.filters_here().then(|| {
                "the kernel cannot run this filter: packets are filtered here, at more cost"
                    .to_owned()
            }),
            Self::Tc(capture) => Some(format!("by eBPF at {}", capture.way())),
        }
    }

    /// Hands packets that wait to `take`, until it says to stop; none: none wait.
    #[inline]
    pub fn block<E>(
        &mut self,
        wall: &Wall,
        take: impl FnMut(&Captured<'_>) -> Result<bool, E>,
    ) -> Result<Option<bool>, E> {
        match self {
            Self::Packet(capture) => capture.block(take),
            Self::Tc(capture) => capture.block(wall, take),
        }
    }

    /// The figures up to now.
    pub fn counts(&mut self) -> Counts {
        match self {
            Self::Packet(capture) => capture.counts(),
            Self::Tc(capture) => capture.counts(),
        }
    }

    /// From here on nothing more passes: what did waits in the ring.
    pub fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Packet(capture) => capture.close(),
            Self::Tc(capture) => {
                capture.close();
                Ok(())
            }
        }
    }

    /// What happened to the interface, if something did and was not told: it is down, or gone.
    pub fn trouble(&mut self) -> Option<io::Error> {
        match self {
            Self::Packet(capture) => capture.trouble(),
            Self::Tc(capture) => capture.trouble(),
        }
    }
}
