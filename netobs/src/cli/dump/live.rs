//! Capture from interfaces: packets through the ring to lines or files, and the figures at the end.

use super::{
    args::Dump,
    names::System,
    owners::Whose,
    refused, show_program,
    signals::{self, Asked, Signals},
    sink::{Ended, Sink},
    snaplen,
    table::Interfaces,
    told::Told,
};
use crate::{
    capture::{
        drops::{self, Drops},
        file::Statistics,
        filter::{self, Options, Program},
        live::{
            Counts, Live, LiveError, Request, Shape,
            devices::{self, Device},
        },
    },
    cli::{Failure, Status},
    clock,
    netlink::{
        addresses, links,
        socket::{ROUTE, Socket},
    },
    sinks::stream::{SinkError, tell},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use std::{io, net::IpAddr, time::Duration};

/// A block that is not full is handed over after so long: soon to who watches, late to a file.
const SOON_MS: u32 = 10;
const LATE_MS: u32 = 100;
/// Without packets sockets are closed all the same, and want to be taken note of.
const IDLE: Duration = Duration::from_millis(500);
/// What has passed the filter is in the ring soon after.
const LAST: Duration = Duration::from_millis(500);
/// The ring, without `-B`.
const RING: usize = 32 << 20;
/// Room for the largest packets, with what stands before them.
const LARGE: usize = 512 << 10;
const SMALL: usize = 128 << 10;

pub fn run(args: &Dump, expression: &str, names: &System) -> Result<Status, Failure> {
    let signals = signals::take()?;
    let all = devices::all()?;
    let device = match &args.interface {
        Some(name) => devices::find(&all, name).ok_or_else(|| unknown(name))?,
        None => devices::default(&all).ok_or_else(|| unknown("any"))?,
    };
    let program = compile(args, expression, names, &device)?;
    if args.program > 0 {
        return show_program(args, &program);
    }
    // Before the capture begins: what cannot be written is told first.
    let mut sink = Sink::open(args, names)?;
    let live = Live::open(&Request {
        device: device.index,
        loopback: devices::loopback(&all).filter(|lo| device.index.is_none_or(|d| d == *lo)),
        link: device.link,
        filter: &program,
        snaplen: snaplen(args),
        direction: args.direction.unwrap_or_default().into(),
        promiscuous: !args.no_promiscuous,
        shape: shape(args),
    })
    .map_err(cannot)?;
    // Packets that come meanwhile wait in the ring.
    let whose = Whose::open(args)?;
    let drops = drops(args, &device, &program)?;
    if let Some(error) = live.trouble() {
        return Err(Failure::new(
            Status::Other,
            format!("{}: {error}; ip link set {0} up", device.name),
        ));
    }
    tell(&format!(
        "listening on {}, link-type {} ({}), snapshot length {} bytes",
        device.name,
        device.link.name(),
        device.link.description(),
        snaplen(args)
    ));
    if live.filters_here() {
        tell("netobs: the kernel cannot run this filter: packets are filtered here, at more cost");
    }
    let mut capture = Capture {
        live,
        told: Told {
            interfaces: Interfaces::new(&device, &all, snaplen(args)),
            whose,
            drops,
            link: device.link,
            most: args.count.unwrap_or(u64::MAX),
            captured: 0,
            others: 0,
            dropped: 0,
            comment: Vec::new(),
        },
        device,
        retire_ns: u64::from(shape(args).retire_ms) * 1_000_000,
        wall_offset_ns: clock::wall_offset_ns(),
    };
    let outcome = capture.run(&mut sink, &signals);
    capture.end(&mut sink, outcome)
}

fn drops(args: &Dump, device: &Device, filter: &Program) -> Result<Option<Drops>, Failure> {
    if !args.drops {
        return Ok(None);
    }
    let wanted = drops::Wanted {
        device: device.index.map(|_| device.name.as_str()),
        link: device.link,
        filter,
        snaplen: snaplen(args),
    };
    let opened = Drops::open(&wanted).map_err(|error| Failure {
        status: Status::Missing,
        error: anyhow::Error::from(error).context("--drops"),
    });
    opened.map(Some)
}

fn compile(
    args: &Dump,
    expression: &str,
    names: &System,
    device: &Device,
) -> Result<Program, Failure> {
    let options = Options {
        link: device.link,
        snaplen: snaplen(args),
        optimize: !args.unoptimized,
        live: true,
        swapped: false,
        netmask: Some(netmask(device)),
        names,
    };
    filter::compile(expression, &options).map_err(refused)
}

/// The netmask of the interface's first IPv4 address; 0 without one, as tcpdump takes it.
fn netmask(device: &Device) -> u32 {
    let ask = |index: u32| {
        let mut socket = Socket::open(ROUTE).ok()?;
        let names = links::names(&mut socket).ok()?;
        let rows = addresses::all(&mut socket, &names).ok()?.rows;
        let mut rows = rows.into_iter().filter(|row| row.ifindex == index);
        let first = rows.find(|row| matches!(row.addr, IpAddr::V4(_)))?;
        Some(u32::MAX.checked_shl(32 - u32::from(first.prefixlen)))
    };
    device.index.and_then(ask).flatten().unwrap_or(0)
}

/// `-B`, and how long a block may wait.
fn shape(args: &Dump) -> Shape {
    let snaplen = snaplen(args) as usize;
    let block = if snaplen > SMALL / 2 { LARGE } else { SMALL };
    let bytes = args.buffer.map_or(RING, |kib| kib.saturating_mul(1024));
    let soon = args.write.is_none() || args.unbuffered || args.line_buffered;
    Shape {
        block,
        blocks: (bytes / block).max(2),
        retire_ms: if soon { SOON_MS } else { LATE_MS },
    }
}

fn unknown(name: &str) -> Failure {
    let what = format!("{name}: no such interface; netobs dump -D lists them");
    Failure::new(Status::Usage, what)
}

fn cannot(error: LiveError) -> Failure {
    let status = match error {
        LiveError::Privilege(_) | LiveError::Absent => Status::Missing,
        LiveError::Socket { .. } | LiveError::Ring { .. } => Status::Other,
    };
    Failure {
        status,
        error: error.into(),
    }
}

struct Capture {
    live: Live,
    told: Told,
    device: Device,
    /// How long a block may wait that is not full.
    retire_ns: u64,
    wall_offset_ns: u64,
}

impl Capture {
    /// Until somebody wants an end.
    fn run(&mut self, sink: &mut Sink<'_>, signals: &Signals) -> Result<(), Ended> {
        loop {
            match self.block(sink)? {
                Some(false) => return Ok(()),
                Some(true) => {}
                None => {
                    if !self.drops(sink)? {
                        return Ok(());
                    }
                    sink.flush()?;
                    wait(&self.live, signals, Some(self.idle())).map_err(broken)?;
                    self.told.refresh();
                    self.look()?;
                }
            }
            while let Some(asked) = signals.next() {
                match asked {
                    Asked::Quit => return self.rest(sink, signals),
                    Asked::Figures => self.figures(),
                    Asked::Flush => sink.flush()?,
                }
            }
        }
    }

    fn idle(&self) -> Duration {
        match self.told.drops {
            Some(_) => Duration::from_nanos(self.retire_ns),
            None => IDLE,
        }
    }

    /// One block of packets; false: as many as wanted are there.
    fn block(&mut self, sink: &mut Sink<'_>) -> Result<Option<bool>, Ended> {
        let told = &mut self.told;
        let mut fresh = true;
        let outcome = self.live.block(|packet| {
            if std::mem::take(&mut fresh) {
                told.refresh();
            }
            told.packet(packet, sink)
        })?;
        if outcome.is_some() {
            let counts = self.live.counts();
            sink.tell(statistics(counts));
        }
        Ok(outcome)
    }

    /// No block waits: drops that no packet comes before any more; false: as many as wanted are there.
    fn drops(&mut self, sink: &mut Sink<'_>) -> Result<bool, Ended> {
        if self.told.drops.is_none() {
            return Ok(true);
        }
        let now = clock::mono().0.wrapping_add(self.wall_offset_ns);
        self.told
            .until(now.saturating_sub(2 * self.retire_ns), sink)
    }

    /// Nothing more passes; what did is in the ring, or will be at once.
    fn rest(&mut self, sink: &mut Sink<'_>, signals: &Signals) -> Result<(), Ended> {
        self.live.close().map_err(broken)?;
        if let Some(drops) = &mut self.told.drops {
            drops.close();
        }
        let end = clock::instant() + LAST;
        loop {
            let counts = self.live.counts();
            match self.block(sink)? {
                Some(true) => continue,
                Some(false) => return Ok(()),
                None => {}
            }
            let left = end.saturating_duration_since(clock::instant());
            if self.told.taken() + counts.lost >= counts.received || left.is_zero() {
                self.told.refresh();
                self.told.until(u64::MAX, sink)?;
                return Ok(());
            }
            wait(&self.live, signals, Some(left)).map_err(broken)?;
            // A second signal: at once.
            if signals.next() == Some(Asked::Quit) {
                return Ok(());
            }
        }
    }

    /// What the socket has to say: that its interface is down or gone.
    fn look(&self) -> Result<(), Ended> {
        let Some(error) = self.live.trouble() else {
            return Ok(());
        };
        let name = &self.device.name;
        let is_there = devices::all().is_ok_and(|all| {
            all.iter()
                .any(|device| device.index == self.device.index && device.name == *name)
        });
        if is_there {
            tell(&format!(
                "netobs: {name}: {error}; the capture goes on when it is up again"
            ));
            return Ok(());
        }
        let what = format!("{name}: the interface is gone");
        Err(Ended::Failed(Failure::new(Status::Other, what)))
    }

    fn figures(&mut self) {
        let (counts, told) = (self.live.counts(), &self.told);
        // What passed the filter is captured, lost, or waits in the ring.
        let received = counts.received.max(told.taken() + counts.lost);
        let others = match told.others {
            0 => String::new(),
            others => format!(", {others} of other owners"),
        };
        let lost = told.drops.as_ref().map_or(0, Drops::lost);
        let drops = match &told.drops {
            Some(_) => format!(", {} drops told", told.dropped),
            None => String::new(),
        };
        tell(&format!(
            "netobs: {} captured, {received} received by filter{others}{drops}, {} lost by the kernel, {lost} lost by netobs",
            count(told.captured),
            counts.lost
        ));
        if let Some(missed) = told.whose.missed() {
            tell(&missed);
        }
    }

    fn end(mut self, sink: &mut Sink<'_>, outcome: Result<(), Ended>) -> Result<Status, Failure> {
        // Nothing that comes now is told any more, so it is not counted either.
        drop(self.live.close());
        let counts = self.live.counts();
        let ended = match outcome {
            Err(Ended::Full) => Err(Ended::Full),
            outcome => {
                outcome.and(sink.finish(Some((statistics(counts), self.told.interfaces.all()))))
            }
        };
        self.figures();
        match ended {
            Err(Ended::Failed(failure)) => Err(failure),
            Err(Ended::Sink(SinkError::Io(error))) => Err(error.into()),
            Err(Ended::Full) => {
                tell("netobs: the last of the files is full");
                Ok(Status::Done)
            }
            Err(Ended::Sink(SinkError::Closed)) | Ok(()) => Ok(Status::Done),
        }
    }
}

fn count(packets: u64) -> String {
    match packets {
        1 => "1 packet".to_owned(),
        n => format!("{n} packets"),
    }
}

fn statistics(counts: Counts) -> Statistics {
    Statistics {
        received: counts.received,
        lost: counts.lost,
    }
}

fn broken(error: io::Error) -> Ended {
    Ended::Failed(error.into())
}

fn wait(live: &Live, signals: &Signals, most: Option<Duration>) -> io::Result<()> {
    let mut fds = [
        PollFd::new(live.fd(), PollFlags::POLLIN),
        PollFd::new(signals.fd(), PollFlags::POLLIN),
    ];
    match ppoll(&mut fds, most.map(TimeSpec::from_duration), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
