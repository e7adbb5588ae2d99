//! The loop: drain the ring, decode, enrich, show; told to end by signal, time or count.

use super::{
    args::Watch,
    late::Late,
    pace::{Pace, Wait},
    request::Watching,
    summary::{Summary, own_cpu_ns},
};
use crate::{
    bpf::{
        cost::{Timing, account},
        log::ProgramLog,
        session::Session,
    },
    cli::{Failure, Status},
    clock, collectors,
    enrich::{Enricher, namespaces},
    event::{Event, Mono},
    names::{Names, TCP_STATES},
    sinks::stream::{SinkError, Stdout, tell},
    views::{View, json::Json, text::Text, time::Clock},
};
use netobs_ebpf::config::ROUTES_WAIT;
use std::{os::fd::OwnedFd, time::Duration};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{Signal, SignalKind, signal},
};

/// Text kept before it is written, while events keep coming.
const FLUSH_BYTES: usize = 1 << 16;
const SECOND: Mono = Mono(1_000_000_000);

/// Why the loop ended.
enum End {
    Asked,
    Sink(SinkError),
}

impl From<SinkError> for End {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

struct Stream<'a> {
    args: &'a Watch,
    session: Session,
    late: Late,
    view: Box<dyn View>,
    names: Names,
    enricher: Enricher,
    out: Stdout,
    started: Mono,
    shown: u64,
    unreadable: u64,
    lost_told: Vec<u64>,
    timing: Timing,
    next_stats: Option<Mono>,
    next_second: Mono,
    log: Option<ProgramLog>,
}

pub async fn run(watching: Watching, args: &Watch) -> Result<Status, Failure> {
    let mut stream = Stream::new(watching, args);
    let ready = stream.session.ring.ready()?;
    let mut signals = Signals::new()?;
    if !args.json {
        stream.view.head();
        stream
            .write()
            .map_err(|_| Failure::new(Status::Other, "write output"))?;
    }
    ahead_of_others();
    let hooks = stream.attached();
    stream
        .session
        .owners
        .when_walked(move || tell(&format!("netobs: watching with {hooks} hooks")));
    let end = stream.until_end(&ready, &mut signals).await;
    stream.finish(end)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    user: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }
}

/// What ended a wait.
enum Woken {
    Ring,
    Time,
    Quit,
    Report,
}

impl<'a> Stream<'a> {
    fn new(watching: Watching, args: &'a Watch) -> Self {
        let started = clock::mono();
        let session = watching.session;
        Self {
            args,
            late: Late::new(watching.filters),
            view: view(args),
            names: names(args, &session),
            enricher: Enricher::new(),
            out: Stdout,
            started,
            shown: 0,
            unreadable: 0,
            lost_told: vec![0; session.hooks.len()],
            timing: Timing::new(Mono(started.0 + SECOND.0 / 20)),
            next_stats: args.stats.map(|every| after(started, every)),
            next_second: Mono(started.0 + SECOND.0),
            log: args
                .bpf_log
                .then(|| session.log().map_err(|e| tell(&e)).ok())
                .flatten(),
            session,
        }
    }

    fn attached(&self) -> usize {
        self.session
            .hooks
            .iter()
            .filter(|hook| hook.taken.is_some())
            .count()
    }

    async fn until_end(&mut self, ready: &AsyncFd<OwnedFd>, signals: &mut Signals) -> End {
        let mut pace = Pace::default();
        let mut before = clock::instant();
        let mut wait = Wait::Wakeup;
        loop {
            if wait == Wait::Wakeup {
                self.session.ring.ask_for_wakeup();
            }
            match self.look() {
                Ok(events) => {
                    let now = clock::instant();
                    wait = pace.next(events, now - before);
                    before = now;
                    if wait == Wait::Wakeup && events > 0 {
                        continue;
                    }
                }
                Err(end) => return end,
            }
            if let Err(end) = self.duties() {
                return end;
            }
            match self.sleep(wait, ready, signals).await {
                Woken::Quit => return End::Asked,
                Woken::Report => self.report("stats"),
                Woken::Ring | Woken::Time => {}
            }
        }
    }

