//! The user's filters, applied before anything is put into the ring.

use crate::{
    kernel::{
        access::{Access, Probed, Ptr, field},
        sock,
    },
    maps::{FILTERS, HOSTS, config},
    subject::Subject,
};
use aya_ebpf::maps::lpm_trie::Key;
use netobs_ebpf::{
    config::{Class, EXCLUDE, FilterKey, HOST_TAG_BITS, HostKey, INCLUDE},
    event::Flow,
};

/// Whether any filter of `class` exists: a constant to the verifier.
#[inline(always)]
pub fn active(class: Class) -> bool {
    (config!(include) | config!(exclude)) & class.bit() != 0
}

/// Everything but addresses.
#[inline(always)]
pub fn subject_passes(s: &Subject) -> bool {
    netns_passes(s.netns) && owner_passes(s)
}

/// What is asked of the owner.
#[inline(always)]
pub fn owner_passes(s: &Subject) -> bool {
    if active(Class::Pid) && !number(Class::Pid, u64::from(s.pid), s.known) {
        return false;
    }
    if active(Class::Uid) && !number(Class::Uid, u64::from(s.uid), s.uid_known) {
        return false;
    }
    if active(Class::Comm) && !comm(s) {
        return false;
    }
    !active(Class::Cgroup) || cgroup(s)
}

/// Deepest cgroup below the one asked for that is still found.
const DEPTH: u32 = 24;

/// The cgroup or one above it.
#[inline(always)]
fn cgroup(s: &Subject) -> bool {
    if s.sk.is_null() {
        return number(Class::Cgroup, s.cgroup, s.cgroup != 0);
    }
    let mut found = 0;
    let mut node = sock::cgroup_node(s.sk);
    for _ in 0..DEPTH {
        if node.is_null() {
            break;
        }
        let id: u64 = field!(Probed, node, kn_id);
        found = either(found, lookup(Class::Cgroup, [id, 0], true));
        node = field!(Probed, node, kn_parent);
    }
    decide(Class::Cgroup, found)
}

#[inline(always)]
fn number(class: Class, value: u64, known: bool) -> bool {
    decide(class, lookup(class, [value, 0], known))
}

#[inline(always)]
fn comm(s: &Subject) -> bool {
    decide(Class::Comm, lookup(Class::Comm, s.comm, s.known))
}

#[inline(always)]
fn lookup(class: Class, value: [u64; 2], known: bool) -> u8 {
    if !known {
        return 0;
    }
    let key = FilterKey {
        value,
        class: class as u64,
    };
    unsafe { FILTERS.get(key) }.copied().unwrap_or(0)
}

#[inline(always)]
fn decide(class: Class, found: u8) -> bool {
    found != EXCLUDE && (found == INCLUDE || config!(include) & class.bit() == 0)
}

/// Ports and addresses: one end that matches is enough, to include as to exclude.
#[inline(always)]
pub fn flow_passes(flow: &Flow) -> bool {
    if active(Class::Port) {
        let l = lookup(Class::Port, [u64::from(flow.lport), 0], true);
        let r = lookup(Class::Port, [u64::from(flow.rport), 0], true);
        if !decide(Class::Port, either(l, r)) {
            return false;
        }
    }
    if active(Class::Host) {
        let l = host(&flow.laddr, flow.family);
        let r = host(&flow.raddr, flow.family);
        return decide(Class::Host, either(l, r));
    }
    true
}

/// The same for a socket or request; its addresses are read only if there is such a filter.
#[inline(always)]
pub fn ends_pass<A: Access>(sk: Ptr, lport: u16, proto: u16) -> bool {
    if !active(Class::Host) && !active(Class::Port) {
        return true;
    }
    let mut flow = Flow::default();
    unsafe { sock::put_flow::<A>(&raw mut flow, sk, lport, proto) };
    flow_passes(&flow)
}

/// The same for an event about two flows, one inside the other.
#[inline(always)]
pub fn flows_pass(outer: &Flow, inner: &Flow) -> bool {
    if active(Class::Port) {
        let outer = either(port(outer.lport), port(outer.rport));
        if !decide(
            Class::Port,
            either(outer, either(port(inner.lport), port(inner.rport))),
        ) {
            return false;
        }
    }
    if active(Class::Host) {
        let l = either(
            host(&outer.laddr, outer.family),
            host(&inner.laddr, inner.family),
        );
        let r = either(
            host(&outer.raddr, outer.family),
            host(&inner.raddr, inner.family),
        );
        return decide(Class::Host, either(l, r));
    }
    true
}

#[inline(always)]
fn port(port: u16) -> u8 {
    lookup(Class::Port, [u64::from(port), 0], true)
}

/// The class that events have whose owner is found later, in userspace.
#[inline(always)]
pub fn netns_passes(netns: u32) -> bool {
    !active(Class::Netns) || number(Class::Netns, u64::from(netns), netns != 0)
}

#[inline(always)]
fn either(l: u8, r: u8) -> u8 {
    if l == EXCLUDE || r == EXCLUDE {
        EXCLUDE
    } else if l == INCLUDE || r == INCLUDE {
        INCLUDE
    } else {
        0
    }
}

#[inline(always)]
fn host(addr: &[u32; 4], family: u16) -> u8 {
    if config!(exclude) & Class::Host.bit() != 0 && in_trie(EXCLUDE, addr, family) {
        return EXCLUDE;
    }
    if config!(include) & Class::Host.bit() != 0 && in_trie(INCLUDE, addr, family) {
        return INCLUDE;
    }
    0
}

#[inline(always)]
fn in_trie(tag: u8, addr: &[u32; 4], family: u16) -> bool {
    // IPv4 is looked up as ::ffff:a.b.c.d.
    let words: [u32; 5] = if family == sock::AF_INET {
        [u32::from(tag), 0, 0, 0xffff_u32.to_be(), addr[0]]
    } else {
        [u32::from(tag), addr[0], addr[1], addr[2], addr[3]]
    };
    let data: HostKey = unsafe { core::mem::transmute::<[u32; 5], HostKey>(words) };
    HOSTS.get(Key::new(HOST_TAG_BITS + 128, data)).is_some()
}
