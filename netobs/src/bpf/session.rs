//! One loaded object: kernel types read, hooks attached, counters and ring at hand; dropping it detaches everything.

use super::{
    adapt::{CAST_FUNCTION, HOLD_FUNCTIONS, Kernel},
    attach::{self, Attached, Climb, Taken},
    btf::{BtfError, KernelTypes, VMLINUX, Wanted},
    filters::{FilterError, FilterMaps, Filters},
    object::{ObjectError, Part, Programs, Sizes, object_bytes},
    ring::Ring,
    spec::{Hook, MAP_ITERATOR, Rung},
    sys, tracefs,
};
use crate::names::Enumeration;
use aya::maps::{MapData, PerCpuArray, RingBuf};
use netobs_ebpf::{
    ABI_VERSION,
    config::{CONNECT_EXIT, Config, LISTENERS_POLLED, RETRANSMIT_GAPS, STATE_FIELDS, TYPES},
    event::{HookCount, Kind},
    hook,
};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use zerocopy::FromZeros as _;

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("use BPF map {name}: {source}")]
    Map {
        name: &'static str,
        source: aya::maps::MapError,
    },
    #[error("map BPF map {name} into memory: {source}")]
    Memory {
        name: &'static str,
        source: std::io::Error,
    },
}

/// What to load.
pub struct Request<'a> {
    pub hooks: &'a [Hook],
    /// Bits of `netobs_ebpf::event::Kind`.
    pub events: u32,
    pub filters: &'a Filters,
    pub all_drops: bool,
    pub log: bool,
    pub climb: Climb<'a>,
    pub ring_bytes: u32,
    /// Names of drop reasons that are normal life.
    pub quiet_reasons: &'a [&'a str],
    pub btf: Option<&'a str>,
}

pub struct Session {
    pub hooks: Vec<Attached>,
    pub ring: Ring,
    pub types: KernelTypes,
    counters: PerCpuArray<MapData, [u64; 3]>,
    pub owners: super::owners::Owners,
    pub finder: super::sought::Finder,
    pub routes: super::routes::Routes,
    pub symbols: super::symbols::Symbols,
    /// Hooks not attached yet.
    waiting: VecDeque<Hook>,
    only: Option<String>,
    all: bool,
    // What programs use stays open until they are loaded.
    programs: Programs,
    _filters: FilterMaps,
}

/// A hook's numbers so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub runs: u64,
    pub seen: u64,
    pub lost: u64,
}

const _: () = assert!(size_of::<HookCount>() == size_of::<[u64; 3]>());

impl Session {
    pub fn open(request: &Request<'_>) -> Result<Self, SessionError> {
        sys::unlimited_memlock();
        let types = types(request)?;
        let kernel = Kernel::of(&types);
        let config = config(request, &types, kernel);
        let sizes = Sizes::new(request.ring_bytes, request.log);
        let mut programs = {
            let wanted = |name: &str| may_load(request.hooks, name);
            Programs::prepare(&Part {
                bytes: object_bytes()?,
                kernel,
                config,
                offsets: types.as_offsets(),
                constants: &[("AYA_LOG_LEVEL", &[sizes.log_level()])],
                program: &wanted,
                map: &|name| sizes.of(name),
            })?
        };
        let map_error = |name| move |source| SessionError::Map { name, source };
        let ring = RingBuf::try_from(as_map(programs.take_map("EVENTS")?, "EVENTS")?)
            .map_err(map_error("EVENTS"))?;
        let counters = PerCpuArray::try_from(as_map(programs.take_map("COUNTERS")?, "COUNTERS")?)
            .map_err(map_error("COUNTERS"))?;
        let filters = request.filters.write(&mut programs)?;
        let ring = Ring::new(ring, programs.take_map("RUNTIME")?).map_err(|source| {
            SessionError::Memory {
                name: "RUNTIME",
                source,
            }
        })?;
        let symbols = super::symbols::Symbols::new(&mut programs, &types)?;
        let owners = super::owners::Owners::new(&mut programs, &types)?;
        let icmp = request.events & Kind::Icmp.bit() != 0;
        let finder = super::sought::Finder::new(&mut programs, &types, icmp)?;
        let routes = super::routes::Routes::new(&mut programs)?;
        Ok(Self {
            hooks: Vec::new(),
            waiting: request.hooks.iter().copied().collect(),
            only: request.climb.only.map(str::to_owned),
            all: request.climb.all,
            ring,
            types,
            counters,
            owners,
            finder,
            routes,
            symbols,
            _filters: filters,
            programs,
        })
    }

    /// Attaches one more hook; `false`: there are no more.
    pub fn attach_next(&mut self) -> bool {
        let Some(hook) = self.waiting.pop_front() else {
            self.programs.forget_code();
            return false;
        };
        let climb = Climb {
            only: self.only.as_deref(),
            all: self.all,
        };
        let attached = attach::attach(&self.programs, &self.types, hook, climb);
        if let Some(taken) = &attached.taken {
            match hook.number {
                hook::CONNECT_EXIT => self.ring.set(CONNECT_EXIT, 1),
                hook::RETRANSMIT => self.ring.set(RETRANSMIT_GAPS, 1),
                hook::LISTEN_OVERFLOW if taken.rung == Rung::Poll => {
                    self.ring.set(LISTENERS_POLLED, 1);
                }
                _ => {}
            }
        }
        self.hooks.push(attached);
        true
    }

    /// Runs, events seen and lost of a hook, summed over CPUs.
    pub fn count(&self, hook: u32) -> Count {
        let Ok(values) = self.counters.get(&hook, 0) else {
            return Count::default();
        };
        let start = Count {
            seen: self.routes.taken(hook),
            ..Count::default()
        };
        values.iter().fold(start, |sum, [runs, seen, lost]| Count {
            runs: sum.runs + runs,
            seen: sum.seen + seen,
            lost: sum.lost + lost,
        })
    }

