//! The event of a segment sent again.

use crate::event::{Flow, Header};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `retransmit`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Retransmit {
    pub header: Header,
    pub flow: Flow,
    /// `tcp_skb_cb.seq`, or the SYN-ACK's.
    pub seq: u32,
    /// Payload of the skb, bytes.
    pub len: u32,
    /// Segments of the skb (`tcp_skb_cb.tcp_gso_segs`).
    pub segs: u32,
    /// Segments the kernel counted since the last event of this socket, but did not send.
    pub failed_segs: u32,
    /// `tcp_sock.total_retrans`, or that of the request.
    pub retrans: u32,
    /// `tcp_sock.srtt_us`, still shifted by 3.
    pub srtt_us: u32,
    /// `icsk_rto` in microseconds.
    pub rto_us: u32,
    /// TCP state.
    pub state: u8,
    /// `icsk_ca_state`; [`NO_CA_STATE`]: a request has none.
    pub ca_state: u8,
    /// `icsk_pending`: the timer that is being handled.
    pub pending: u8,
    pub _pad: u8,
}

/// The event is about a SYN-ACK of a request: `srtt_us` and `rto_us` mean nothing either.
pub const NO_CA_STATE: u8 = u8::MAX;
