//! Capture from interfaces: packets through the ring to lines or files, and the figures at the end.

use super::{
    args::Dump,
    count,
    kept::Waiting,
    names::System,
    owners::Whose,
    setup, show_program,
    signals::{self, Asked, Signals},
    sink::{Ended, Sink},
    snaplen,
    table::Interfaces,
    told::{self, Told},
};
use crate::{
    capture::{
        file::Statistics,
        live::{
            Counts, Engine, Live, Request,
            devices::{self, Device},
        },
    },
    cli::{Failure, Status},
    clock,
    event::Mono,
    sinks::stream::{SinkError, tell},
    wall::Wall,
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use std::{fmt::Write as _, io, time::Duration};

/// Without packets sockets are closed all the same, and want to be taken note of.
const IDLE: Duration = Duration::from_millis(500);
/// What has passed the filter is in the ring soon after.
const LAST: Duration = Duration::from_millis(500);

pub fn run(args: &Dump, expression: &str, names: &System) -> Result<Status, Failure> {
    let signals = signals::take()?;
    let all = devices::all()?;
    let device = match &args.interface {
        Some(name) => devices::find(&all, name).ok_or_else(|| unknown(name))?,
        None => devices::default(&all).ok_or_else(|| unknown("any"))?,
    };
    let program = setup::compile(args, expression, names, &device)?;
    if args.program > 0 {
        return show_program(args, &program);
    }
    // Before the capture begins: what cannot be written is told first.
    let mut sink = Sink::open(args, names)?;
    let request = Request {
        engine: Engine::Packet,
        device: device.index,
        loopback: devices::loopback(&all).filter(|lo| device.index.is_none_or(|d| d == *lo)),
        link: device.link,
        filter: &program,
        snaplen: snaplen(args),
        direction: args.direction.unwrap_or_default().into(),
        promiscuous: !args.no_promiscuous,
        shape: setup::shape(args),
    };
    let live = setup::open(args, &request)?;
    // Packets that come meanwhile wait in the ring.
    let whose = Whose::open(args)?;
    let drops = setup::drops(args, &device, &program)?;
    let on = setup::on(args, &device, names)?;
    let mut live = setup::begin(args, &request, live)?;
    if let Some(error) = live.trouble() {
        return Err(Failure::new(
            Status::Other,
            format!("{}: {error}; ip link set {0} up", device.name),
        ));
    }
    let mut capture = Capture {
        live,
        told: Told {
            interfaces: Interfaces::new(&device, &all, snaplen(args)),
            whose,
            drops,
            on,
            link: device.link,
            most: args.count.unwrap_or(u64::MAX),
            counts: told::Counts::default(),
            comment: Vec::new(),
            waiting: Waiting::default(),
        },
        greeting: Some(greeting(args, &device)),
        device,
        retire_ns: u64::from(setup::shape(args).retire_ms) * 1_000_000,
        wall: Wall::start(),
    };
    let outcome = capture.run(&mut sink, &signals);
    capture.end(&mut sink, outcome)
}

fn unknown(name: &str) -> Failure {
    let what = format!("{name}: no such interface; netobs dump -D lists them");
    Failure::new(Status::Usage, what)
}

fn greeting(args: &Dump, device: &Device) -> String {
    format!(
        "listening on {}, link-type {} ({}), snapshot length {} bytes",
        device.name,
        device.link.name(),
        device.link.description(),
        snaplen(args)
    )
}

struct Capture {
    live: Live,
    told: Told,
    device: Device,
    /// Told when all packets are taken.
    greeting: Option<String>,
    /// How long a block may wait that is not full.
    retire_ns: u64,
    wall: Wall,
}

impl Capture {
    /// Until somebody wants an end.
    fn run(&mut self, sink: &mut Sink<'_>, signals: &Signals) -> Result<(), Ended> {
        loop {
            if self.greeting.is_some() && self.live.is_whole().map_err(setup::cannot)? {
                self.greet();
            }
            match self.block(sink)? {
                Some(false) => return Ok(()),
                Some(true) => {}
                None => {
                    if !self.events(Mono(u64::MAX), sink)? {
                        return Ok(());
                    }
                    sink.flush()?;
                    let pause = self.live.rest(self.idle());
                    wait(&self.live, signals, Some(pause)).map_err(broken)?;
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

    fn greet(&mut self) {
        if let Some(greeting) = self.greeting.take() {
            tell(&greeting);
            if let Some(how) = self.live.told() {
                tell(&format!("netobs: {how}"));
            }
        }
    }

    fn idle(&self) -> Duration {
        if self.told.has_events() {
            Duration::from_nanos(self.retire_ns)
        } else {
            IDLE
        }
    }

    /// One block of packets; false: as many as wanted are there.
    fn block(&mut self, sink: &mut Sink<'_>) -> Result<Option<bool>, Ended> {
        self.wall.look();
        let (told, wall) = (&mut self.told, &self.wall);
        let (mut fresh, mut last) = (true, None);
        let outcome = self.live.block(wall, |packet| {
            if std::mem::take(&mut fresh) {
                told.refresh();
            }
            last = Some((packet.at, packet.time_ns));
            told.packet(packet, wall, sink)
        })?;
        if outcome.is_some() {
            let counts = self.live.counts();
            sink.tell(statistics(counts));
            let last = last.map(|(at, time_ns)| at.unwrap_or_else(|| self.wall.mono(time_ns)));
            if !self.events(last.unwrap_or(Mono(0)), sink)? {
                return Ok(Some(false));
            }
        }
        Ok(outcome)
    }

    /// Packets and what happened to them, up to `last` at most: of what is younger more may come. False: as many packets as
    /// wanted are there.
    fn events(&mut self, last: Mono, sink: &mut Sink<'_>) -> Result<bool, Ended> {
        if !self.told.has_events() {
            return Ok(true);
        }
        let ripe = Mono(clock::mono().0.saturating_sub(2 * self.retire_ns));
        self.told.until(last.min(ripe), &self.wall, sink)
    }

    /// Nothing more passes; what did is in the ring, or will be at once.
    fn rest(&mut self, sink: &mut Sink<'_>, signals: &Signals) -> Result<(), Ended> {
        self.live.close().map_err(broken)?;
        self.told.close();
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
                self.told.until(Mono(u64::MAX), &self.wall, sink)?;
                return Ok(());
            }
            let pause = self.live.rest(left);
            wait(&self.live, signals, Some(pause)).map_err(broken)?;
            // A second signal: at once.
            if signals.next() == Some(Asked::Quit) {
                return Ok(());
            }
        }
    }

    /// What the socket has to say: that its interface is down or gone.
    fn look(&mut self) -> Result<(), Ended> {
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
        let others = match told.counts.others {
            0 => String::new(),
            others => format!(", {others} of other owners"),
        };
        let mut more = match &told.drops {
            Some(_) => format!(", {} drops", told.counts.dropped),
            None => String::new(),
        };
        if let Some(on) = &told.on {
            let (happened, told) = (on.happened, told.counts.shown);
            let happened = count(happened, "event");
            _ = write!(more, ", {told} told around {happened}");
            if on.crowded > 0 {
                _ = write!(more, ", {} given up for want of room", on.crowded);
            }
        }
        tell(&format!(
            "netobs: {} captured, {received} received by filter{others}{more}, {} lost by the kernel, {} lost by netobs",
            count(told.counts.captured, "packet"),
            counts.lost,
            told.lost()
        ));
        if let Some(missed) = told.whose.missed() {
            tell(&missed);
        }
    }

    fn end(mut self, sink: &mut Sink<'_>, outcome: Result<(), Ended>) -> Result<Status, Failure> {
        self.greet();
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
            Err(Ended::Sink(error @ SinkError::Io(_))) => Err(error.into()),
            Err(Ended::Full) => {
                tell("netobs: the last of the files is full");
                Ok(Status::Done)
            }
            Err(Ended::Sink(SinkError::Closed)) | Ok(()) => Ok(Status::Done),
        }
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
