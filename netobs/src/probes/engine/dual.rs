//! One engine out of two, one per address family.

use super::{Engine, EngineError, Interest};
use crate::probes::net::{Event, Odd, Probe, SendError};
use std::os::fd::BorrowedFd;

/// Engines by family; either may be missing.
pub struct Dual {
    pub v4: Option<Box<dyn Engine>>,
    pub v6: Option<Box<dyn Engine>>,
}

impl Dual {
    fn both(&self) -> impl Iterator<Item = &dyn Engine> {
        let all = [&self.v4, &self.v6];
        all.into_iter().filter_map(|engine| engine.as_deref())
    }
}

impl Engine for Dual {
    fn name(&self) -> &'static str {
        self.both().next().map_or("none", Engine::name)
    }

    fn send(&mut self, probe: &Probe) -> Result<(), SendError> {
        let engine = if probe.identity.peer.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        };
        match engine {
            Some(engine) => engine.send(probe),
            None => Err(SendError::Other(libc::EAFNOSUPPORT)),
        }
    }

    fn collect(&mut self, events: &mut Vec<Event>) -> Result<(), EngineError> {
        for engine in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            engine.collect(events)?;
        }
        Ok(())
    }

    fn sources(&self) -> Vec<(BorrowedFd<'_>, Interest)> {
        self.both().flat_map(Engine::sources).collect()
    }

    fn odd(&self) -> Odd {
        self.both().fold(Odd::default(), |sum, engine| {
            let odd = engine.odd();
            Odd {
                truncated: sum.truncated + odd.truncated,
                checksum: sum.checksum + odd.checksum,
                foreign: sum.foreign + odd.foreign,
            }
        })
    }
}
