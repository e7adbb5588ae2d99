//! The maps, and the one way an event leaves: count, reserve, fill in place, submit.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_ringbuf_discard, bpf_ringbuf_reserve, bpf_ringbuf_submit},
    macros::map,
    maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf},
};
use netobs_ebpf::{
    ABI_VERSION,
    config::{Config, FilterKey, HostKey, READER_SLEEPS, RUNTIME_WORDS, StateFormat, TypeIds},
    event::{HookCount, MAX_HOOKS},
    offsets::{ABSENT, FIELD_COUNT, Offsets},
    owner::{ListenKey, SLOT_SETS, Slots, SockOwner},
};

/// Written by userspace, frozen before loading.
#[unsafe(no_mangle)]
pub static CONFIG: Config = Config {
    abi: ABI_VERSION,
    events: 0,
    include: 0,
    exclude: 0,
    atomics: 0,
    task_btf: 0,
    all_drops: 0,
    reason_consumed: u32::MAX,
    args_kfree_skb: 0,
    args_retransmit: 0,
    args_send_reset: 0,
    args_udp_fail: 0,
    tick_ns: 0,
    args_icmp_push: 0,
    reason_unspecified: 0,
    quiet_reasons: [0; 8],
    again: 0,
    types: TypeIds {
        sock: 0,
        sk_buff: 0,
        net: 0,
        fib6_result: 0,
        file: 0,
        socket: 0,
        words: 0,
        tcp_sock: 0,
    },
    state_format: StateFormat {
        skaddr: 0,
        oldstate: 0,
        newstate: 0,
        sport: 0,
        dport: 0,
        family: 0,
        protocol: 0,
        saddr: 0,
        daddr: 0,
        saddr_v6: 0,
        daddr_v6: 0,
        _pad: 0,
    },
};

/// Byte offsets of the running kernel's fields.
#[unsafe(no_mangle)]
pub static KERNEL: Offsets = Offsets::absent();

const _: () = assert!(size_of::<Offsets>() == FIELD_COUNT * 4 && ABSENT == u32::MAX);

/// Reads one field of [`CONFIG`]; the volatile read keeps the compiler from using the value of the build.
macro_rules! config {
    ($($field:ident).+) => {
        $crate::kernel::access::constant(&raw const $crate::maps::CONFIG.$($field).+)
    };
}
pub(crate) use config;

/// Sizes are set by the loader.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(2 << 20, 0);

#[map]
static COUNTERS: PerCpuArray<HookCount> = PerCpuArray::with_max_entries(MAX_HOOKS, 0);

#[map]
static RUNTIME: Array<u64> = Array::with_max_entries(RUNTIME_WORDS, BPF_F_MMAPABLE);

/// A word that userspace may change at any time.
#[inline(always)]
pub fn runtime(word: u32) -> u32 {
    RUNTIME
        .get_ptr(word)
        .map_or(0, |word| unsafe { word.read_volatile() } as u32)
}

const BPF_F_NO_PREALLOC: u32 = 1;

#[map]
pub static SOCKS: HashMap<u64, SockOwner> = HashMap::with_max_entries(1 << 20, BPF_F_NO_PREALLOC);

/// In front of `SOCKS`: most connections never reach the hash, whose insert and delete cost ten times a slot's.
#[map]
pub static SLOTS: Array<Slots> = Array::with_max_entries(SLOT_SETS, 0);

#[map]
pub static LISTENERS: HashMap<ListenKey, SockOwner> =
    HashMap::with_max_entries(1 << 14, BPF_F_NO_PREALLOC);

#[map]
pub static FILTERS: HashMap<FilterKey, u8> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

#[map]
pub static HOSTS: LpmTrie<HostKey, u8> = LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Counts a run of `hook`; every program calls this first.
#[inline(always)]
pub fn count_run(hook: u32) {
    if let Some(count) = COUNTERS.get_ptr_mut(hook) {
        unsafe { (*count).runs += 1 }
    }
}

