//! Datagrams that a served port sends back: they name no probe, so how far they went shows by what else answered, and by their number.

use super::{Reply, Tracer};
use crate::probes::net::{Answer, What};

/// Silent hops in front of the destination that the number of datagrams may prove.
const SILENT: usize = 3;

impl Tracer {
    /// All probes that got to the destination are answered alike: the datagrams belong to the first hops behind the last router that
    /// answered, in the order in which they came.
    pub(super) fn served(&mut self, answer: &Answer, dropped: bool) {
        if self.datagrams.len() >= self.hops.len() * usize::from(self.plan.queries) {
            self.duplicates += 1;
            return;
        }
        self.datagrams.push((answer.clone(), dropped));
        self.assign();
    }

    /// Again when a router turns out to be farther than was known.
    pub(super) fn assign(&mut self) {
        if self.datagrams.is_empty() {
            return;
        }
        for one in self.hops.iter_mut().flat_map(|hop| &mut hop.tries) {
            one.reply.take_if(|reply| reply.what == What::Datagram);
        }
        let first = self.destination();
        self.counted = self.sent_from(first) == self.datagrams.len();
        let tries = self.hops[first..].iter_mut().flat_map(|hop| &mut hop.tries);
        let open = tries.filter(|one| one.sent.is_some() && one.reply.is_none());
        for (one, (answer, dropped)) in open.zip(&self.datagrams) {
            let sent = one.sent.unwrap_or(answer.at);
            let reply = Reply::new(answer, answer.at.0.saturating_sub(sent.0), *dropped);
            self.longest_ns = self.longest_ns.max(reply.rtt_ns);
            one.reply = Some(reply);
        }
        self.farthest = self.farthest.max(first + 1);
        self.last = self.ended.min(first + 1);
    }

    /// Behind the farthest router; farther where as many probes were sent from there on as datagrams have come.
    fn destination(&self) -> usize {
        let routers = |hop: &super::Hop| hop.answered() > 0;
        let behind = self.hops.iter().rposition(routers);
        let first = behind.map_or(0, |last| last + 1).min(self.hops.len() - 1);
        let places = first..(first + SILENT + 1).min(self.hops.len());
        let exact = places
            .into_iter()
            .find(|place| self.sent_from(*place) == self.datagrams.len());
        exact.unwrap_or(first)
    }

    fn sent_from(&self, place: usize) -> usize {
        self.hops[place..].iter().map(super::Hop::sent).sum()
    }
}
