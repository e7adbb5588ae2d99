//! Events whose owner is looked up in userspace: a batch of them waits for one question.

use crate::{
    bpf::{
        filters::Filters,
        sought::{Finder, Place},
    },
    clock,
    enrich::sockets::{Sockets, complete},
    event::{Event, Owner},
};

pub struct Late {
    filters: Filters,
    sockets: Sockets,
    /// From the first that waits on, in their order.
    held: Vec<Event>,
}

impl Late {
    pub fn new(filters: Filters) -> Self {
        Self {
            filters,
            sockets: Sockets::default(),
            held: Vec::new(),
        }
    }

    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Sockets that were not looked for because that would have cost too much.
    pub fn skipped(&self) -> u64 {
        self.sockets.skipped
    }

    /// Whether the event has to wait: for its owner, or for one before it that waits.
    pub fn holds(&self, event: &Event) -> bool {
        !self.held.is_empty() || event.body.detail().owner_is_late()
    }

    pub fn hold(&mut self, event: Event) {
        self.held.push(event);
    }

    /// Hands all events that waited to `show`, those left out that are not wanted.
    pub fn release(&mut self, finder: &mut Finder, mut show: impl FnMut(&Event)) {
        if self.held.is_empty() {
            return;
        }
        let started = clock::mono();
        let places = self
            .held
            .iter()
            .filter(|event| waits(event))
            .flat_map(places);
        self.sockets.learn(places, started, |places| {
            let answers = finder.ask(places);
            (answers, clock::mono().0 - started.0)
        });
        for mut event in self.held.drain(..) {
            if wanted(&self.sockets, &self.filters, &mut event) {
                show(&event);
            }
        }
    }
}

/// The kernel side has filtered the events it knows the owner of.
fn waits(event: &Event) -> bool {
    event.body.detail().owner_is_late() && !matches!(event.common.owner, Owner::Process { .. })
}

fn places(event: &Event) -> Vec<Place> {
    let netns = event.common.netns;
    let ends = event.body.detail().searches();
    ends.into_iter().map(|ends| Place { netns, ends }).collect()
}

fn wanted(sockets: &Sockets, filters: &Filters, event: &mut Event) -> bool {
    if !waits(event) {
        return true;
    }
    match places(event).iter().find_map(|place| sockets.holder(place)) {
        Some(holder) => {
            complete(&mut event.common, holder);
            holder.passes
        }
        None => filters.owner_passes(&event.common),
    }
}
