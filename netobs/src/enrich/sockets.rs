//! Whose socket a flow is that only userspace can look up: asked in bundles and seldom, answers kept for a while.

use crate::{
    bpf::sought::{Holder, Place},
    event::{Common, Mono, Owner},
};
use std::collections::HashMap;

/// Answers kept.
const CACHE: usize = 1024;
/// How long one holds: a port is not used by another process soon.
const KEEP_NS: u64 = 1_000_000_000;
/// Asking may take one part of so many of the time.
const SHARE: i64 = 50;
/// Time for asking saved up at most.
const SAVED_NS: i64 = 20_000_000;

pub struct Sockets {
    known: HashMap<Place, (Mono, Option<Holder>)>,
    /// Below 0: the last question took more than was saved.
    budget_ns: i64,
    at: Mono,
    /// Sockets not looked for, because asking had used up its time.
    pub skipped: u64,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            budget_ns: SAVED_NS,
            at: Mono(0),
            skipped: 0,
        }
    }
}

impl Sockets {
    /// Asks for those of `places` that are not known; `ask` answers for some or all, with the time it took.
    pub fn learn(
        &mut self,
        places: impl Iterator<Item = Place>,
        now: Mono,
        ask: impl FnOnce(&[Place]) -> (Vec<(Place, Option<Holder>)>, u64),
    ) {
        let fresh = |place: &Place| self.known.get(place).is_none_or(|(until, _)| now >= *until);
        let mut unknown: Vec<Place> = places.filter(fresh).collect();
        unknown.sort_unstable_by_key(|place| (place.netns, place.ends.local, place.ends.remote));
        unknown.dedup();
        if unknown.is_empty() {
            return;
        }
        let passed = i64::try_from(now.0.saturating_sub(self.at.0)).unwrap_or(i64::MAX);
        let earned = passed / SHARE;
        self.budget_ns = self.budget_ns.saturating_add(earned).min(SAVED_NS);
        self.at = now;
        if self.budget_ns <= 0 {
            self.skipped += unknown.len() as u64;
            return;
        }
        let (answers, took_ns) = ask(&unknown);
        let took_ns = i64::try_from(took_ns).unwrap_or(i64::MAX);
        self.budget_ns = self.budget_ns.saturating_sub(took_ns);
        if self.known.len() + answers.len() > CACHE {
            self.known.clear();
        }
        let until = Mono(now.0 + KEEP_NS);
        let kept = answers
            .into_iter()
            .map(|(place, holder)| (place, (until, holder)));
        self.known.extend(kept);
    }

    /// The holder of the socket at `place`, as far as it was learned.
    pub fn holder(&self, place: &Place) -> Option<&Holder> {
        self.known.get(place)?.1.as_ref()
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
    use crate::event::{Comm, Ends, Proto};

    const HOLDER: Holder = Holder {
        pid: 42,
        comm: Comm([0; 16]),
        uid: 0,
        cgroup: 0,
        sk: 1,
        ino: 1,
        passes: true,
    };

    fn place(port: u16) -> Place {
        let end = |port| std::net::SocketAddr::new([10, 0, 0, 1].into(), port);
        let ends = Ends {
            local: end(port),
            remote: end(53),
            proto: Proto(17),
        };
        Place { netns: 1, ends }
    }

    #[test]
    fn a_bundle_is_one_question_and_answers_are_kept() {
        let mut sockets = Sockets::default();
        let bundle = [place(1), place(2), place(1)];
        sockets.learn(bundle.into_iter(), Mono(10), |places| {
            assert_eq!(places.len(), 2);
            (vec![(place(1), Some(HOLDER)), (place(2), None)], 1_000)
        });
        assert_eq!(sockets.holder(&place(1)), Some(&HOLDER));
        assert_eq!(sockets.holder(&place(2)), None);
        sockets.learn(bundle.into_iter(), Mono(20), |_| panic!("asked again"));
        let mut asked = false;
        sockets.learn(bundle.into_iter(), Mono(10 + KEEP_NS), |_| {
            asked = true;
            (Vec::new(), 0)
        });
        assert!(asked);
    }

    #[test]
    fn asking_takes_no_more_than_its_share() {
        let mut sockets = Sockets::default();
        let mut asked = 0;
        for n in 0..200_u64 {
            let port = u16::try_from(n).unwrap();
            sockets.learn([place(port)].into_iter(), Mono(1_000 * n), |_| {
                asked += 1;
                (Vec::new(), 1_000_000)
            });
        }
        assert_eq!(asked, 21, "what was saved, and one on credit");
        assert_eq!(sockets.skipped, 179);
    }
}
