//! Fields of sockets: addresses, namespace, cgroup, file.

use super::access::{Access, Probed, Ptr, field, has, offset, pointer};
use netobs_ebpf::event::Flow;

pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const AF_PACKET: u16 = 17;
pub const IPPROTO_TCP: u16 = 6;

/// TCP states, fixed by `BPF_TCP_*` in uapi/linux/bpf.h.
pub const ESTABLISHED: i32 = 1;
pub const SYN_SENT: i32 = 2;
pub const SYN_RECV: i32 = 3;
pub const FIN_WAIT2: i32 = 5;
pub const TIME_WAIT: i32 = 6;
pub const CLOSE: i32 = 7;
pub const LAST_ACK: i32 = 9;
pub const LISTEN: i32 = 10;
pub const CLOSING: i32 = 11;
pub const NEW_SYN_RECV: i32 = 12;

#[inline(always)]
pub fn state<A: Access>(sk: Ptr) -> i32 {
    let state: u8 = field!(A, sk, sk_state);
    i32::from(state)
}

/// TIME_WAIT and NEW_SYN_RECV entries are smaller structs: only `sock_common` is there.
#[inline(always)]
pub fn is_full<A: Access>(sk: Ptr) -> bool {
    let state = state::<A>(sk);
    state != TIME_WAIT && state != NEW_SYN_RECV
}

/// Whether the peer's FIN was received: tcp_fin() sets `SOCK_DONE`, bit 1 of the flags.
#[inline(always)]
pub fn fin_received<A: Access>(sk: Ptr) -> bool {
    let flags: u64 = field!(A, sk, sk_flags);
    flags & 2 != 0
}

/// Inode number of the network namespace.
#[inline(always)]
pub fn netns<A: Access>(sk: Ptr) -> u32 {
    let net = pointer!(A, sk, sock, sk_net);
    if net.is_null() {
        return 0;
    }
    field!(A, net, net_inum)
}

/// Id of the cgroup v2 the socket belongs to; 0: unknown.
#[inline(always)]
pub fn cgroup<A: Access>(sk: Ptr) -> u64 {
    if !has!(sk_cgroup) {
        let node = node_before_5_14(sk);
        return if node.is_null() {
            0
        } else {
            field!(Probed, node, kn_id)
        };
    }
    let cgroup = pointer!(A, sk, sock, sk_cgroup);
    if cgroup.is_null() {
        return 0;
    }
    let node: Ptr = field!(A, cgroup, cgroup_kn);
    field!(A, node, kn_id)
}

/// The kernfs node of that cgroup, to walk up from; its fields are read with `Probed`.
#[inline(always)]
pub fn cgroup_node(sk: Ptr) -> Ptr {
    if !has!(sk_cgroup) {
        return node_before_5_14(sk);
    }
    let cgroup: Ptr = field!(Probed, sk, sk_cgroup);
    if cgroup.is_null() {
        cgroup
    } else {
        field!(Probed, cgroup, cgroup_kn)
    }
}

/// `sock_cgroup_data` was one word: a pointer whose two low bits are flags, the first says "no pointer".
#[inline(always)]
fn node_before_5_14(sk: Ptr) -> Ptr {
    let val: u64 = field!(Probed, sk, sk_cgrp_val);
    if val & 1 != 0 || val == 0 {
        return core::ptr::null();
    }
    field!(Probed, (val & !3) as Ptr, cgroup_kn)
}

/// Inode number of the socket's file; 0 before accept(2) and after close(2).
#[inline(always)]
pub fn inode<A: Access>(sk: Ptr) -> u64 {
    let socket = pointer!(A, sk, sock, sk_socket);
    if socket.is_null() {
        return 0;
    }
    // struct socket_alloc { struct socket socket; struct inode vfs_inode; }: the verifier knows only the first part.
    unsafe { Probed::load(socket, offset!(socket_inode) + offset!(inode_ino)) }
}

/// Whether the SYN of a socket with a file was sent: connect(2) says so last.
#[inline(always)]
pub fn is_under_way<A: Access>(sk: Ptr) -> bool {
    /// `SS_UNCONNECTED` of uapi/linux/net.h.
    const UNCONNECTED: u32 = 1;
    let socket = pointer!(A, sk, sock, sk_socket);
    if socket.is_null() {
        return false;
    }
    let state: u32 = field!(A, socket, socket_state);
    state != UNCONNECTED
}

/// Whether the socket has a file, or is about to have one: a listener's child has none before accept(2).
#[inline(always)]
pub fn has_file<A: Access>(sk: Ptr) -> bool {
    let socket: u64 = field!(A, sk, sk_socket);
    socket != 0
}

/// Fills the addresses and the remote port; the local port is the caller's, its place depends on the state.
///
/// # Safety
/// `flow` is writable.
#[inline(always)]
pub unsafe fn put_flow<A: Access>(flow: *mut Flow, sk: Ptr, lport: u16, proto: u16) {
    let family: u16 = field!(A, sk, sk_family);
    let rport: u16 = field!(A, sk, sk_dport);
    let (l, r) = addresses::<A>(sk, family);
    unsafe {
        (&raw mut (*flow).laddr).cast::<[u64; 2]>().write(l);
        (&raw mut (*flow).raddr).cast::<[u64; 2]>().write(r);
        (&raw mut (*flow).lport).write(lport);
        (&raw mut (*flow).rport).write(u16::from_be(rport));
        (&raw mut (*flow).family).write(family);
        (&raw mut (*flow).proto).write(proto);
    }
}

/// Local and remote address, network byte order, an IPv4 address in the first four bytes.
#[inline(always)]
pub fn addresses<A: Access>(sk: Ptr, family: u16) -> ([u64; 2], [u64; 2]) {
    if family == AF_INET6 && has!(sk_v6_daddr) {
        let l = offset!(sk_v6_rcv_saddr);
        let r = offset!(sk_v6_daddr);
        unsafe {
            (
                [A::load(sk, l), A::load(sk, l + 8)],
                [A::load(sk, r), A::load(sk, r + 8)],
            )
        }
    } else {
        let l: u32 = field!(A, sk, sk_rcv_saddr);
        let r: u32 = field!(A, sk, sk_daddr);
        ([u64::from(l), 0], [u64::from(r), 0])
    }
}

/// What this socket refused so far; from 6.18 UDP sockets count in two places.
#[inline(always)]
pub fn drops<A: Access>(sk: Ptr) -> u32 {
    if has!(sk_drop_counters) {
        let counters = pointer!(A, sk, sock, sk_drop_counters);
        if !counters.is_null() {
            let (first, second): (u32, u32) = (
                field!(A, counters, numa_drops0),
                field!(A, counters, numa_drops1),
            );
            return first.wrapping_add(second);
        }
    }
    field!(A, sk, sk_drops)
}

/// Whether a listener answers with a cookie when its SYN queue is full.
#[inline(always)]
pub fn syncookies<A: Access>(sk: Ptr) -> bool {
    let net = pointer!(A, sk, sock, sk_net);
    if !has!(net_syncookies) || net.is_null() {
        return false;
    }
    let sysctl: u8 = field!(A, net, net_syncookies);
    sysctl != 0
}

/// `net.ipv4.tcp_max_syn_backlog`.
#[inline(always)]
pub fn max_syn_backlog<A: Access>(sk: Ptr) -> u32 {
    let net = pointer!(A, sk, sock, sk_net);
    if net.is_null() {
        return 0;
    }
    field!(A, net, net_max_syn_backlog)
}
