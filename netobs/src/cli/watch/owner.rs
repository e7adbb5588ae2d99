//! Owners that the kernel side left open: looked up where an event needs them, at a bounded price.

use crate::{
    bpf::{owners::Owners, sought::Finder},
    clock,
    collectors::Body,
    enrich::{
        listen_drops::ListenDrops,
        sockets::{Sockets, complete},
    },
    event::{Comm, Event, Owner},
};

/// Sockets that nobody was seen to open: asked for when an event needs them, at most ten times a second.
pub fn complete_owner(owners: &mut Owners, event: &mut Event) {
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

/// Flows that the kernel side knows no socket of.
pub fn find_owner(finder: &mut Finder, sockets: &mut Sockets, event: &mut Event) {
    if matches!(event.common.owner, Owner::Process { .. }) {
        return;
    }
    let ends = event.body.detail().searches();
    let started = clock::mono();
    let holder = sockets.find(event.common.netns, &ends, started, |netns, ends| {
        let holder = finder.ask(netns, ends).ok().flatten();
        (holder, clock::mono().0 - started.0)
    });
    if let Some(holder) = holder {
        complete(&mut event.common, &holder);
    }
}

/// Holds what a polled listener counted against what was lost; `false`: nothing was.
pub fn settle(drops: &mut ListenDrops, event: &mut Event) -> bool {
    let Body::Overflowed(overflowed) = &mut event.body else {
        return true;
    };
    let pid = match event.common.owner {
        Owner::Process { pid, .. } => Some(pid),
        Owner::Unknown | Owner::None => None,
    };
    overflowed.count = drops.settle(event.common.netns, pid, overflowed.count);
    overflowed.count != 0
}
