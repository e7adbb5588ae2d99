//! Socket owners kept by the kernel side, and the walk that fills in sockets older than we are.

use super::{
    btf::KernelTypes,
    object::Programs,
    session::{SessionError, as_map},
    sys::{self, ProgType},
};
use aya::maps::{HashMap, MapData};
use crate::event::Mono;
use netobs_ebpf::owner::SockOwner;
use std::{
    io::Read as _,
    os::fd::{AsFd as _, OwnedFd},
};

/// The iterator program's target in kernel BTF.
pub const ITERATOR: &str = "bpf_iter_task_file";

type Raw = [u64; size_of::<SockOwner>() / 8];

/// The `SOCKS` map and the iterator that completes it.
pub struct Owners {
    map: HashMap<MapData, u64, Raw>,
    listeners: HashMap<MapData, [u32; 2], Raw>,
    iterator: Result<OwnedFd, String>,
    walked: Mono,
}

/// Shortest time between two walks that events ask for.
const WALK_EVERY_NS: u64 = 100_000_000;

impl Owners {
    pub(super) fn new(programs: &mut Programs, types: &KernelTypes) -> Result<Self, SessionError> {
        let iterator = match types.functions.get(ITERATOR) {
            Some(target) => programs
                .load("owners_existing", ProgType::Iter, target.id)
                .map_err(|e| format!("{}: {}", e.errno, e.log.lines().last().unwrap_or_default())),
            None => Err("this kernel has no iterator over task files (5.8)".to_owned()),
        };
        let map = HashMap::try_from(as_map(programs.take_map("SOCKS")?, "SOCKS")?)
            .map_err(|source| SessionError::Map { name: "SOCKS", source })?;
        let listeners = HashMap::try_from(as_map(programs.take_map("LISTENERS")?, "LISTENERS")?)
            .map_err(|source| SessionError::Map { name: "LISTENERS", source })?;
        Ok(Self { map, listeners, iterator, walked: Mono(0) })
    }

    /// Why existing sockets have no owner, if so.
    pub fn refusal(&self) -> Option<&str> {
        self.iterator.as_ref().err().map(String::as_str)
    }

    /// Walks the files of all processes in the kernel; new entries only.
    pub fn refresh(&self) -> std::io::Result<()> {
        let Ok(program) = &self.iterator else { return Ok(()) };
        let mut walk = sys::iterate(program.as_fd())?;
        let mut nothing = [0; 64];
        while walk.read(&mut nothing)? > 0 {}
        Ok(())
    }

    /// Network namespace and process of every listener.
    pub fn listeners(&self) -> impl Iterator<Item = (u32, u32)> {
        self.listeners.iter().filter_map(Result::ok).map(|([netns, _port], owner)| {
            let owner: SockOwner = zerocopy::transmute!(owner);
            (netns, owner.pid)
        })
    }

    /// The owner of the socket at `sk`, if it is still the one with inode `ino`.
    pub fn get(&self, sk: u64, ino: u64) -> Option<SockOwner> {
        let owner: SockOwner = zerocopy::transmute!(self.map.get(&sk, 0).ok()?);
        (ino == 0 || owner.ino == 0 || owner.ino == ino).then_some(owner)
    }

    /// As `get`, after another walk if the last one is old: UDP sockets are not seen when they are made.
    pub fn find(&mut self, sk: u64, ino: u64, now: Mono) -> Option<SockOwner> {
        let known = |owner: &SockOwner| owner.pid != 0;
        if let Some(owner) = self.get(sk, ino).filter(known) {
            return Some(owner);
        }
        if now.0.saturating_sub(self.walked.0) < WALK_EVERY_NS {
            return None;
        }
        self.walked = now;
        self.refresh().ok()?;
        self.get(sk, ino).filter(known)
    }
}
