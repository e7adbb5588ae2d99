//! How events are shown: text or JSON, and the names that stand for numbers.

use super::args::Watch;
use crate::{
    bpf::{session::Session, symbols::Symbols},
    enrich::{Enricher, namespaces, symbols},
    event::Event,
    names::{Enumeration, Names},
    views::{View, json::Json, text::Text, time::Clock},
    wall::Wall,
};

/// Where events become lines, and how many may.
pub struct Shown {
    pub view: Box<dyn View>,
    names: Names,
    enricher: Enricher,
    /// The names of the columns are still to come: before the first event, or when all is attached.
    headless: bool,
    all: bool,
    /// `--count`
    limit: u64,
    events: u64,
}

impl Shown {
    pub fn new(args: &Watch, session: &Session) -> Self {
        Self {
            view: view(args),
            names: names(args, session),
            enricher: Enricher::new(),
            headless: !args.json,
            all: args.all,
            limit: args.count.unwrap_or(u64::MAX),
            events: 0,
        }
    }

    /// How many more events are wanted.
    pub fn room(&self) -> u64 {
        self.limit - self.events
    }

    /// Shows the names of the columns, once.
    pub fn head(&mut self) {
        if std::mem::take(&mut self.headless) {
            self.view.head();
        }
    }

    /// Shows one, unless only its place in the kernel's code tells that it is normal life.
    pub fn event(&mut self, event: &Event, kernel: &mut Symbols) {
        let detail = event.body.detail();
        if let Some(address) = detail.location() {
            symbols::learn(&mut self.names, address, |address| kernel.print(address));
        }
        if !self.all && detail.is_quiet(&self.names) {
            return;
        }
        self.head();
        let about = self.enricher.about(&event.common);
        self.view.event(event, &about, &self.names);
        self.events += 1;
    }
}

fn view(args: &Watch) -> Box<dyn View> {
    let zone = if args.json {
        jiff::tz::TimeZone::UTC
    } else {
        jiff::tz::TimeZone::system()
    };
    let clock = Clock::new(Wall::start(), zone);
    if args.json {
        return Box::new(Json::new(clock));
    }
    let colour = rustix::termios::isatty(rustix::stdio::stdout())
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Box::new(Text::new(clock, colour, namespaces::own()))
}

fn names(args: &Watch, session: &Session) -> Names {
    let mut names = Names::new(args.numeric);
    for of in Enumeration::ALL {
        if let Some(values) = session.types.enums.get(of.name()) {
            names.add_enum(of, values);
        }
    }
    if !args.numeric && !args.json {
        names.add_services(&std::fs::read_to_string("/etc/services").unwrap_or_default());
    }
    names.namespaces = namespaces::named().into_iter().collect();
    names
}
