//! Where owners are kept, by the address of the socket: in slots of an array as long as there is room, else in a hash.

use crate::{
    kernel::access::{Ptr, number},
    maps::{SLOTS, SOCKS, config},
};
use core::arch::asm;
use netobs_ebpf::owner::{SLOT_BUSY, SLOT_WAYS, Slots, SockOwner, slot_set};

/// Whether slots can be claimed; a constant to the verifier.
#[inline(always)]
fn has_slots() -> bool {
    config!(atomics) != 0
}

/// The owner kept for `sk`.
#[inline(always)]
pub fn get(sk: Ptr) -> Option<*mut SockOwner> {
    if has_slots() {
        let key = number(sk);
        if let Some(set) = set(key)
            && let Some(way) = find(set, key)
        {
            return Some(owner(set, way));
        }
    }
    SOCKS.get_ptr_mut(sk as u64)
}

/// Keeps the owner of a connection; what was kept for an earlier socket at the same address goes.
#[inline(always)]
pub fn put(sk: Ptr, new: &SockOwner) {
    if has_slots() {
        let key = number(sk);
        if let Some(set) = set(key)
            && let Some(way) = find(set, key).or_else(|| claim(set, key))
        {
            unsafe { owner(set, way).write(*new) };
            unsafe { cell(set, way).write_volatile(key) };
            return;
        }
    }
    put_aside(sk, new, 0);
}

/// Keeps the owner of a socket that lives long: slots are for those that come and go.
#[inline(always)]
pub fn put_aside(sk: Ptr, new: &SockOwner, flags: u64) {
    // A full map loses the owner of this socket, not its events.
    _ = SOCKS.insert(sk as u64, new, flags);
}

/// The socket is gone.
#[inline(always)]
pub fn remove(sk: Ptr) {
    if has_slots() {
        let key = number(sk);
        if let Some(set) = set(key)
            && let Some(way) = find(set, key)
        {
            unsafe { cell(set, way).write_volatile(0) };
            return;
        }
    }
    _ = SOCKS.remove(sk as u64);
}

#[inline(always)]
fn set(key: u64) -> Option<*mut Slots> {
    SLOTS.get_ptr_mut(slot_set(key))
}

#[inline(always)]
fn cell(set: *mut Slots, way: usize) -> *mut u64 {
    unsafe { (&raw mut (*set).sk).cast::<u64>().add(way) }
}

#[inline(always)]
fn owner(set: *mut Slots, way: usize) -> *mut SockOwner {
    unsafe { (&raw mut (*set).owner).cast::<SockOwner>().add(way) }
}

#[inline(always)]
fn find(set: *mut Slots, key: u64) -> Option<usize> {
    (0..SLOT_WAYS).find(|way| unsafe { cell(set, *way).read_volatile() } == key)
}

/// Two processors never claim one slot.
#[inline(always)]
fn claim(set: *mut Slots, key: u64) -> Option<usize> {
    (0..SLOT_WAYS).find(|way| {
        let cell = cell(set, *way);
        unsafe { cell.read_volatile() == 0 && exchange(cell, 0, key | SLOT_BUSY) == 0 }
    })
}

/// Writes `new` if `old` stands there; returns what stood there (5.12).
///
/// # Safety
/// `cell` is in a map.
#[inline(always)]
unsafe fn exchange(cell: *mut u64, old: u64, new: u64) -> u64 {
    let mut found = old;
    unsafe {
        asm!("r0 = cmpxchg_64({cell} + 0, r0, {new})", cell = in(reg) cell, new = in(reg) new, inout("r0") found);
    }
    found
}