    /// Takes all that waits in the ring and writes it.
    fn look(&mut self) -> Result<usize, End> {
        let mut total = 0;
        loop {
            let room = self.args.count.map_or(u64::MAX, |max| max - self.shown);
            let batch = usize::try_from(room.min(256)).unwrap_or(256);
            let n = self.take(batch);
            total += n;
            if self.args.count.is_some_and(|max| self.shown >= max) {
                self.write()?;
                return Err(End::Asked);
            }
            if n < batch || self.view.pending().len() > FLUSH_BYTES {
                self.write()?;
            }
            if n < batch {
                return Ok(total);
            }
        }
    }

    fn take(&mut self, max: usize) -> usize {
        let Self {
            session,
            view,
            names,
            enricher,
            shown,
            unreadable,
            late,
            ..
        } = self;
        let Session {
            ring,
            owners,
            finder,
            ..
        } = session;
        let mut show = |event: &Event| {
            let about = enricher.about(&event.common);
            view.event(event, &about, names);
            *shown += 1;
        };
        let taken = ring.drain(max, |bytes| match collectors::decode(bytes) {
            Some(mut event) => {
                complete_owner(owners, &mut event);
                if let Some(event) = late.hold(event) {
                    show(&event);
                }
            }
            None => *unreadable += 1,
        });
        late.release(finder, show);
        taken
    }

    fn write(&mut self) -> Result<(), SinkError> {
        let written = self.out.write(self.view.pending());
        self.view.clear();
        written
    }

    /// What has its time: statistics, losses, the end.
    fn duties(&mut self) -> Result<(), End> {
        let now = clock::mono();
        if let Some(log) = &mut self.log {
            log.tell();
        }
        if self
            .args
            .duration
            .is_some_and(|d| now >= after(self.started, d))
        {
            return Err(End::Asked);
        }
        let rested = self.session.routes.due().is_some_and(|due| now >= due);
        if self.session.ring.take_word(ROUTES_WAIT) || rested {
            self.settle_routes(now)?;
        }
        if now >= self.timing.deadline() {
            self.timing.turn(&self.session, now);
        }
        if now >= self.next_second {
            self.next_second = Mono(now.0 + SECOND.0);
            self.tell_losses()?;
        }
        if let (Some(at), Some(every)) = (self.next_stats, self.args.stats)
            && now >= at
        {
            self.next_stats = Some(after(at, every));
            self.report("stats");
        }
        Ok(())
    }

    /// Shows the route lookups that nothing more came of.
    fn settle_routes(&mut self, now: Mono) -> Result<(), SinkError> {
        let Self {
            session,
            view,
            names,
            enricher,
            shown,
            late,
            args,
            ..
        } = self;
        session.routes.settle(now, |bytes| {
            let Some(event) = collectors::decode(bytes) else {
                return false;
            };
            if args.count.is_some_and(|max| *shown >= max)
                || !late.filters().netns_passes(&event.common)
            {
                return false;
            }
            let about = enricher.about(&event.common);
            view.event(&event, &about, names);
            *shown += 1;
            true
        });
        self.write()
    }

    fn tell_losses(&mut self) -> Result<(), SinkError> {
        for (told, attached) in self.lost_told.iter_mut().zip(&self.session.hooks) {
            let lost = self.session.count(attached.hook.number).lost;
            if lost > *told {
                self.view.lost(attached.hook.name, lost - *told);
                *told = lost;
            }
        }
        self.write()
    }

    async fn sleep(&self, wait: Wait, ready: &AsyncFd<OwnedFd>, signals: &mut Signals) -> Woken {
        let now = clock::mono();
        let mut until = self.next_second.min(self.timing.deadline());
        if let Some(duration) = self.args.duration {
            until = until.min(after(self.started, duration));
        }
        if let Some(stats) = self.next_stats {
            until = until.min(stats);
        }
        if let Some(rested) = self.session.routes.due() {
            until = until.min(rested);
        }
        let due = Duration::from_nanos(until.0.saturating_sub(now.0));
        let (time, ring) = match wait {
            Wait::Batch(length) => (due.min(length), false),
            Wait::Wakeup => (due, true),
        };
        tokio::select! {
            biased;
            _ = signals.interrupt.recv() => Woken::Quit,
            _ = signals.terminate.recv() => Woken::Quit,
            _ = signals.user.recv() => Woken::Report,
            guard = ready.readable(), if ring => {
                if let Ok(mut guard) = guard {
                    guard.clear_ready();
                }
                Woken::Ring
            }
            () = tokio::time::sleep(time) => Woken::Time,
        }
    }

