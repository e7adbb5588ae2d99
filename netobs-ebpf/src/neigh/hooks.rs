//! Neighbours: resolution given up by the timer, and hardware addresses that are replaced.

use crate::{
    filter,
    kernel::{
        access::{Access, Probed, Ptr, Typed, field, offset},
        skb::{self, Device},
        sock::AF_INET6,
    },
    maps::{count_run, put, reserve, submit},
    subject::Subject,
};
use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, fentry, fexit, kprobe, map, raw_tracepoint},
    maps::LruHashMap,
    programs::{
        BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RawTracePointContext,
    },
};
use netobs_ebpf::{
    event::{Flow, Kind},
    hook,
    neigh::event::{CHANGED, FAILED, Neigh},
};

/// States and flags of uapi/linux/neighbour.h and net/neighbour.h.
const NUD_FAILED: u8 = 0x20;
const NUD_NOARP: u8 = 0x40;
const NUD_PERMANENT: u8 = 0x80;
const NUD_VALID: u8 = 0xde;
const OVERRIDE: u32 = 1;
const ADMIN: u32 = 1 << 31;

#[btf_tracepoint(function = "neigh_timer_handler")]
#[inline(always)]
pub fn neigh_failed_tp_btf(ctx: BtfTracePointContext) -> i32 {
    timer::<Typed>(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "neigh_timer_handler")]
#[inline(always)]
pub fn neigh_failed_raw_tp(ctx: RawTracePointContext) -> i32 {
    timer::<Probed>(ctx.arg(0));
    0
}

/// `neigh_invalidate`, which the timer calls on giving up.
#[fentry(function = "neigh_invalidate")]
#[inline(always)]
pub fn neigh_failed_fentry(ctx: FEntryContext) -> i32 {
    timer::<Typed>(ctx.arg(0));
    0
}

#[kprobe]
#[inline(always)]
pub fn neigh_failed_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(neigh) = ctx.arg(0) {
        timer::<Probed>(neigh);
    }
    0
}

#[btf_tracepoint(function = "neigh_update")]
#[inline(always)]
pub fn neigh_changed_tp_btf(ctx: BtfTracePointContext) -> i32 {
    update::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3));
    0
}

#[raw_tracepoint(tracepoint = "neigh_update")]
#[inline(always)]
pub fn neigh_changed_raw_tp(ctx: RawTracePointContext) -> i32 {
    update::<Probed>(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3));
    0
}

/// Hardware addresses at the entry of `__neigh_update`: what it was given, kernels before 5.12 do not let us read.
#[map]
static BEFORE: LruHashMap<u64, [u64; 4]> = LruHashMap::with_max_entries(256, 0);

#[fentry(function = "__neigh_update")]
#[inline(always)]
pub fn neigh_changed_fentry(ctx: FEntryContext) -> i32 {
    let neigh: Ptr = ctx.arg(0);
    let mac: [u64; 4] = known_mac(neigh);
    if !equal(&mac, &[0; 4]) {
        _ = BEFORE.insert(neigh as u64, mac, 0);
    }
    0
}

#[fexit(function = "__neigh_update")]
#[inline(always)]
pub fn neigh_changed_fexit(ctx: FExitContext) -> i32 {
    count_run(hook::NEIGH_CHANGED);
    let neigh: Ptr = ctx.arg(0);
    let Some(old) = (unsafe { BEFORE.get(neigh as u64) }).copied() else {
        return 0;
    };
    _ = BEFORE.remove(neigh as u64);
    let mac = known_mac(neigh);
    if !equal(&old, &mac) {
        let state: u8 = field!(Typed, neigh, neigh_state);
        emit(neigh, hook::NEIGH_CHANGED, CHANGED, state, old, mac);
    }
    0
}

#[kprobe]
#[inline(always)]
pub fn neigh_changed_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(neigh), Some(mac), Some(new), Some(flags)) =
        (ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3))
    {
        update::<Probed>(neigh, mac, new, flags);
    }
    0
}

