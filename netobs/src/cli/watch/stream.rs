//! The loop: drain the ring, decode, enrich, show; told to end by signal, time or count.

use super::{
    args::Watch,
    late::Late,
    owner::{complete_owner, settle},
    pace::{Pace, Wait},
    request::{self, Watching},
    show::Shown,
    summary::{Summary, process_cpu_ns},
    wait::{End, Signals, Woken, after, ahead_of_others},
};
use crate::{
    bpf::{
        cost::{Timing, account},
        log::ProgramLog,
        session::Session,
    },
    cli::{Failure, Status},
    clock, collectors,
    enrich::listen_drops::ListenDrops,
    event::Mono,
    sinks::stream::{SinkError, Stdout, end_when, reader_is_gone, tell},
};
use netobs_ebpf::config::ROUTES_WAIT;
use std::{os::fd::OwnedFd, time::Duration};
use tokio::io::unix::AsyncFd;

/// Text kept before it is written, while events keep coming.
const FLUSH_BYTES: usize = 1 << 16;
/// How often hooks that cannot tell by themselves are asked.
const ASK_EVERY_NS: u64 = 200_000_000;
const SECOND: Mono = Mono(1_000_000_000);

/// What others wait for before they begin.
fn watching(hooks: usize) -> String {
    let plural = if hooks == 1 { "" } else { "s" };
    format!("netobs: watching with {hooks} hook{plural}")
}

struct Stream<'a> {
    args: &'a Watch,
    session: Session,
    events: u32,
    late: Late,
    shown: Shown,
    out: Stdout,
    started: Mono,
    cpu_before_ns: u64,
    unreadable: u64,
    lost_told: Vec<u64>,
    timing: Timing,
    next_stats: Option<Mono>,
    /// When hooks that are polled are asked next; `None`: there are none.
    next_ask: Option<Mono>,
    listen_drops: ListenDrops,
    next_second: Mono,
    log: Option<ProgramLog>,
}

pub async fn run(watching: Watching, args: &Watch) -> Result<Status, Failure> {
    let mut stream = Stream::new(watching, args);
    let ready = stream.session.ring.ready()?;
    let mut signals = Signals::new()?;
    let deadline = args.duration.map(|time| after(stream.started, time));
    end_when(signals.flag()?, deadline);
    ahead_of_others();
    let mut end = stream.attach_all()?;
    if end.is_none() {
        end = Some(stream.until_end(&ready, &mut signals).await);
    }
    stream.finish(end.unwrap_or(End::Asked))
}

impl<'a> Stream<'a> {
    fn new(watching: Watching, args: &'a Watch) -> Self {
        let started = clock::mono();
        let session = watching.session;
        Self {
            args,
            late: Late::new(watching.filters),
            shown: Shown::new(args, &session),
            out: Stdout,
            started,
            cpu_before_ns: watching.cpu_before_ns,
            unreadable: 0,
            lost_told: Vec::new(),
            timing: Timing::new(Mono(started.0 + SECOND.0 / 20)),
            next_stats: args.stats.map(|every| after(started, every)),
            next_ask: None,
            events: watching.events,
            listen_drops: ListenDrops::default(),
            next_second: Mono(started.0 + SECOND.0),
            log: None,
            session,
        }
    }