/// Room for a `T` in the ring, or `None`, counted.
#[inline(always)]
pub fn reserve<T>(hook: u32) -> Option<*mut T> {
    let slot: *mut T = unsafe {
        bpf_ringbuf_reserve(
            (&raw const EVENTS).cast_mut().cast(),
            size_of::<T>() as u64,
            0,
        )
    }
    .cast();
    if let Some(count) = COUNTERS.get_ptr_mut(hook) {
        if slot.is_null() {
            unsafe { (*count).lost += 1 }
        } else {
            unsafe { (*count).seen += 1 }
        }
    }
    (!slot.is_null()).then_some(slot)
}

/// Hands a filled slot to the reader. A wake-up costs a hundred times an event, so only a sleeping reader is woken.
#[inline(always)]
pub fn submit<T>(slot: *mut T) {
    unsafe { bpf_ringbuf_submit(slot.cast(), u64::from(wakeup())) }
}

/// What handing over a record has to say of a wake-up.
#[inline(always)]
pub fn wakeup() -> u32 {
    if let Some(sleeps) = RUNTIME.get_ptr_mut(READER_SLEEPS) {
        unsafe {
            if sleeps.read_volatile() != 0 {
                sleeps.write_volatile(0);
                return BPF_RB_FORCE_WAKEUP;
            }
        }
    }
    BPF_RB_NO_WAKEUP
}

/// Copies an event that stands in a map into the ring, counted, unless it turns out not to be ours: `claim` is asked
/// after the copy, because what it takes out of the map may be written over.
///
/// # Safety
/// `event` points at a whole `T` in a map; `T` consists of words.
#[inline(always)]
pub unsafe fn copy_out<T>(hook: u32, event: *const T, claim: impl FnOnce() -> bool) {
    let ring = (&raw const EVENTS).cast_mut().cast();
    let slot: *mut u64 = unsafe { bpf_ringbuf_reserve(ring, size_of::<T>() as u64, 0) }.cast();
    if slot.is_null() {
        if claim() {
            count_lost(hook);
        }
        return;
    }
    for word in 0..size_of::<T>() / 8 {
        // Volatile: a loop that copies becomes a call of memcpy.
        unsafe {
            let value = event.cast::<u64>().add(word).read_volatile();
            slot.add(word).write_volatile(value);
        }
    }
    if claim() {
        count_seen(hook);
        submit(slot);
    } else {
        unsafe { bpf_ringbuf_discard(slot.cast(), u64::from(BPF_RB_NO_WAKEUP)) }
    }
}

#[inline(always)]
fn count_seen(hook: u32) {
    if let Some(count) = COUNTERS.get_ptr_mut(hook) {
        unsafe { (*count).seen += 1 }
    }
}

/// An event there was no room for.
#[inline(always)]
pub fn count_lost(hook: u32) {
    if let Some(count) = COUNTERS.get_ptr_mut(hook) {
        unsafe { (*count).lost += 1 }
    }
}

/// Sets a word for the reader and wakes it, without an event.
#[inline(always)]
pub fn nudge(word: u32) {
    if let Some(word) = RUNTIME.get_ptr_mut(word) {
        unsafe { word.write_volatile(1) };
    }
    if runtime(READER_SLEEPS) == 0 {
        return;
    }
    let slot = unsafe { bpf_ringbuf_reserve((&raw const EVENTS).cast_mut().cast(), 8, 0) };
    if !slot.is_null() {
        unsafe { bpf_ringbuf_discard(slot, u64::from(wakeup())) }
    }
}

/// Writes fields of a slot one by one: no copy through the stack, no memcpy loop for the verifier.
macro_rules! put {
    ($slot:expr, { $($($field:ident).+ : $value:expr),* $(,)? }) => {
        $({
            let value = $value;
            unsafe { (&raw mut (*$slot).$($field).+).write(value) }
        })*
    };
}
pub(crate) use put;