    fn summary(&self) -> Summary {
        let elapsed_ns = clock::mono().0 - self.started.0;
        Summary {
            hooks: account(&self.session, collectors::of_hook, elapsed_ns),
            elapsed_ns,
            own_cpu_ns: own_cpu_ns(),
        }
    }

    /// A summary on request.
    fn report(&mut self, event: &str) {
        let summary = self.summary();
        if self.args.json {
            // A failing write shows itself at the next event.
            self.out.write(&summary.json(event)).unwrap_or_default();
        } else {
            tell(&summary.table());
        }
    }

    /// Detaches, shows what is left, and sums up.
    fn finish(mut self, end: End) -> Result<Status, Failure> {
        self.session.detach();
        let mut failed = match end {
            End::Asked => None,
            End::Sink(error) => Some(error),
        };
        if failed.is_none()
            && let Err(End::Sink(error)) = self.rest()
        {
            failed = Some(error);
        }
        let summary = self.summary();
        if self.args.json {
            if failed.is_none() {
                failed = self.out.write(&summary.json("summary")).err();
            }
        } else {
            tell(&summary.table());
        }
        if self.unreadable > 0 {
            tell(&format!(
                "netobs: {} events could not be read",
                self.unreadable
            ));
        }
        if self.late.skipped() > 0 {
            tell(&format!(
                "netobs: {} sockets of icmp events were not looked for, to save time",
                self.late.skipped()
            ));
        }
        match failed {
            None | Some(SinkError::Closed) => Ok(Status::Done),
            Some(error) => Err(error.into()),
        }
    }

    fn rest(&mut self) -> Result<(), End> {
        if self.args.count.is_none_or(|max| self.shown < max) {
            self.look()?;
        }
        // What began in the last millisecond may not have ended.
        self.settle_routes(after(clock::mono(), Duration::from_millis(9)))?;
        self.tell_losses()?;
        Ok(())
    }
}

/// A reader that waits for a processor loses events while others make them. Without the privilege all stays as it is.
fn ahead_of_others() {
    const NICE: i32 = -10;
    rustix::process::setpriority_process(None, NICE).unwrap_or_default();
}

/// Sockets that nobody was seen to open: asked for when an event needs them, at most ten times a second.
fn complete_owner(owners: &mut crate::bpf::owners::Owners, event: &mut crate::event::Event) {
    use crate::event::{Comm, Owner};
    if event.common.owner != Owner::Unknown {
        return;
    }
    if let Some(owner) = owners.find(event.common.sk, event.common.ino, event.common.at) {
        event.common.owner = Owner::Process {
            pid: owner.pid,
            comm: Comm(owner.comm),
        };
    }
}

fn after(at: Mono, time: Duration) -> Mono {
    Mono(at.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
}

fn view(args: &Watch) -> Box<dyn View> {
    let zone = if args.json {
        jiff::tz::TimeZone::UTC
    } else {
        jiff::tz::TimeZone::system()
    };
    let clock = Clock::new(clock::wall_offset_ns(), zone);
    if args.json {
        return Box::new(Json::new(clock));
    }
    let colour = rustix::termios::isatty(rustix::stdio::stdout())
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Box::new(Text::new(clock, colour, namespaces::own()))
}

fn names(args: &Watch, session: &Session) -> Names {
    let mut names = Names::new(args.numeric);
    let prefixes = [
        ("skb_drop_reason", "SKB_DROP_REASON_"),
        ("sk_rst_reason", "SK_RST_REASON_"),
        ("tcp_ca_state", "TCP_CA_"),
        (TCP_STATES, "TCP_"),
    ];
    for (name, prefix) in prefixes {
        if let Some(values) = session.types.enums.get(name) {
            names.add_enum(name, prefix, values);
        }
    }
    if !args.numeric && !args.json {
        names.add_services(&std::fs::read_to_string("/etc/services").unwrap_or_default());
    }
    names.namespaces = namespaces::named().into_iter().collect();
    names
}
