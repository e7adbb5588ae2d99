//! What userspace decides before loading: constants to the verifier, so that unused paths cost nothing.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Frozen into `.rodata`.
#[repr(C)]
#[derive(Clone, Copy, FromZeros, IntoBytes, Immutable)]
pub struct Config {
    /// [`crate::ABI_VERSION`].
    pub abi: u32,
    /// Bits of [`crate::event::Kind`].
    pub events: u32,
    /// Bits of [`Class`] for which at least one value must match.
    pub include: u32,
    /// Bits of [`Class`] that have values which must not match.
    pub exclude: u32,
    /// 1: programs may compare and exchange (5.12).
    pub atomics: u32,
    /// 1: `bpf_get_current_task_btf` exists (5.11).
    pub task_btf: u32,
    /// 1: harmless drop reasons are told too.
    pub all_drops: u32,
    /// Drop reason `SKB_CONSUMED` (6.4); `u32::MAX`: there is none.
    pub reason_consumed: u32,
    /// Number of arguments of tracepoints that grew over time; 0: not there.
    pub args_kfree_skb: u32,
    pub args_retransmit: u32,
    pub args_send_reset: u32,
    pub args_udp_fail: u32,
    /// Nanoseconds of a jiffy.
    pub tick_ns: u32,
    /// Of the function `icmp_push_reply`, which got the socket as its first in 5.13.
    pub args_icmp_push: u32,
    /// Drop reason of packets freed for no particular one (5.17), 0: there are none.
    pub reason_unspecified: u32,
    /// Bit n: drop reason n is harmless (core reasons below 256).
    pub quiet_reasons: [u32; 8],
    /// 1: what a run was skipped for is made up for by a second program.
    pub again: u32,
    pub types: TypeIds,
    /// For kernels without BTF.
    pub state_format: StateFormat,
}

/// Numbers of kernel types, for pointers that are cast to them; 0: not there.
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
pub struct TypeIds {
    pub sock: u32,
    pub sk_buff: u32,
    pub net: u32,
    pub fib6_result: u32,
    pub file: u32,
    /// 0 also where nothing can be cast, as `words`.
    pub socket: u32,
    /// Of a struct that is an array of words: memory without a type is read through it.
    pub words: u32,
    /// Of a full TCP socket, which saves asking a helper; 0 as `socket`.
    pub tcp_sock: u32,
}

/// Names of the types, in order.
pub const TYPES: [&str; 8] = [
    "sock",
    "sk_buff",
    "net",
    "fib6_result",
    "file",
    "socket",
    "linux_mib",
    "tcp_sock",
];

/// What programs call to cast a pointer: no helper has this number. The loader puts the kernel's own function for it
/// there, `bpf_rdonly_cast` (6.2), or nothing but a move.
pub const CAST: i32 = 0x6e65_746f;

/// Where `sock:inet_sock_set_state` keeps its fields, from tracefs.
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
pub struct StateFormat {
    pub skaddr: u32,
    pub oldstate: u32,
    pub newstate: u32,
    pub sport: u32,
    pub dport: u32,
    pub family: u32,
    pub protocol: u32,
    pub saddr: u32,
    pub daddr: u32,
    pub saddr_v6: u32,
    pub daddr_v6: u32,
    pub _pad: u32,
}

/// Names of the fields, in order.
pub const STATE_FIELDS: [&str; 11] = [
    "skaddr", "oldstate", "newstate", "sport", "dport", "family", "protocol", "saddr", "daddr",
    "saddr_v6", "daddr_v6",
];

/// A class of filter values.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Pid = 0,
    Comm = 1,
    Uid = 2,
    Netns = 3,
    Cgroup = 4,
    Host = 5,
    Port = 6,
}

impl Class {
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Key of the filter map: a number in the first word, or a comm.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct FilterKey {
    pub value: [u64; 2],
    pub class: u64,
}

pub const INCLUDE: u8 = 1;
pub const EXCLUDE: u8 = 2;

/// Data of a prefix in the host trie: `INCLUDE` or `EXCLUDE`, then an IPv6 or v4-mapped address.
pub type HostKey = [u8; 20];

/// Bits before the address in a [`HostKey`].
pub const HOST_TAG_BITS: u32 = 32;

/// Words of the `RUNTIME` map, which both sides write while programs run.
pub const RUNTIME_WORDS: u32 = 5;
/// 1: the reader sleeps until it is woken.
pub const READER_SLEEPS: u32 = 0;
/// 1: the exit of connect(2) is hooked, so failures inside it are left to that hook.
pub const CONNECT_EXIT: u32 = 1;
/// 1: the retransmit hook is attached: what it was not run for, or not shown, is told when a socket is established or closes.
pub const RETRANSMIT_GAPS: u32 = 2;
/// 1: a failed route lookup waits to become final.
pub const ROUTES_WAIT: u32 = 3;
/// 1: listeners are asked at intervals, so one that closes tells its last growth itself.
pub const LISTENERS_POLLED: u32 = 4;
