//! Route lookups whose last answer was a failure: final once nothing more has come of them for some milliseconds.

use super::{
    object::Programs,
    session::{SessionError, as_map},
};
use crate::event::Mono;
use aya::maps::{HashMap, MapData};
use netobs_ebpf::{hook, route::event::Route};
use zerocopy::IntoBytes as _;

type Value = [u64; size_of::<Route>() / 8];

/// A lookup takes microseconds; between two tables its process may lose the CPU for a while.
const RESTED_NS: u64 = 50_000_000;

/// The `ROUTES` map.
pub struct Routes {
    map: HashMap<MapData, u64, Value>,
    /// Events taken from here, which the kernel side did not count: of IPv4 and IPv6.
    taken: [u64; 2],
    due: Option<Mono>,
}

impl Routes {
    pub(super) fn new(programs: &mut Programs) -> Result<Self, SessionError> {
        let map = HashMap::try_from(as_map(programs.take_map("ROUTES")?, "ROUTES")?).map_err(
            |source| SessionError::Map {
                name: "ROUTES",
                source,
            },
        )?;
        Ok(Self {
            map,
            taken: [0; 2],
            due: None,
        })
    }

    /// Events of `hook` that came this way.
    pub fn taken(&self, hook: u32) -> u64 {
        match hook {
            hook::ROUTE4 => self.taken[0],
            hook::ROUTE6 => self.taken[1],
            _ => 0,
        }
    }

    /// When the next lookup will have rested.
    pub fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Hands the events that are final at `now` to `take`, which says whether they are wanted.
    pub fn settle(&mut self, now: Mono, mut take: impl FnMut(&[u8]) -> bool) {
        self.due = None;
        let read = |(flow, value): (u64, Value)| (flow, zerocopy::transmute!(value));
        let mut waiting: Vec<(u64, Route)> = self.map.iter().flatten().map(read).collect();
        waiting.sort_unstable_by_key(|(_, route)| route.header.time_ns);
        for (flow, route) in waiting {
            let rested = Mono(route.header.time_ns + RESTED_NS);
            if rested > now {
                self.due = Some(self.due.map_or(rested, |due| due.min(rested)));
                continue;
            }
            // The kernel side may have told of it meanwhile: one of us takes it away.
            if self.map.remove(&flow).is_ok() && take(route.as_bytes()) {
                let six = u32::from(route.header.hook) == hook::ROUTE6;
                self.taken[usize::from(six)] += 1;
            }
        }
    }
}
