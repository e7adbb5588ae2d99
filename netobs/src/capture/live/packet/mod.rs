//! A packet socket: one wake-up for a block of packets, no system call a packet.

mod attach;
pub mod frame;
mod ring;

use super::{Captured, Counts, Direction, LiveError, Request, failed, no_socket};
use crate::capture::{
    filter::{Beside, Insn, Program},
    link::LinkType,
};
use frame::Block;
use ring::Ring;
use socket2::{SockFilter, SockRef};
use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

pub use ring::PacketSocket;

/// A capture that runs.
pub struct Capture {
    socket: PacketSocket,
    ring: Ring,
    link: LinkType,
    snaplen: usize,
    /// The filter, where the kernel cannot run it.
    here: Option<Program>,
    scratch: Vec<u8>,
    counts: Counts,
}

impl Capture {
    pub fn open(request: &Request<'_>) -> Result<Self, LiveError> {
        let socket = PacketSocket::open(request.link == LinkType::Sll2).map_err(no_socket)?;
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
            // Whole packets: the filter may look beyond what is kept.
            all.extend(attach::constant(u32::MAX).insns);
            attach(&socket, &all).map_err(failed("attach a filter"))?;
        }
        let ring = Ring::new(&socket, request.shape).map_err(|source| LiveError::Ring {
            bytes: request.shape.bytes(),
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
            snaplen: request.snaplen as usize,
            here,
            scratch: Vec::new(),
            counts: Counts::default(),
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
            more = take(&packet.cut(self.snaplen))?;
        }
        if more {
            self.counts.lost += u64::from(block.unread());
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
}

fn attach(socket: &PacketSocket, insns: &[Insn]) -> io::Result<()> {
    let filters: Vec<SockFilter> = insns
        .iter()
        .map(|insn| SockFilter::new(insn.code, insn.jt, insn.jf, insn.k))
        .collect();
    SockRef::from(socket).attach_filter(&filters)
}

/// The filter run here: as the kernel would, on the packet without the tag that we put back.
fn passes(filter: &Program, packet: &Captured<'_>, link: LinkType, scratch: &mut Vec<u8>) -> bool {
    let mut beside = Beside {
        protocol: 0,
        kind: packet.kind,
        interface: packet.device,
        tag: packet.tag,
    };
    let (data, wire) = frame::untagged(packet, link, scratch);
    let kind = if link == LinkType::Sll2 { 0 } else { 12 };
    if let Some(protocol) = data.get(kind..).and_then(<[u8]>::first_chunk) {
        beside.protocol = u16::from_be_bytes(*protocol);
    }
    filter.matches_live(data, wire, beside)
}
