//! Follows every freed packet, but those that are normal life.

use crate::{
    kernel::{
        access::{Access, Ptr, constant, field, pointer},
        skb,
        sock::{AF_INET, AF_INET6, AF_PACKET},
    },
    maps::{CONFIG, config, count_run, put, reserve, submit},
    subject::Subject,
};
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use netobs_ebpf::{drop::event::Dropped, event::Kind, hook};

const HOOK: u32 = hook::DROP;

/// What a hook knows of a freed packet.
pub struct Freed {
    pub skb: Ptr,
    /// Return address of the call.
    pub location: u64,
    pub reason: u32,
    /// The socket it was received for (6.10), else null.
    pub rx_sk: Ptr,
}

/// First of all and cheap: most frees are nobody's loss.
#[inline(always)]
pub fn is_quiet(reason: u32) -> bool {
    if config!(all_drops) != 0 || reason >= 256 {
        return false;
    }
    let words = (&raw const CONFIG.quiet_reasons).cast::<u32>();
    let index = reason >> 5;
    // Bounded once more where the verifier sees it: the compiler would take the mask out.
    let index = unsafe { (&raw const index).read_volatile() } & 7;
    let word = constant(unsafe { words.add(index as usize) });
    word >> (reason & 31) & 1 != 0
}

#[inline(always)]
pub fn on_free<A: Access>(freed: &Freed) {
    count_run(HOOK);
    if is_quiet(freed.reason) {
        return;
    }
    let skb = freed.skb;
    let device = skb::device_of::<A>(skb);
    let sk: Ptr = if freed.rx_sk.is_null() {
        pointer!(A, skb, sk_buff, skb_sk)
    } else {
        freed.rx_sk
    };
    let protocol: u16 = field!(A, skb, skb_protocol);
    if protocol == 0 && device.is_none() && config!(all_drops) == 0 && !is_inet::<A>(sk) {
        return;
    }
    let subject = Subject::of_packet::<A>(sk, &device);
    if !subject.passes() || !subject.packet_passes::<A>(skb) {
        return;
    }
    let Some(slot) = reserve::<Dropped>(HOOK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe { subject.put(&raw mut (*slot).header, now, Kind::Drop, HOOK) };
    unsafe {
        (&raw mut (*slot).ifname)
            .cast::<[u64; 2]>()
            .write(device.name)
    };
    let start_len = unsafe { skb::put_start::<A, _>(&raw mut (*slot).start, skb) };
    let (vlan_proto, vlan_tci) = skb::vlan::<A>(skb);
    put!(slot, {
        location: freed.location,
        reason: freed.reason,
        len: field!(A, skb, skb_len),
        start_len: start_len,
        ethertype: u16::from_be(protocol),
        vlan_proto: vlan_proto,
        vlan_tci: vlan_tci,
    });
    submit(slot);
}

/// Messages of unix and netlink sockets are packets too, without protocol and device: nothing of the network.
#[inline(always)]
fn is_inet<A: Access>(sk: Ptr) -> bool {
    if sk.is_null() {
        return false;
    }
    let family: u16 = field!(A, sk, sk_family);
    family == AF_INET || family == AF_INET6 || family == AF_PACKET
}
