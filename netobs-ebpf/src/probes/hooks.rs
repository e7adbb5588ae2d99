//! Stamps probes and answers at the edge of the stack: after all of it on the way out, before all of it on the way in.
//!
//! Two places each: TC, for the devices that are named, and the tracepoints right beside TC, for all devices of a namespace. Both
//! pass every packet on as it is.

use super::packet::{self, Bytes, wanted};
use crate::{
    kernel::{
        access::{Access as _, Probed, Ptr, Typed, bounded, copy, field, has},
        skb,
    },
    maps::{config, put},
};
use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_RB_NO_WAKEUP,
    helpers::generated::{
        bpf_ktime_get_ns, bpf_ringbuf_discard, bpf_ringbuf_output, bpf_ringbuf_reserve,
        bpf_ringbuf_submit, bpf_skb_load_bytes_relative,
    },
    macros::{btf_tracepoint, classifier, map},
    maps::{PerCpuArray, RingBuf},
    programs::{BtfTracePointContext, TcContext},
};
use core::ffi::c_void;
use netobs_ebpf::probes::record::{CAME, LEFT, PROBE_BYTES, STAMP_HEAD, STAMPED_BYTES, Stamp};

/// Read when the reader has something to do anyway: no wake-ups.
#[map]
static STAMPS: RingBuf = RingBuf::with_byte_size(1 << 19, 0);

/// Where the record of an answer is put together. The hook is not interrupted by itself on one processor.
#[map]
static STAMP: PerCpuArray<Stamp<STAMPED_BYTES>> = PerCpuArray::with_max_entries(1, 0);

/// `TC_ACT_UNSPEC`, which is `TCX_NEXT` too: the next program decides.
const NEXT: i32 = -1;
/// `BPF_HDR_START_NET`.
const FROM_NETWORK: u32 = 1;

#[classifier]
#[inline(always)]
pub fn probes_left_tc(ctx: TcContext) -> i32 {
    let packet = Tc(ctx.as_ptr());
    tell_probe(packet::probe(&packet), &packet);
    NEXT
}

#[classifier]
#[inline(always)]
pub fn probes_came_tc(ctx: TcContext) -> i32 {
    let packet = Tc(ctx.as_ptr());
    tell_answer(packet::answer(&packet), &packet);
    NEXT
}

/// Comes right behind TC egress, in front of the queue.
#[btf_tracepoint(function = "net_dev_queue")]
#[inline(always)]
pub fn probes_left_tp(ctx: BtfTracePointContext) -> i32 {
    let skb = skb(ctx.arg(0));
    let (head, network) = skb::network::<Typed>(skb);
    let packet = Skb::new(skb, unsafe { head.add(network as usize) }, network);
    tell_probe(packet::probe(&packet), &packet);
    0
}

/// Comes in front of TC ingress; the network header is where the data begins, and will be marked so afterwards.
#[btf_tracepoint(function = "netif_receive_skb")]
#[inline(always)]
pub fn probes_came_tp(ctx: BtfTracePointContext) -> i32 {
    let skb = skb(ctx.arg(0));
    let (head, data): (Ptr, Ptr) = (field!(Typed, skb, skb_head), field!(Typed, skb, skb_data));
    let packet = Skb::new(skb, data, (data as u64).wrapping_sub(head as u64) as u32);
    tell_answer(packet::answer(&packet), &packet);
    0
}

/// The packet as one that the verifier does not trust, which takes it half a millisecond less to look at.
#[inline(always)]
fn skb(skb: Ptr) -> Ptr {
    unsafe { Typed::untrusted(skb, config!(types.sk_buff)) }
}

/// A packet that can be told of.
trait Told: Bytes {
    fn is_here(&self) -> bool;
    fn ifindex(&self) -> u32;
    fn arrival(&self) -> u64;
    /// Bytes that can be copied, at most.
    fn most(&self) -> u32;
    /// # Safety
    /// `to` has room for `len` bytes, 1 at least.
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool;
}

