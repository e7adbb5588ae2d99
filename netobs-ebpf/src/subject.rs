//! Whose event it is: read once, filtered on, then written into the header.

use crate::{
    filter,
    kernel::{
        access::{Access, Probed, Ptr, field},
        skb, sock, task,
    },
    owners,
};
use netobs_ebpf::{
    config::Class,
    event::{CommWords, Header, Kind, OWNER_KNOWN, UID_KNOWN},
};

pub struct Subject {
    pub sk: Ptr,
    /// Valid when `known`.
    pub pid: u32,
    pub comm: CommWords,
    pub known: bool,
    pub uid: u32,
    pub uid_known: bool,
    pub netns: u32,
    pub cgroup: u64,
    pub ino: u64,
    /// When the connection began; 0: before we did.
    pub start_ns: u64,
}

impl Subject {
    /// Nobody, in a network namespace.
    #[inline(always)]
    pub fn none(netns: u32) -> Self {
        Self {
            sk: core::ptr::null(),
            pid: 0,
            comm: [0; 2],
            known: false,
            uid: 0,
            uid_known: false,
            netns,
            cgroup: 0,
            ino: 0,
            start_ns: 0,
        }
    }

    /// The owner of a full socket.
    #[inline(always)]
    pub fn of<A: Access>(sk: Ptr) -> Self {
        let mut s = Self::none(sock::netns::<A>(sk));
        s.sk = sk;
        s.uid = field!(A, sk, sk_uid);
        s.uid_known = true;
        s.cgroup = sock::cgroup::<A>(sk);
        s.set_owner::<A>();
        s
    }

    /// Of a packet: the owner of `sk` if it is a full socket, else nobody in the namespace of its device.
    #[inline(always)]
    pub fn of_packet<A: Access>(sk: Ptr, device: &skb::Device) -> Self {
        let mut s = Self::of_sk::<A>(sk);
        s.netns = if device.is_none() && !sk.is_null() {
            sock::netns::<Probed>(sk)
        } else {
            device.netns
        };
        s
    }

    /// The owner of `sk`, null or not full as it may be, without its namespace. A typed load of a pointer from a
    /// trusted one costs the verifier four walks over all of BTF (1 ms), so what is rarely there is read with checks.
    #[inline(always)]
    fn of_sk<A: Access>(sk: Ptr) -> Self {
        let mut s = Self::none(0);
        if sk.is_null() || !sock::is_full::<A>(sk) {
            return s;
        }
        s.sk = sk;
        s.uid = field!(A, sk, sk_uid);
        s.uid_known = true;
        s.cgroup = sock::cgroup::<A>(sk);
        s.set_owner::<Probed>();
        s
    }

    #[inline(always)]
    fn set_owner<A: Access>(&mut self) {
        if let Some(owner) = owners::of::<A>(self.sk) {
            unsafe {
                self.pid = (*owner).pid;
                self.comm = (*owner).comm;
                self.start_ns = (*owner).start_ns;
            }
            self.known = self.pid != 0;
        }
        if !self.known {
            self.ino = sock::inode::<A>(self.sk);
        }
    }

    /// Filters on addresses and ports of a packet.
    #[inline(always)]
    pub fn packet_passes<A: Access>(&self, skb: Ptr) -> bool {
        if !filter::active(Class::Host) && !filter::active(Class::Port) {
            return true;
        }
        skb::flow::<A>(skb).is_some_and(|flow| filter::flow_passes(&flow))
    }

    /// The current process: in process context only.
    #[inline(always)]
    pub fn set_current(&mut self) {
        (self.pid, self.comm) = task::current();
        self.known = true;
    }

    /// Every filter but those on addresses and ports.
    #[inline(always)]
    pub fn passes(&self) -> bool {
        filter::subject_passes(self)
    }

    /// Filters on addresses and ports; reads them only if there are any.
    #[inline(always)]
    pub fn flow_passes<A: Access>(&self, lport: u16, proto: u16) -> bool {
        filter::ends_pass::<A>(self.sk, lport, proto)
    }

    /// # Safety
    /// `header` is writable.
    #[inline(always)]
    pub unsafe fn put(&self, header: *mut Header, now: u64, kind: Kind, hook: u32) {
        let known = if self.known { OWNER_KNOWN } else { 0 };
        let uid = if self.uid_known { UID_KNOWN } else { 0 };
        crate::maps::put!(header, {
            time_ns: now,
            sk: self.sk as u64,
            cgroup: self.cgroup,
            netns: self.netns,
            pid: self.pid,
            uid: self.uid,
            kind: kind as u8,
            hook: hook as u8,
            flags: known | uid,
            _pad: 0,
            ino: self.ino,
            comm: self.comm,
        });
    }
}
