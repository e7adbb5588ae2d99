//! Numbers of hooks: the index into the counters and `Header::hook`.

pub const LIFECYCLE: u32 = 0;
pub const CONNECT_EXIT: u32 = 1;
pub const RETRANSMIT: u32 = 2;
pub const RETRANSMIT_SYNACK: u32 = 3;
pub const DROP: u32 = 4;
pub const RESET_SENT: u32 = 5;
pub const RESET_RECEIVED: u32 = 6;
pub const ICMP_SENT: u32 = 7;
pub const ICMP6_SENT: u32 = 8;
pub const ICMP_RECEIVED: u32 = 9;
pub const ICMP6_RECEIVED: u32 = 10;
pub const ROUTE4: u32 = 11;
pub const ROUTE6: u32 = 12;
pub const NEIGH_FAILED: u32 = 13;
pub const NEIGH_CHANGED: u32 = 14;
pub const UDP_DROP: u32 = 15;
pub const LISTEN_OVERFLOW: u32 = 16;
/// Sockets and their processes as they are at start.
pub const OWNERS: u32 = 20;
