//! What a function was called with, kept until it returns: a kretprobe sees the result only.

use aya_ebpf::{helpers::generated::bpf_get_current_task, macros::map, maps::LruHashMap};

/// Preallocated: kprobes may run where memory must not be asked for.
#[map]
static CALLS: LruHashMap<u64, [u64; 2]> = LruHashMap::with_max_entries(4096, 0);

/// Which call: a task may be in one of each at a time, the idle tasks of two CPUs are two tasks.
#[derive(Clone, Copy)]
pub enum Call {
    Connect = 1,
    Retransmit = 2,
    Synack = 3,
    ConnectProtocol = 4,
}

#[inline(always)]
fn key(call: Call) -> u64 {
    // Tasks are aligned: the low bits are free.
    (unsafe { bpf_get_current_task() }) | call as u64
}

/// At the function's entry.
#[inline(always)]
pub fn put(call: Call, args: [u64; 2]) {
    _ = CALLS.insert(key(call), args, 0);
}

/// At its return. `None`: an interrupt came in between and used the place, or there was no room.
#[inline(always)]
pub fn take(call: Call) -> Option<[u64; 2]> {
    let key = key(call);
    let args = *unsafe { CALLS.get(key) }?;
    _ = CALLS.remove(key);
    Some(args)
}