    /// One hook after the other: what the first ones see is shown while the last ones are still being verified.
    fn attach_all(&mut self) -> Result<Option<End>, Failure> {
        while self.session.attach_next() {
            if let Err(end) = self.look() {
                return Ok(Some(end));
            }
        }
        request::check(&self.session, self.events, !self.args.events.is_empty())?;
        self.shown.head();
        for line in request::shortcomings(&self.session) {
            tell(&line);
        }
        self.lost_told = vec![0; self.session.hooks.len()];
        self.next_ask = self.session.polls().then(clock::mono);
        if self.next_ask.is_some() && self.session.owners.refusal().is_none() {
            self.listen_drops.open(self.session.owners.listeners());
        }
        if self.args.bpf_log {
            self.log = self.session.log(tell).map_err(|e| tell(&e)).ok();
        }
        let hooks = self.attached();
        let owners = &mut self.session.owners;
        owners.when_walked(move || tell(&watching(hooks)));
        Ok(None)
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
            match signals.or_event(wait, self.due(), ready).await {
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
            let batch = usize::try_from(self.shown.room().min(256)).unwrap_or(256);
            let n = self.take(batch);
            total += n;
            if self.shown.room() == 0 {
                self.write()?;
                return Err(End::Asked);
            }
            if n < batch || self.shown.view.pending().len() > FLUSH_BYTES {
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
            shown,
            unreadable,
            late,
            listen_drops,
            ..
        } = self;
        shown.view.look_at_clock();
        let polled = self.next_ask.is_some();
        let Session {
            ring,
            owners,
            finder,
            symbols: kernel,
            ..
        } = session;
        let taken = ring.drain(max, |bytes| match collectors::decode(bytes) {
            Some(mut event) => {
                complete_owner(owners, &mut event);
                if polled && !settle(listen_drops, &mut event) {
                    return;
                }
                if late.holds(&event) {
                    late.hold(event);
                } else {
                    shown.event(&event, kernel);
                }
            }
            None => *unreadable += 1,
        });
        late.release(finder, |event| shown.event(event, kernel));
        taken
    }

    fn write(&mut self) -> Result<(), SinkError> {
        let written = self.out.write(self.shown.view.pending());
        self.shown.view.clear();
        written
    }

    /// What has its time: statistics, losses, the end.
    fn duties(&mut self) -> Result<(), End> {
        let now = clock::mono();
        self.log.iter_mut().for_each(ProgramLog::tell);
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
        if self.next_ask.is_some_and(|at| now >= at) {
            self.next_ask = Some(Mono(now.0 + ASK_EVERY_NS));
            // Refused once, it is asked again; what it counts is kept in the kernel.
            self.session.ask().unwrap_or_default();
        }
        if now >= self.timing.deadline() {
            self.timing.turn(&self.session, now);
        }
        if now >= self.next_second {
            self.next_second = Mono(now.0 + SECOND.0);
            self.tell_losses()?;
            if reader_is_gone() {
                return Err(SinkError::Closed.into());
            }
            if self.late.filters().name_owners() {
                self.session.owners.refresh();
            }
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
            shown,
            late,
            ..
        } = self;
        let Session {
            routes, symbols, ..
        } = session;
        routes.settle(now, |bytes| {
            let Some(event) = collectors::decode(bytes) else {
                return false;
            };
            let wanted = shown.room() > 0 && late.filters().netns_passes(&event.common);
            if wanted {
                shown.event(&event, symbols);
            }
            wanted
        });
        self.write()
    }

    fn tell_losses(&mut self) -> Result<(), SinkError> {
        for (told, attached) in self.lost_told.iter_mut().zip(&self.session.hooks) {
            let lost = self.session.count(attached.hook.number).lost;
            if lost > *told {
                self.shown.view.lost(attached.hook.name, lost - *told);
                *told = lost;
            }
        }
        self.write()
    }

    /// When something is due, if no event comes.
    fn due(&self) -> Duration {
        let now = clock::mono();
        let mut until = self.next_second.min(self.timing.deadline());
        if let Some(duration) = self.args.duration {
            until = until.min(after(self.started, duration));
        }
        let others = [self.next_stats, self.next_ask, self.session.routes.due()];
        for at in others.into_iter().flatten() {
            until = until.min(at);
        }
        Duration::from_nanos(until.0.saturating_sub(now.0))
    }

    fn summary(&self) -> Summary {
        let elapsed_ns = clock::mono().0 - self.started.0;
        Summary {
            hooks: account(&self.session, collectors::of_hook, elapsed_ns),
            elapsed_ns,
            own_cpu_ns: process_cpu_ns() - self.cpu_before_ns,
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
        // What polled hooks have not told yet.
        self.session.ask().unwrap_or_default();
        self.session.detach();
        self.log.iter_mut().for_each(ProgramLog::tell);
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
        if self.args.json && failed.is_none() {
            failed = self.out.write(&summary.json("summary")).err();
        }
        // Where standard output takes no more, it is told all the same.
        if !self.args.json || failed.is_some() {
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
        if self.shown.room() > 0 {
            self.look()?;
        }
        // What began in the last millisecond may not have ended.
        self.settle_routes(after(clock::mono(), Duration::from_millis(49)))?;
        self.tell_losses()?;
        Ok(())
    }
}
