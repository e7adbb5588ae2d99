//! Events of a connection's life.

use crate::event::{Flow, Header};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `connect`, `accept`, `connect-failed`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Opened {
    pub header: Header,
    pub flow: Flow,
    /// Since the SYN; 0: unknown.
    pub latency_ns: u64,
    /// Positive errno, 0: none.
    pub errno: u32,
    /// `VIA_STATE` or `VIA_SYSCALL`.
    pub via: u32,
}

pub const VIA_STATE: u32 = 0;
pub const VIA_SYSCALL: u32 = 1;

/// `close`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Closed {
    pub header: Header,
    pub flow: Flow,
    /// Since SYN or since the child was made; 0: it was open before we were.
    pub duration_ns: u64,
    /// Payload handed to the network once: `bytes_sent - bytes_retrans`.
    pub tx_bytes: u64,
    /// Payload received in order: `bytes_received` without the FIN.
    pub rx_bytes: u64,
    pub segs_out: u32,
    pub segs_in: u32,
    /// `tcp_sock.total_retrans`.
    pub retrans: u32,
    /// `tcp_sock.srtt_us`, still shifted by 3.
    pub srtt_us: u32,
    /// `tcp_sock.rtt_min`, `u32::MAX`: never measured.
    pub min_rtt_us: u32,
    /// `sock.sk_err`.
    pub errno: u16,
    /// TCP state before.
    pub state: u8,
    /// 0: bytes, segments, round trips and errno could not be read (no BTF).
    pub counted: u8,
}
