//! Packets of a device as they come and leave, taken at TC. The loader puts the filter before each program, as instructions: a
//! packet that gets here is wanted.

use crate::{
    kernel::access::{bounded, constant},
    maps::{put, wakeup},
};
use aya_ebpf::{
    bindings::{__sk_buff, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{
        bpf_ktime_get_ns, bpf_ringbuf_discard, bpf_ringbuf_reserve, bpf_ringbuf_submit,
        bpf_skb_load_bytes,
    },
    macros::map,
    maps::{PerCpuArray, RingBuf},
};
use netobs_ebpf::capture::record::{PacketHead, Passed, ROOMS, TAGGED};

#[map]
static PACKETS: RingBuf = RingBuf::with_byte_size(1 << 25, 0);

#[map]
static PASSED: PerCpuArray<Passed> = PerCpuArray::with_max_entries(1, 0);

/// Most bytes of a packet that are kept. Written by userspace, frozen before loading.
#[unsafe(no_mangle)]
static SNAPLEN: u32 = 0;

/// So much of the ring is filled before a busy reader is woken.
const BATCH: u64 = 1 << 19;
/// `TC_ACT_UNSPEC`, which is `TCX_NEXT` too: the next program decides.
const NEXT: i32 = -1;
const PACKET_OUTGOING: u32 = 4;

#[repr(C)]
struct Packet<const ROOM: usize> {
    head: PacketHead,
    bytes: [u8; ROOM],
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "classifier/packets")]
pub fn packet_came(skb: *mut __sk_buff) -> i32 {
    let kind = unsafe { (&raw const (*skb).pkt_type).read_volatile() };
    take(skb, kind);
    NEXT
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "classifier/packets")]
pub fn packet_left(skb: *mut __sk_buff) -> i32 {
    take(skb, PACKET_OUTGOING);
    NEXT
}

/// Keeps a packet in the first room that is large enough, of those that are numbered; else in the last.
macro_rules! keep_in_room {
    ($skb:expr, $passed:expr, $kind:expr, $wire:expr, $kept:expr; $($number:literal)*; $last:literal) => {
        $(if $kept <= ROOMS[$number] as u32 {
            keep::<{ ROOMS[$number] }>($skb, $passed, [$kind, $wire, $kept])
        } else)* {
            keep::<{ ROOMS[$last] }>($skb, $passed, [$kind, $wire, $kept])
        }
    };
}

#[inline(always)]
fn take(skb: *mut __sk_buff, kind: u32) {
    let Some(passed) = PASSED.get_ptr_mut(0) else {
        return;
    };
    unsafe { (*passed).packets += 1 };
    let wire = unsafe { (&raw const (*skb).len).read_volatile() };
    let most = constant(&raw const SNAPLEN);
    let kept = if wire < most { wire } else { most };
    let is_kept = keep_in_room!(skb, passed, kind, wire, kept; 0 1 2 3 4 5; 6);
    if !is_kept {
        unsafe { (*passed).lost += 1 };
    }
}

#[inline(always)]
fn keep<const ROOM: usize>(
    skb: *mut __sk_buff,
    passed: *mut Passed,
    [kind, wire, kept]: [u32; 3],
) -> bool {
    let ring = (&raw const PACKETS).cast_mut().cast();
    let size = size_of::<Packet<ROOM>>() as u64;
    let slot: *mut Packet<ROOM> = unsafe { bpf_ringbuf_reserve(ring, size, 0) }.cast();
    if slot.is_null() {
        return false;
    }
    let kept = bounded::<ROOM>(kept);
    let word = |field: *const u32| unsafe { field.read_volatile() };
    let tag = unsafe {
        if word(&raw const (*skb).vlan_present) == 0 {
            0
        } else {
            word(&raw const (*skb).vlan_tci) & 0xffff | TAGGED
        }
    };
    put!(slot, {
        head.kept: kept,
        head.wire: wire,
        head.kind: kind,
        head.segment: unsafe { word(&raw const (*skb).gso_size) },
        head.tag: tag,
        head.tag_type: unsafe { word(&raw const (*skb).vlan_proto) },
        head.time_ns: unsafe { bpf_ktime_get_ns() },
    });
    unsafe {
        let bytes = (&raw mut (*slot).bytes).cast();
        if bpf_skb_load_bytes(skb.cast(), 0, bytes, kept) != 0 {
            bpf_ringbuf_discard(slot.cast(), u64::from(BPF_RB_NO_WAKEUP));
            return false;
        }
        (*passed).asleep += size;
        let mut flags = wakeup();
        if (*passed).asleep >= BATCH || flags == BPF_RB_FORCE_WAKEUP {
            (*passed).asleep = 0;
            flags = BPF_RB_FORCE_WAKEUP;
        }
        bpf_ringbuf_submit(slot.cast(), u64::from(flags));
    }
    true
}