#[inline(always)]
fn timer<A: Access>(neigh: Ptr) {
    count_run(hook::NEIGH_FAILED);
    let state: u8 = field!(A, neigh, neigh_state);
    if state & NUD_FAILED != 0 {
        emit(
            neigh,
            hook::NEIGH_FAILED,
            FAILED,
            state,
            known_mac(neigh),
            [0; 4],
        );
    }
}

/// Before the kernel decides: the same questions as `__neigh_update` asks.
#[inline(always)]
fn update<A: Access>(neigh: Ptr, mac: Ptr, new: u8, flags: u32) {
    count_run(hook::NEIGH_CHANGED);
    let old: u8 = field!(A, neigh, neigh_state);
    let dead: u8 = field!(A, neigh, neigh_dead);
    let fixed = old & (NUD_NOARP | NUD_PERMANENT) != 0 && flags & ADMIN == 0;
    if mac.is_null() || new & NUD_VALID == 0 || dead != 0 || fixed {
        return;
    }
    // A valid address is replaced only with the override flag; one that failed, always.
    if old & NUD_VALID != 0 && flags & OVERRIDE == 0 {
        return;
    }
    let dev: Ptr = field!(Probed, neigh, neigh_dev);
    let len: u8 = field!(Probed, dev, dev_addr_len);
    let to: [u64; 4] = clip(unsafe { Probed::load(mac, 0) }, len);
    let from = known_mac(neigh);
    if !equal(&from, &[0; 4]) && !equal(&from, &to) {
        emit(neigh, hook::NEIGH_CHANGED, CHANGED, new, from, to);
    }
}

/// What the kernel has for a neighbour; all zero: nothing yet.
#[inline(always)]
fn known_mac(neigh: Ptr) -> [u64; 4] {
    let dev: Ptr = field!(Probed, neigh, neigh_dev);
    let len: u8 = field!(Probed, dev, dev_addr_len);
    clip(field!(Probed, neigh, neigh_ha), len)
}

#[inline(always)]
fn equal(a: &[u64; 4], b: &[u64; 4]) -> bool {
    ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0
}

/// The first `len` bytes; addresses of eight bytes and more are kept whole.
#[inline(always)]
fn clip(mac: [u64; 4], len: u8) -> [u64; 4] {
    match len {
        0 => [0; 4],
        1..8 => [mac[0] & !(u64::MAX << (u32::from(len & 7) * 8)), 0, 0, 0],
        8..16 => [mac[0], 0, 0, 0],
        _ => [
            mac[0],
            mac[1],
            (mac[2] & 0xffff_ffff) * u64::from(len > 16),
            0,
        ],
    }
}

#[inline(always)]
fn emit(neigh: Ptr, hook: u32, what: u8, state: u8, old_mac: [u64; 4], mac: [u64; 4]) {
    let dev: Ptr = field!(Probed, neigh, neigh_dev);
    let Some(Device {
        netns,
        ifindex,
        name,
    }) = skb::of_device(dev)
    else {
        return;
    };
    let table: Ptr = field!(Probed, neigh, neigh_tbl);
    let family: u32 = field!(Probed, table, neigh_family);
    let family = family as u16;
    let mut addr: [u32; 4] = unsafe { Probed::load(neigh, offset!(neigh_key)) };
    if family != AF_INET6 {
        addr = [addr[0], 0, 0, 0];
    }
    let subject = Subject::none(netns);
    let flow = Flow {
        laddr: addr,
        raddr: addr,
        family,
        ..Flow::default()
    };
    if !subject.passes() || !filter::flow_passes(&flow) {
        return;
    }
    let len: u8 = field!(Probed, dev, dev_addr_len);
    let Some(slot) = reserve::<Neigh>(hook) else {
        return;
    };
    unsafe {
        subject.put(
            &raw mut (*slot).header,
            bpf_ktime_get_ns(),
            Kind::Neigh,
            hook,
        )
    };
    put!(slot, {
        ifname: name,
        old_mac: old_mac,
        mac: mac,
        addr: addr,
        ifindex: ifindex,
        family: family,
        what: what,
        state: state,
        mac_len: u32::from(len),
        _pad: 0,
    });
    submit(slot);
}
