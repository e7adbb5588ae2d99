//! Whose socket a flow is that only userspace can look up: asked seldom, answers kept for a while.

use crate::{
    bpf::sought::Holder,
    event::{Common, Ends, Mono, Owner},
};
use std::collections::HashMap;

/// Answers kept.
const CACHE: usize = 1024;
/// How long one holds: a port is not used by another process soon.
const KEEP_NS: u64 = 1_000_000_000;
/// Asking may take this part of the time, and never comes closer together than the second.
const SHARE: u64 = 50;
const PAUSE_NS: u64 = 2_000_000;

#[derive(Default)]
pub struct Sockets {
    known: HashMap<(u32, Ends), (Mono, Option<Holder>)>,
    next: Mono,
    /// Flows not looked for, because the last question was too recent.
    pub skipped: u64,
}

impl Sockets {
    /// The holder of one of `ends`; `ask` answers with the time it took.
    pub fn find(
        &mut self,
        netns: u32,
        ends: &[Ends],
        now: Mono,
        ask: impl FnOnce(u32, &[Ends]) -> (Option<Holder>, u64),
    ) -> Option<Holder> {
        let key = (netns, *ends.first()?);
        if let Some((until, holder)) = self.known.get(&key)
            && now < *until
        {
            return *holder;
        }
        if now < self.next {
            self.skipped += 1;
            return None;
        }
        let (holder, took_ns) = ask(netns, ends);
        self.next = Mono(now.0 + took_ns * SHARE + PAUSE_NS);
        if self.known.len() >= CACHE {
            self.known.clear();
        }
        self.known.insert(key, (Mono(now.0 + KEEP_NS), holder));
        holder
    }
}

/// Gives an event its owner.
pub fn complete(common: &mut Common, holder: &Holder) {
    common.owner = Owner::Process {
        pid: holder.pid,
        comm: holder.comm,
    };
    common.uid = Some(holder.uid);
    (common.cgroup, common.sk, common.ino) = (holder.cgroup, holder.sk, holder.ino);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Comm, Proto};

    fn ends(port: u16) -> Ends {
        let end = |port| std::net::SocketAddr::new([10, 0, 0, 1].into(), port);
        Ends {
            local: end(port),
            remote: end(53),
            proto: Proto(17),
        }
    }

    #[test]
    fn a_flow_is_asked_for_once_and_others_wait() {
        let holder = Holder {
            pid: 42,
            comm: Comm::default(),
            uid: 0,
            cgroup: 0,
            sk: 1,
            ino: 1,
        };
        let mut sockets = Sockets::default();
        let found = sockets.find(1, &[ends(1)], Mono(10), |_, _| (Some(holder), 1_000_000));
        assert_eq!(found, Some(holder));
        let again = sockets.find(1, &[ends(1)], Mono(20), |_, _| panic!("asked again"));
        assert_eq!(again, Some(holder));
        assert_eq!(
            sockets.find(1, &[ends(2)], Mono(30), |_, _| panic!("asked too soon")),
            None
        );
        assert_eq!(sockets.skipped, 1);
        let later = Mono(10 + SHARE * 1_000_000 + PAUSE_NS);
        let found = sockets.find(1, &[ends(2)], later, |_, _| (Some(holder), 1));
        assert_eq!(found, Some(holder));
        assert_eq!(
            sockets.find(1, &[], later, |_, _| panic!("nothing to ask")),
            None
        );
    }
}
