//! Which sockets were told: a table the walk over files fills, so that others tell only what is not there.

use super::wanted;
use crate::kernel::{
    access::{Access, Ptr, field, number},
    sock::{self, LISTEN},
};
use aya_ebpf::{bindings::BPF_F_MMAPABLE, macros::map, maps::Array};
use netobs_ebpf::sockets::record;

/// The size is set by the loader, who reads it too.
#[map]
static TOLD: Array<u64> = Array::with_max_entries(1 << 12, BPF_F_MMAPABLE);

/// Where a socket is connected to, and from where.
pub struct Ends {
    pub family: u16,
    pub local: [u64; 2],
    pub remote: [u64; 2],
    /// Of a request it is the listener's.
    pub lport: u16,
    pub rport: u16,
    pub ifindex: u32,
}

impl Ends {
    #[inline(always)]
    pub fn of<A: Access>(sk: Ptr) -> Self {
        let family: u16 = field!(A, sk, sk_family);
        let rport: u16 = field!(A, sk, sk_dport);
        let (local, remote) = sock::addresses::<A>(sk, family);
        Self {
            family,
            local,
            remote,
            lport: field!(A, sk, sk_num),
            rport: u16::from_be(rport),
            ifindex: field!(A, sk, sk_bound_dev_if),
        }
    }

    /// What makes a socket the same one. A connection goes by its addresses, a listener by its place in memory.
    #[inline(always)]
    pub fn print(&self, sk: Ptr, state: i32) -> u64 {
        if state == LISTEN {
            return number(sk);
        }
        let [a, b] = self.local;
        let [c, d] = self.remote;
        let ports = record::ports(self.lport, self.rport, self.ifindex);
        record::print(wanted!(seed), [a, b, c, d, ports])
    }
}

/// The slot of a print.
#[inline(always)]
pub fn slot(print: u64) -> Option<*mut u64> {
    TOLD.get_ptr_mut(record::slot(print, wanted!(slots)))
}
