//! Socket owners kept by the kernel side, and the walk that fills in sockets older than we are.

use super::{
    btf::KernelTypes,
    object::Programs,
    session::{SessionError, as_map},
    sys::{self, Load, ProgType},
};
use crate::event::Mono;
use aya::maps::{Array, HashMap, MapData};
use netobs_ebpf::owner::{Slots, SockOwner, slot_set};
use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, OnceLock},
};

/// The program that does it.
pub(super) const PROGRAM: &str = "owners_existing";

/// The iterator program's target in kernel BTF.
pub const ITERATOR: &str = "bpf_iter_task_file";

type Raw = [u64; size_of::<SockOwner>() / 8];

type RawSlots = [u64; size_of::<Slots>() / 8];

/// The maps of owners and the iterator that completes it.
pub struct Owners {
    map: HashMap<MapData, u64, Raw>,
    slots: Array<MapData, RawSlots>,
    listeners: HashMap<MapData, [u32; 2], Raw>,
    iterator: Walker,
    /// When events may ask for the next walk.
    next: Mono,
}

/// The loaded program once it walked, or why there is none.
type Walker = Arc<OnceLock<Result<OwnedFd, String>>>;

/// Walks that events ask for: not closer together than this, and for at most this part of the time.
const WALK_EVERY_NS: u64 = 100_000_000;
const SHARE: u64 = 50;

impl Owners {
    pub(super) fn new(programs: &mut Programs, types: &KernelTypes) -> Result<Self, SessionError> {
        let map =
            HashMap::try_from(as_map(programs.take_map("SOCKS")?, "SOCKS")?).map_err(|source| {
                SessionError::Map {
                    name: "SOCKS",
                    source,
                }
            })?;
        let slots =
            Array::try_from(as_map(programs.take_map("SLOTS")?, "SLOTS")?).map_err(|source| {
                SessionError::Map {
                    name: "SLOTS",
                    source,
                }
            })?;
        let target = types.functions.get(ITERATOR).map(|target| target.id);
        let insns = programs.instructions(PROGRAM);
        let iterator = Arc::new(OnceLock::new());
        let (loaded, name) = (Arc::clone(&iterator), PROGRAM);
        // The first events do not wait for this: loading and walking take milliseconds.
        std::thread::spawn(move || {
            let program = match (insns, target) {
                (Some(insns), Some(attach_btf_id)) => sys::load(&Load {
                    name,
                    ty: ProgType::Iter,
                    insns: &insns,
                    attach_btf_id,
                })
                .map_err(|e| e.to_string()),
                _ => Err("needs kernel BTF and the task_file iterator (5.8)".to_owned()),
            };
            let walked = program.and_then(|program| {
                walk(&program)
                    .map_err(|e| format!("walk task files: {e}"))
                    .map(|()| program)
            });
            loaded.get_or_init(|| walked);
        });
        let listeners = HashMap::try_from(as_map(programs.take_map("LISTENERS")?, "LISTENERS")?)
            .map_err(|source| SessionError::Map {
                name: "LISTENERS",
                source,
            })?;
        Ok(Self {
            map,
            slots,
            listeners,
            iterator,
            next: Mono(0),
        })
    }

    /// Calls `then` when the sockets that were open before us are known, or cannot be.
    pub fn when_walked(&self, then: impl FnOnce() + Send + 'static) {
        let iterator = Arc::clone(&self.iterator);
        std::thread::spawn(move || {
            iterator.wait();
            then();
        });
    }

    /// Why existing sockets have no owner, if so.
    pub fn refusal(&self) -> Option<&str> {
        self.iterator.wait().as_ref().err().map(String::as_str)
    }

    /// Network namespace and process of every listener.
    pub fn listeners(&self) -> impl Iterator<Item = (u32, u32)> {
        self.listeners
            .iter()
            .filter_map(Result::ok)
            .map(|([netns, _port], owner)| {
                let owner: SockOwner = zerocopy::transmute!(owner);
                (netns, owner.pid)
            })
    }

    /// Walks again: a filter on owners has to know sockets that nothing was seen of.
    pub fn refresh(&self) {
        if let Some(Ok(program)) = self.iterator.get() {
            // The next walk comes soon; one that fails leaves what was known.
            walk(program).unwrap_or_default();
        }
    }

    /// The owner of the socket at `sk`, if it is still the one with inode `ino`.
    pub fn get(&self, sk: u64, ino: u64) -> Option<SockOwner> {
        let owner = self.slot(sk).or_else(|| {
            let value = self.map.get(&sk, 0).ok()?;
            Some(zerocopy::transmute!(value))
        })?;
        (ino == 0 || owner.ino == 0 || owner.ino == ino).then_some(owner)
    }

    fn slot(&self, sk: u64) -> Option<SockOwner> {
        let set: Slots = zerocopy::transmute!(self.slots.get(&slot_set(sk), 0).ok()?);
        let way = set.sk.iter().position(|kept| *kept == sk)?;
        Some(set.owner[way])
    }

    /// As `get`, after another walk if the last one is old: UDP sockets are not seen when they are made.
    pub fn find(&mut self, sk: u64, ino: u64, now: Mono) -> Option<SockOwner> {
        let known = |owner: &SockOwner| owner.pid != 0;
        if let Some(owner) = self.get(sk, ino).filter(known) {
            return Some(owner);
        }
        if now < self.next {
            return None;
        }
        let started = crate::clock::mono();
        walk(self.iterator.wait().as_ref().ok()?).ok()?;
        let ended = crate::clock::mono();
        self.next = Mono(ended.0 + WALK_EVERY_NS.max((ended.0 - started.0) * SHARE));
        self.get(sk, ino).filter(known)
    }
}

/// Walks the files of all processes in the kernel; new entries only.
fn walk(program: &OwnedFd) -> std::io::Result<()> {
    sys::walk_through(sys::iterate(program.as_fd())?)
}
