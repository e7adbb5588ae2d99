//! Answers userspace's questions for sockets by address: one walk over the open files of all processes.

use super::existing::{TaskFile, ip_sock, socket_of};
use crate::{
    filter,
    kernel::{
        access::{Probed, Ptr, Typed, field},
        sock::{self, AF_INET6},
        task,
    },
    maps::put,
    subject::Subject,
};
use aya_ebpf::{macros::map, maps::HashMap};
use netobs_ebpf::sought::{SCORE_BOUND, SCORE_CONNECTED, SCORE_PORT, Sought, SoughtKey};

#[map]
static SOUGHT: HashMap<SoughtKey, Sought> = HashMap::with_max_entries(64, 0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub fn owners_sought(ctx: *const TaskFile) -> i32 {
    let Some((holder, socket, ino)) = (unsafe { socket_of(ctx) }) else {
        return 0;
    };
    let Some(sk) = ip_sock::<Probed>(socket) else {
        return 0;
    };
    let lport: u16 = field!(Probed, sk, sk_num);
    let proto: u16 = field!(Probed, sk, sk_protocol);
    let key = SoughtKey {
        netns: sock::netns::<Probed>(sk),
        lport,
        proto,
    };
    let Some(sought) = SOUGHT.get_ptr_mut(key) else {
        return 0;
    };
    let score = score(sk, unsafe { &*sought });
    let (best, told) = unsafe { ((*sought).score, (*sought).pid) };
    let pid: u32 = field!(Typed, holder, task_tgid);
    if score <= best {
        if score == best && score != 0 && pid != told {
            put!(sought, { ambiguous: 1 });
        }
        return 0;
    }
    let comm = task::comm(holder);
    let mut subject = Subject::none(key.netns);
    subject.sk = sk;
    subject.pid = pid;
    (subject.comm, subject.known) = (comm, true);
    subject.uid = field!(Probed, sk, sk_uid);
    subject.uid_known = true;
    put!(sought, {
        score: score,
        ambiguous: 0,
        sk: sk as u64,
        ino: ino,
        cgroup: sock::cgroup::<Probed>(sk),
        pid: subject.pid,
        uid: subject.uid,
        passes: u32::from(filter::owner_passes(&subject)),
        comm: comm,
    });
    0
}

/// How well a socket with the right port fits; 0: not at all.
#[inline(always)]
fn score(sk: Ptr, wanted: &Sought) -> u32 {
    let family: u16 = field!(Probed, sk, sk_family);
    let (local, remote) = sock::addresses::<Probed>(sk, family);
    let (local, remote) = (words(local, family), words(remote, family));
    let mut score = SCORE_PORT;
    if !is_any(&local) {
        if !equal(&local, &wanted.laddr) {
            return 0;
        }
        score += SCORE_BOUND;
    }
    let rport: u16 = field!(Probed, sk, sk_dport);
    if rport != 0 {
        if u32::from(u16::from_be(rport)) != wanted.rport || !equal(&remote, &wanted.raddr) {
            return 0;
        }
        score += SCORE_CONNECTED;
    }
    score
}

/// IPv4 as ::ffff:a.b.c.d.
#[inline(always)]
fn words(addr: [u64; 2], family: u16) -> [u32; 4] {
    if family == AF_INET6 {
        return [
            addr[0] as u32,
            (addr[0] >> 32) as u32,
            addr[1] as u32,
            (addr[1] >> 32) as u32,
        ];
    }
    [0, 0, 0xffff_u32.to_be(), addr[0] as u32]
}

#[inline(always)]
fn is_any(addr: &[u32; 4]) -> bool {
    let mapped = addr[2] == 0xffff_u32.to_be();
    (addr[0] | addr[1] | addr[3]) == 0 && (addr[2] == 0 || mapped)
}

#[inline(always)]
fn equal(a: &[u32; 4], b: &[u32; 4]) -> bool {
    ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0
}
