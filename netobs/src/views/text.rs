//! One aligned line per event, for people.

use super::{View, time::Clock};
use crate::{
    enrich::About,
    event::{Event, Mono, Owner},
    line::Line,
    names::Names,
};

const EVENT: usize = 16;
const PID: usize = 32;
const COMM: usize = 40;
const SUBJECT: usize = 57;

/// Colours by what an event means for its user.
const BAD: &str = "\x1b[31m";
const WORTH_A_LOOK: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

pub struct Text {
    line: Line,
    clock: Clock,
    colour: bool,
    /// The network namespace we stand in: events of others say so.
    own_netns: u32,
}

impl Text {
    pub fn new(clock: Clock, colour: bool, own_netns: u32) -> Self {
        Self {
            line: Line::default(),
            clock,
            colour,
            own_netns,
        }
    }

    fn time(&mut self, at: Mono) {
        self.line.with(|line| self.clock.push_local(line, at));
    }

    fn owner(&mut self, owner: Owner) {
        match owner {
            Owner::Process { pid, comm } => {
                self.line.column(PID).number(u64::from(pid));
                self.line.column(COMM).escaped(comm.bytes());
            }
            Owner::Unknown => _ = self.line.column(PID).raw(b"?"),
            Owner::None => _ = self.line.column(PID).raw(b"-"),
        }
    }
}

fn colour_of(event: &str) -> Option<&'static str> {
    match event {
        "connect" | "accept" | "close" => None,
        "retransmit" | "neigh" | "icmp" => Some(WORTH_A_LOOK),
        _ => Some(BAD),
    }
}

impl View for Text {
    fn head(&mut self) {
        self.line.begin();
        self.line
            .raw(b"TIME")
            .column(EVENT)
            .raw(b"EVENT")
            .column(PID)
            .raw(b"PID");
        self.line
            .column(COMM)
            .raw(b"COMM")
            .column(SUBJECT)
            .raw(b"LOCAL");
        self.line.column(SUBJECT + 22).raw(b"   REMOTE");
        self.line.end();
    }

    fn event(&mut self, event: &Event, about: &About, names: &Names) {
        let detail = event.body.detail();
        self.line.begin();
        self.time(event.common.at);
        self.line.column(EVENT);
        let colour = if self.colour {
            colour_of(detail.name())
        } else {
            None
        };
        if let Some(colour) = colour {
            self.line
                .colour(colour)
                .raw(detail.name().as_bytes())
                .colour(PLAIN);
        } else {
            self.line.raw(detail.name().as_bytes());
        }
        self.owner(event.common.owner);
        self.line.column(SUBJECT);
        detail.subject(&mut self.line, names);
        detail.text(&mut self.line, names);
        if let Some(container) = &about.container {
            self.line.key("container").escaped(container.as_bytes());
        }
        if event.common.netns != self.own_netns && event.common.netns != 0 {
            self.line.key("netns");
            match names.netns(event.common.netns) {
                Some(name) => self.line.escaped(name.as_bytes()),
                None => self.line.number(u64::from(event.common.netns)),
            };
        }
        self.line.end();
    }

    fn lost(&mut self, hook: &str, count: u64) {
        self.line.begin();
        self.line
            .column(EVENT)
            .raw(b"lost")
            .column(SUBJECT)
            .number(count);
        self.line
            .word("events of hook")
            .word(hook)
            .raw(b": the ring was full");
        self.line.end();
    }

    fn pending(&self) -> &[u8] {
        self.line.as_bytes()
    }

    fn look_at_clock(&mut self) {
        self.clock.look();
    }

    fn clear(&mut self) {
        self.line.clear();
    }
}
