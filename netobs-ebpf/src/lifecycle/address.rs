//! The address that connect(2) was given, and how its socket would have it.

use crate::kernel::{
    access::{Ptr, copy},
    sock::{AF_INET, AF_INET6},
};
use aya_ebpf::helpers::generated::bpf_probe_read_user;

/// What connect(2) was given: `sockaddr_in` or `sockaddr_in6`.
#[repr(C)]
pub struct Address {
    family: u16,
    port: u16,
    v4: u32,
    v6: [u32; 4],
    scope: u32,
}

impl Address {
    const EMPTY: Self = Self {
        family: 0,
        port: 0,
        v4: 0,
        v6: [0; 4],
        scope: 0,
    };

    #[inline(always)]
    pub fn kernel(from: Ptr) -> Self {
        let mut address = Self::EMPTY;
        let len = size_of::<Self>() as u32;
        unsafe { copy((&raw mut address).cast(), len, from) };
        address
    }

    /// A short address at the end of mapped memory is read as far as IPv4 goes.
    #[inline(always)]
    pub fn user(from: Ptr) -> Self {
        let mut address = Self::EMPTY;
        let (to, len) = ((&raw mut address).cast(), size_of::<Self>() as u32);
        if unsafe { bpf_probe_read_user(to, len, from.cast()) } != 0 {
            unsafe { bpf_probe_read_user(to, 8, from.cast()) };
        }
        address
    }

    /// Host byte order; 0: no address of the internet.
    #[inline(always)]
    pub fn port(&self) -> u16 {
        match self.family {
            AF_INET | AF_INET6 => u16::from_be(self.port),
            _ => 0,
        }
    }

    /// The remote address as a socket of `family` would have it.
    #[inline(always)]
    pub fn remote(&self, family: u16) -> [u32; 4] {
        match (self.family, family) {
            (AF_INET, AF_INET) => [self.v4, 0, 0, 0],
            (AF_INET, _) => [0, 0, 0xffff_u32.to_be(), self.v4],
            (AF_INET6, AF_INET6) => self.v6,
            _ => [0; 4],
        }
    }
}