    /// Whether any hook has to be asked at intervals.
    pub fn polls(&self) -> bool {
        self.hooks
            .iter()
            .filter_map(|hook| hook.taken.as_ref())
            .any(|t| t.rung == Rung::Poll)
    }

    /// Has the hooks look that cannot be told: what they find is in the ring afterwards.
    pub fn ask(&self) -> std::io::Result<()> {
        self.hooks
            .iter()
            .filter_map(|hook| hook.taken.as_ref())
            .try_for_each(Taken::ask)
    }

    /// Detaches all hooks; events already in the ring stay readable.
    pub fn detach(&mut self) {
        self.hooks.iter_mut().for_each(Attached::detach);
    }

    /// The log lines of our programs, each given to `tell`.
    pub fn log(&self, tell: fn(&str)) -> Result<super::log::ProgramLog, String> {
        let taken = self.hooks.iter().filter_map(|hook| hook.taken.as_ref());
        super::log::ProgramLog::open(taken.filter_map(Taken::program_id), tell)
    }

    /// Has the kernel time our programs while the guard lives.
    pub fn time_programs() -> std::io::Result<OwnedFd> {
        sys::enable_stats()
    }
}

pub(super) fn as_map(data: MapData, name: &'static str) -> Result<aya::maps::Map, SessionError> {
    aya::maps::Map::from_map_data(data).map_err(|source| SessionError::Map { name, source })
}

/// A kernel without BTF still has classic tracepoints; a file that the user named has to be good.
fn types(request: &Request<'_>) -> Result<KernelTypes, BtfError> {
    match KernelTypes::read(request.btf.unwrap_or(VMLINUX), &wanted(request.hooks)) {
        Err(BtfError::Read { .. }) if request.btf.is_none() => Ok(KernelTypes::absent()),
        other => other,
    }
}

/// Its arguments changed with 5.13.
const ICMP_PUSH: &str = "icmp_push_reply";

fn wanted(hooks: &[Hook]) -> Wanted {
    let mut wanted = Wanted {
        enums: Enumeration::ALL.map(Enumeration::name).to_vec(),
        structs: TYPES.to_vec(),
        ..Wanted::default()
    };
    wanted.functions.extend([
        super::owners::ITERATOR,
        super::support::TASK_BTF,
        CAST_FUNCTION,
        HOLD_FUNCTIONS[0],
        HOLD_FUNCTIONS[1],
        ICMP_PUSH,
        MAP_ITERATOR,
    ]);
    for part in hooks
        .iter()
        .flat_map(|hook| hook.ladder.iter().copied().flatten())
    {
        match part.rung {
            Rung::TpBtf => wanted.tracepoints.push(part.target),
            Rung::Fentry | Rung::Fexit | Rung::Poll => wanted.functions.push(part.target),
            Rung::RawTp | Rung::Kprobe | Rung::Kretprobe | Rung::Tracepoint => {}
        }
    }
    wanted
}

/// Iterators that are asked for what events leave open.
const ITERATORS: [&str; 3] = [
    super::owners::PROGRAM,
    super::sought::PROGRAM,
    super::symbols::PROGRAM,
];

fn may_load(hooks: &[Hook], name: &str) -> bool {
    let parts = hooks
        .iter()
        .flat_map(|hook| hook.ladder.iter().copied().flatten());
    ITERATORS.contains(&name)
        || parts.into_iter().any(|part| part.program == name)
        || hooks.iter().any(|hook| hook.again == Some(name))
}

fn config(request: &Request<'_>, types: &KernelTypes, kernel: Kernel) -> Config {
    let mut config = Config::new_zeroed();
    let args = |name: &str| types.tracepoints.get(name).map_or(0, |t| t.args);
    config.abi = ABI_VERSION;
    config.events = request.events;
    (config.include, config.exclude) = request.filters.classes();
    config.atomics = u32::from(kernel.atomics);
    config.task_btf = u32::from(super::support::has_task_btf(types));
    config.all_drops = u32::from(request.all_drops);
    config.reason_consumed = types
        .enumerator("skb_drop_reason", "SKB_CONSUMED")
        .unwrap_or(u32::MAX);
    config.again = u32::from(kernel.is_preempted());
    config.types = kernel.type_ids(types);
    config.args_kfree_skb = args("kfree_skb");
    config.args_retransmit = args("tcp_retransmit_skb");
    config.args_send_reset = args("tcp_send_reset");
    config.args_udp_fail = args("udp_fail_queue_rcv_skb");
    config.tick_ns = crate::clock::tick_ns();
    config.args_icmp_push = types.functions.get(ICMP_PUSH).map_or(0, |f| f.args);
    config.reason_unspecified = types
        .enumerator("skb_drop_reason", "SKB_DROP_REASON_NOT_SPECIFIED")
        .unwrap_or(0);
    if types.is_absent()
        && let Ok(found) = tracefs::field_offsets("sock/inet_sock_set_state", &STATE_FIELDS)
        && let Ok(words) = <[u32; STATE_FIELDS.len()]>::try_from(found)
    {
        let mut all = [0; STATE_FIELDS.len() + 1];
        all[..words.len()].copy_from_slice(&words);
        config.state_format = zerocopy::transmute!(all);
    }
    for reason in request.quiet_reasons {
        if let Some(n) = types.enumerator("skb_drop_reason", reason)
            && let Some(word) = config.quiet_reasons.get_mut(n as usize / 32)
        {
            *word |= 1 << (n % 32);
        }
    }
    config
}
