//! Routing loops: a router met again after others.

use super::{Hop, Reply};
use crate::probes::net::What;
use std::net::IpAddr;

/// Two or more routers that send a packet round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Where it is entered.
    pub ttl: u8,
    /// Each once, in order.
    pub routers: Vec<IpAddr>,
}

/// The first loop that is gone round at least twice: once may be a route change during the trace.
pub fn find(hops: &[Hop]) -> Option<Loop> {
    let at: Vec<Option<IpAddr>> = hops.iter().map(router).collect();
    let longest = at.len() / 2;
    (0..at.len()).find_map(|start| {
        at[start]?;
        // One router again and again is one that does not count hops.
        let period = (2..=longest).find(|period| repeats(&at[start..], *period))?;
        Some(Loop {
            ttl: hops[start].ttl,
            routers: at[start..start + period]
                .iter()
                .flatten()
                .copied()
                .collect(),
        })
    })
}

fn router(hop: &Hop) -> Option<IpAddr> {
    let passed = |reply: &&Reply| reply.what == What::TimeExceeded;
    hop.replies().find(passed).map(|reply| reply.from)
}

/// Whether two rounds of `period` hops follow in which who answers is the same, and somebody differs from its successor.
fn repeats(at: &[Option<IpAddr>], period: usize) -> bool {
    let Some(two) = at.get(..2 * period) else {
        return false;
    };
    let (first, second) = two.split_at(period);
    let same = first
        .iter()
        .zip(second)
        .all(|(a, b)| a.is_none() || b.is_none() || a == b);
    let met_again = first
        .iter()
        .zip(second)
        .filter(|(a, b)| a.is_some() && a == b);
    let known: Vec<_> = first.iter().flatten().collect();
    same && met_again.count() > 0 && known.windows(2).any(|pair| pair[0] != pair[1])
}
