//! Packets as they pass, through the ring of a packet socket, with the filter in the kernel.

pub mod attach;
pub mod devices;
mod frame;
mod ring;

pub use attach::Direction;
pub use frame::{Block, Captured};
pub use ring::Shape;

use super::{
    filter::{Beside, Insn, Program},
    link::LinkType,
};
use ring::{PacketSocket, Ring};
use rustix::io::Errno;
use socket2::{SockFilter, SockRef};
use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

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
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> LiveError {
    move |source| LiveError::Socket { what, source }
}

/// What is to be captured.
pub struct Request<'a> {
    /// Index of the device; none: all.
    pub device: Option<u32>,
    pub loopback: Option<u32>,
    /// What packets are told as: `Sll2` where the header of the link is not asked for.
    pub link: LinkType,
    pub filter: &'a Program,
    pub snaplen: u32,
    pub direction: Direction,
    pub promiscuous: bool,
    pub shape: Shape,
}

/// Exact figures of a capture: what passed the filter is either captured or lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed the filter.
    pub received: u64,
    /// Of these, those that the kernel had no room for.
    pub lost: u64,
}

/// A capture that runs.
pub struct Live {
    socket: PacketSocket,
    ring: Ring,
    link: LinkType,
    /// The filter, where the kernel cannot run it.
    here: Option<Program>,
    scratch: Vec<u8>,
    counts: Counts,
    any: bool,
}

impl Live {
    pub fn open(request: &Request<'_>) -> Result<Self, LiveError> {
        let socket = PacketSocket::open(request.link == LinkType::Sll2).map_err(|errno| {
            if errno == Errno::PERM || errno == Errno::ACCESS {
                LiveError::Privilege(errno.into())
            } else if errno == Errno::AFNOSUPPORT {
                LiveError::Absent
            } else {
                failed("open a packet socket")(errno.into())
            }
        })?;
        let mut only = attach::only(
            request.direction,
            request.device.is_none(),
            request.loopback,
        );
        let mut here = None;
        if let Some(insns) = attach::for_kernel(request.filter, request.link) {
            only.extend(insns);
            // An old kernel may lack an instruction.
            if attach(&socket, &only).is_err() {
                here = Some(request.filter.clone());
            }
        } else {
            here = Some(request.filter.clone());
        }
        if here.is_some() {
            let any = request.device.is_none();
            let mut all = attach::only(request.direction, any, request.loopback);
            all.extend(attach::constant(request.snaplen).insns);
            attach(&socket, &all).map_err(failed("attach a filter"))?;
        }
        let ring = Ring::new(&socket, request.shape).map_err(|source| LiveError::Ring {
            bytes: request.shape.block * request.shape.blocks,
            source,
        })?;
        let only_lo = request.device.is_some() && request.device == request.loopback;
        if request.direction == Direction::In || (only_lo && request.direction == Direction::Both) {
            // Before 4.20 the filter alone refuses them.
            drop(socket.ignore_outgoing());
        }
        if let (Some(device), true) = (request.device, request.promiscuous) {
            let made = socket.promiscuous(device);
            made.map_err(failed("make the interface promiscuous (-p does not)"))?;
        }
        let listens = socket.listen(request.device);
        listens.map_err(failed("listen to the interface"))?;
        Ok(Self {
            socket,
            ring,
            link: request.link,
            here,
            scratch: Vec::new(),
            counts: Counts::default(),
            any: request.device.is_none(),
        })
    }

    /// Readable when a block waits.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether the kernel could not take the filter.
    pub fn filters_here(&self) -> bool {
        self.here.is_some()
    }

    /// Hands the packets of the next block to `take`, until it says to stop; none: no block waits.
    pub fn block<E>(
        &mut self,
        mut take: impl FnMut(&Captured<'_>) -> Result<bool, E>,
    ) -> Result<Option<bool>, E> {
        let Some(bytes) = self.ring.block() else {
            return Ok(None);
        };
        let mut block = Block::new(bytes, self.link);
        let (mut more, mut refused) = (true, 0);
        while more && let Some(packet) = block.packet() {
            let passes = self
                .here
                .as_ref()
                .is_none_or(|filter| passes(filter, &packet, self.link, &mut self.scratch));
            if !passes {
                refused += 1;
                continue;
            }
            more = take(&packet)?;
        }
        // What we refuse here the kernel would have refused.
        self.counts.received = self.counts.received.wrapping_sub(refused);
        self.ring.give_back();
        Ok(Some(more))
    }

    /// The figures up to now.
    pub fn counts(&mut self) -> Counts {
        if let Ok([received, lost]) = self.socket.statistics() {
            self.counts.received = self.counts.received.wrapping_add(u64::from(received));
            self.counts.lost += u64::from(lost);
        }
        self.counts
    }

    /// From here on nothing more passes: what did waits in the ring.
    pub fn close(&self) -> io::Result<()> {
        attach(&self.socket, &attach::constant(0).insns)
    }

    /// What happened to the socket, if something did: its interface is down, or gone.
    pub fn trouble(&self) -> Option<io::Error> {
        SockRef::from(&self.socket).take_error().ok().flatten()
    }

    pub fn is_of_all(&self) -> bool {
        self.any
    }
}

fn attach(socket: &PacketSocket, insns: &[Insn]) -> io::Result<()> {
    let filters: Vec<SockFilter> = insns
        .iter()
        .map(|insn| SockFilter::new(insn.code, insn.jt, insn.jf, insn.k))
        .collect();
    SockRef::from(socket).attach_filter(&filters)
}

/// Where the tag stands in a packet, and the type that it hides.
const fn place_of_tag(link: LinkType) -> usize {
    if matches!(link, LinkType::Sll2) {
        20
    } else {
        12
    }
}

/// The filter run here: as the kernel would, on the packet without the tag that we put back.
fn passes(filter: &Program, packet: &Captured<'_>, link: LinkType, scratch: &mut Vec<u8>) -> bool {
    let mut beside = Beside {
        protocol: 0,
        kind: packet.kind,
        interface: packet.device,
        tag: packet.tag,
    };
    let at = place_of_tag(link);
    let (data, wire) = match packet.tag {
        Some(_) if packet.data.len() >= at + 4 => {
            scratch.clear();
            scratch.extend_from_slice(&packet.data[..at]);
            scratch.extend_from_slice(&packet.data[at + 4..]);
            if link == LinkType::Sll2 {
                scratch[..2].copy_from_slice(&packet.data[at + 2..at + 4]);
            }
            (&scratch[..], packet.wire - 4)
        }
        _ => (packet.data, packet.wire),
    };
    let kind = if link == LinkType::Sll2 { 0 } else { 12 };
    if let Some(protocol) = data.get(kind..).and_then(<[u8]>::first_chunk) {
        beside.protocol = u16::from_be_bytes(*protocol);
    }
    filter.matches_live(data, wire, beside)
}
