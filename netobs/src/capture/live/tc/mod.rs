//! Packets taken at TC by eBPF: the filter runs before anything is copied, and no copy of a packet is made for those that it refuses.

mod ebpf;
pub mod record;
mod translate;

use super::{
    Captured, Counts, Direction, Engine, LiveError, Request, failed, no_socket,
    packet::PacketSocket,
};
use crate::{
    bpf::packets::{Packets, PacketsError, Wanted},
    capture::link::LinkType,
    clock,
    netlink::{
        links,
        socket::{ROUTE, Socket},
    },
    wall::Wall,
};
use record::Of;
use rustix::{
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    io::Errno,
    time::Timespec,
};
use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};
use translate::{Side, translate};

/// Why this way is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TcError {
    #[error("eBPF takes the packets of one interface, not of all")]
    All,
    #[error("eBPF cannot run this filter")]
    Filter,
    #[error("eBPF does not take packets of such an interface")]
    Link,
    #[error(transparent)]
    Packets(#[from] PacketsError),
}

/// Packets that are handed over before figures are asked for.
const BATCH: usize = 2048;
/// While programs are on their way.
const SOON: Duration = Duration::from_millis(1);
/// The interface is looked at so often.
const LOOK: Duration = Duration::from_millis(500);
/// So often nothing may come before the reader wants to be woken by the next packet.
const QUIET: u32 = 3;

/// A capture that runs.
pub struct Capture {
    packets: Packets,
    is_whole: bool,
    /// Tells of wake-ups once each, however much waits.
    wakeups: OwnedFd,
    /// Keeps the interface promiscuous.
    _promiscuous: Option<PacketSocket>,
    of: Of,
    snaplen: usize,
    links: Socket,
    link: Link,
    /// It became what it is, and that was not told.
    fell: bool,
    looked: Instant,
    retire: Duration,
    quiet: u32,
    asked: bool,
    /// Records that are not as our programs write them.
    unread: u64,
    scratch: Vec<u8>,
}

impl Capture {
    pub fn open(request: &Request<'_>) -> Result<Self, LiveError> {
        let device = request.device.ok_or(TcError::All)?;
        if !matches!(
            request.link,
            LinkType::Ethernet | LinkType::Raw | LinkType::RawV4 | LinkType::RawV6
        ) {
            return Err(TcError::Link.into());
        }
        let filter = |side| translate(request.filter, side).ok_or(TcError::Filter);
        // A packet of the loopback device passes twice.
        let once = request.loopback == request.device && request.direction == Direction::Both;
        let came = (request.direction != Direction::Out).then(|| filter(Side::Came));
        let left = (request.direction != Direction::In && !once).then(|| filter(Side::Left));
        let promiscuous = if request.promiscuous {
            let socket = PacketSocket::open(false).map_err(no_socket)?;
            let made = socket.promiscuous(device);
            made.map_err(failed("make the interface promiscuous (-p does not)"))?;
            Some(socket)
        } else {
            None
        };
        // Asked before programs are on their way: the kernel would let it wait for them.
        let links = Socket::open(ROUTE);
        let mut links = links.map_err(|error| failed("ask for the interface")(error.errno))?;
        let link = look(&mut links, device);
        let bytes = request.shape.bytes().clamp(1 << 18, 1 << 30);
        let packets = Packets::open(&Wanted {
            device,
            came: came.transpose()?,
            left: left.transpose()?,
            snaplen: request.snaplen,
            only_links: request.engine == Engine::BpfLinks,
            ring_bytes: u32::try_from(bytes.next_power_of_two()).unwrap_or(1 << 30),
        })
        .map_err(TcError::from)?;
        let wakeups = watch(packets.ring.fd());
        let wakeups = wakeups.map_err(|errno| failed("watch the ring")(errno.into()))?;
        Ok(Self {
            packets,
            is_whole: false,
            wakeups,
            _promiscuous: promiscuous,
            of: Of {
                device,
                link: request.link,
            },
            snaplen: request.snaplen as usize,
            links,
            fell: link != Link::Up,
            link,
            looked: clock::instant(),
            retire: Duration::from_millis(request.shape.retire_ms.into()),
            quiet: 0,
            asked: false,
            unread: 0,
            scratch: Vec::new(),
        })
    }

    pub fn way(&self) -> &'static str {
        self.packets.way()
    }

    pub fn begin(&mut self) -> Result<(), LiveError> {
        Ok(self.packets.begin().map_err(TcError::from)?)
    }

    pub fn is_whole(&mut self) -> Result<bool, LiveError> {
        self.is_whole = self.packets.are_whole().map_err(TcError::from)?;
        Ok(self.is_whole)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wakeups.as_fd()
    }

    /// As [`super::Live::rest`]: while packets come, now and then; else the next one wakes us.
    pub fn rest(&mut self, most: Duration) -> Duration {
        let mut one = [epoll::Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        }];
        let now = Timespec::default();
        // A wake-up since packets were looked for, which is told once.
        let told = epoll::wait(&self.wakeups, &mut one[..], Some(&now));
        let woken = told.is_ok_and(|told| told > 0);
        if !self.is_whole {
            return SOON;
        }
        if self.quiet < QUIET {
            self.quiet += 1;
            return self.retire.min(most);
        }
        if self.asked {
            return if woken { Duration::ZERO } else { most };
        }
        // What came before we asked wakes nobody: it is looked for once more.
        self.asked = true;
        self.packets.ring.ask_for_wakeup();
        Duration::ZERO
    }

    #[inline]
    pub fn block<E>(
        &mut self,
        wall: &Wall,
        mut take: impl FnMut(&Captured<'_>) -> Result<bool, E>,
    ) -> Result<Option<bool>, E> {
        let (of, unread, scratch) = (self.of, &mut self.unread, &mut self.scratch);
        let snaplen = self.snaplen;
        let outcome = self.packets.ring.drain_until(BATCH, |bytes| {
            if let Some(packet) = record::packet(bytes, of, wall, scratch) {
                return take(&packet.cut(snaplen));
            }
            *unread += 1;
            Ok(true)
        })?;
        if outcome.is_some() {
            self.quiet = 0;
            if std::mem::take(&mut self.asked) {
                self.packets.ring.polls();
            }
        }
        Ok(outcome)
    }

    pub fn counts(&self) -> Counts {
        let passed = self.packets.passed();
        Counts {
            received: passed.packets,
            lost: passed.lost + self.unread,
        }
    }

    pub fn close(&mut self) {
        self.packets.close();
    }

    pub fn trouble(&mut self) -> Option<io::Error> {
        let now = clock::instant();
        if now.duration_since(self.looked) >= LOOK {
            self.looked = now;
            let link = look(&mut self.links, self.of.device);
            self.fell |= link != Link::Up && link != self.link;
            self.link = link;
        }
        std::mem::take(&mut self.fell).then(|| Errno::NETDOWN.into())
    }
}

/// An interface as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
    Gone,
}

fn look(links: &mut Socket, device: u32) -> Link {
    match links::flags(links, device) {
        Ok(flags) if flags & links::IFF_UP != 0 => Link::Up,
        Ok(_) => Link::Down,
        Err(_) => Link::Gone,
    }
}

fn watch(ring: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let wakeups = epoll::create(CreateFlags::CLOEXEC)?;
    let flags = EventFlags::IN | EventFlags::ET;
    epoll::add(&wakeups, ring, EventData::new_u64(0), flags)?;
    Ok(wakeups)
}
