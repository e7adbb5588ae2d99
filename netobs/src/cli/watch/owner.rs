//! Owners that the kernel side left open: looked up where an event needs them, at a bounded price.

use crate::{
    bpf::owners::Owners,
    collectors::Body,
    enrich::listen_drops::ListenDrops,
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
            comm: Comm::from(owner.comm),
        };
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