/// The time is taken as late as can be: whoever listens to the device comes next.
#[inline(always)]
fn tell_probe(total: u32, packet: &impl Told) {
    const SIZE: u64 = size_of::<Stamp<PROBE_BYTES>>() as u64;
    if total == 0 || !packet.is_here() {
        return;
    }
    let ring = (&raw const STAMPS).cast_mut().cast();
    let slot: *mut Stamp<PROBE_BYTES> = unsafe { bpf_ringbuf_reserve(ring, SIZE, 0) }.cast();
    if slot.is_null() {
        return;
    }
    let most = packet.most();
    let len = bounded::<PROBE_BYTES>(if total < most { total } else { most });
    put!(slot, {
        arrival_ns: packet.arrival(), ifindex: packet.ifindex(), way: LEFT, len: len, total: total,
    });
    unsafe {
        if packet.copy((&raw mut (*slot).bytes).cast(), len) {
            (&raw mut (*slot).time_ns).write(bpf_ktime_get_ns());
            bpf_ringbuf_submit(slot.cast(), u64::from(BPF_RB_NO_WAKEUP));
        } else {
            bpf_ringbuf_discard(slot.cast(), u64::from(BPF_RB_NO_WAKEUP));
        }
    }
}

#[inline(always)]
fn tell_answer(total: u32, packet: &impl Told) {
    if total == 0 || !packet.is_here() {
        return;
    }
    let now = unsafe { bpf_ktime_get_ns() };
    let Some(slot) = STAMP.get_ptr_mut(0) else {
        return;
    };
    let most = packet.most();
    let len = bounded::<STAMPED_BYTES>(if total < most { total } else { most });
    put!(slot, {
        time_ns: now, arrival_ns: packet.arrival(), ifindex: packet.ifindex(), way: CAME, len: len, total: total,
    });
    unsafe {
        if packet.copy((&raw mut (*slot).bytes).cast(), len) {
            bpf_ringbuf_output(
                (&raw const STAMPS).cast_mut().cast(),
                slot.cast(),
                u64::from(len) + STAMP_HEAD as u64,
                u64::from(BPF_RB_NO_WAKEUP),
            );
        }
    }
}

/// As TC shows a packet.
struct Tc(*mut c_void);

impl Bytes for Tc {
    #[inline(always)]
    fn words<const N: usize>(&self, at: u32, to: &mut [u32; N]) -> bool {
        let (to, len) = (to.as_mut_ptr().cast(), N as u32 * 4);
        unsafe { bpf_skb_load_bytes_relative(self.0.cast(), at, to, len, FROM_NETWORK) == 0 }
    }
}

impl Told for Tc {
    #[inline(always)]
    fn is_here(&self) -> bool {
        true
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        let skb: *const aya_ebpf::bindings::__sk_buff = self.0.cast();
        unsafe { (*skb).ifindex }
    }

    #[inline(always)]
    fn arrival(&self) -> u64 {
        let skb: *const aya_ebpf::bindings::__sk_buff = self.0.cast();
        unsafe { (&raw const (*skb).tstamp).read_volatile() }
    }

    #[inline(always)]
    fn most(&self) -> u32 {
        STAMPED_BYTES as u32
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        unsafe { bpf_skb_load_bytes_relative(self.0.cast(), 0, to.cast(), len, FROM_NETWORK) == 0 }
    }
}

/// As a tracepoint shows it: what lies in one piece from the IP header on.
struct Skb {
    skb: Ptr,
    start: Ptr,
    linear: u32,
}

impl Skb {
    #[inline(always)]
    fn new(skb: Ptr, start: Ptr, offset: u32) -> Self {
        let tail: u32 = field!(Typed, skb, skb_tail);
        let linear = tail.wrapping_sub(offset);
        Self { skb, start, linear }
    }
}

impl Bytes for Skb {
    #[inline(always)]
    fn words<const N: usize>(&self, at: u32, to: &mut [u32; N]) -> bool {
        if at + N as u32 * 4 > self.linear {
            return false;
        }
        *to = unsafe { Probed::load(self.start, at) };
        true
    }
}

impl Told for Skb {
    #[inline(always)]
    fn is_here(&self) -> bool {
        skb::device_of::<Typed>(self.skb).netns == wanted!(netns)
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        skb::device_of::<Typed>(self.skb).ifindex
    }

    #[inline(always)]
    fn arrival(&self) -> u64 {
        if has!(skb_tstamp) {
            field!(Typed, self.skb, skb_tstamp)
        } else {
            0
        }
    }

    #[inline(always)]
    fn most(&self) -> u32 {
        self.linear
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, len: u32) -> bool {
        unsafe { copy(to, len, self.start) };
        true
    }
}
