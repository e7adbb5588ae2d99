//! The kernel's `struct tcp_info`, as long as this program knows it; what an older kernel does not tell is 0.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// `struct tcp_info` of linux/tcp.h, fields in the kernel's order and units.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TcpInfo {
    pub state: u8,
    pub ca_state: u8,
    pub retransmits: u8,
    pub probes: u8,
    pub backoff: u8,
    /// `TCPI_OPT_*`.
    pub options: u8,
    /// Low half: window scale we send with; high half: the one we receive with.
    pub wscale: u8,
    /// Bit 0: the delivery rate was limited by the application; bits 1 and 2: why TCP fast open failed.
    pub flags: u8,
    /// Microseconds.
    pub rto_us: u32,
    pub ato_us: u32,
    /// Bytes.
    pub snd_mss: u32,
    pub rcv_mss: u32,
    /// Segments; of a listener, the accept queue and its limit (`unacked`, `sacked`).
    pub unacked: u32,
    pub sacked: u32,
    pub lost: u32,
    pub retrans: u32,
    pub fackets: u32,
    /// Milliseconds since.
    pub last_data_sent_ms: u32,
    pub last_ack_sent_ms: u32,
    pub last_data_recv_ms: u32,
    pub last_ack_recv_ms: u32,
    pub pmtu: u32,
    pub rcv_ssthresh: u32,
    pub rtt_us: u32,
    pub rttvar_us: u32,
    /// Segments.
    pub snd_ssthresh: u32,
    pub snd_cwnd: u32,
    pub advmss: u32,
    pub reordering: u32,
    pub rcv_rtt_us: u32,
    pub rcv_space: u32,
    /// Segments sent again in the connection's life.
    pub total_retrans: u32,
    /// Bytes a second; all ones: no limit.
    pub pacing_rate: u64,
    pub max_pacing_rate: u64,
    pub bytes_acked: u64,
    pub bytes_received: u64,
    pub segs_out: u32,
    pub segs_in: u32,
    pub notsent_bytes: u32,
    pub min_rtt_us: u32,
    pub data_segs_in: u32,
    pub data_segs_out: u32,
    /// Bytes a second.
    pub delivery_rate: u64,
    /// Microseconds busy sending, of them limited by the peer's window and by our send buffer.
    pub busy_time_us: u64,
    pub rwnd_limited_us: u64,
    pub sndbuf_limited_us: u64,
    pub delivered: u32,
    pub delivered_ce: u32,
    pub bytes_sent: u64,
    pub bytes_retrans: u64,
    pub dsack_dups: u32,
    pub reord_seen: u32,
    pub rcv_ooopack: u32,
    pub snd_wnd: u32,
    /// From 6.2.
    pub rcv_wnd: u32,
    pub rehash: u32,
    /// From 6.7: retransmission time-outs, recoveries from them, and milliseconds spent in them.
    pub total_rto: u16,
    pub total_rto_recoveries: u16,
    pub total_rto_time_ms: u32,
}

impl TcpInfo {
    pub const TIMESTAMPS: u8 = 1;
    pub const SACK: u8 = 2;
    pub const WSCALE: u8 = 4;
    pub const ECN: u8 = 8;
    pub const ECN_SEEN: u8 = 16;
    pub const SYN_DATA: u8 = 32;

    /// From the bytes of an attribute: shorter from older kernels, longer from newer ones.
    pub fn from_prefix(bytes: &[u8]) -> Self {
        if let Ok((info, _)) = Self::read_from_prefix(bytes) {
            return info;
        }
        let mut info = Self::new_zeroed();
        let known = bytes.len().min(size_of::<Self>());
        info.as_mut_bytes()[..known].copy_from_slice(&bytes[..known]);
        info
    }

    pub fn snd_wscale(&self) -> u8 {
        self.wscale & 15
    }

    pub fn rcv_wscale(&self) -> u8 {
        self.wscale >> 4
    }

    pub fn app_limited(&self) -> bool {
        self.flags & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_the_kernels() {
        assert_eq!(std::mem::offset_of!(TcpInfo, rtt_us), 68);
        assert_eq!(std::mem::offset_of!(TcpInfo, pacing_rate), 104);
        assert_eq!(std::mem::offset_of!(TcpInfo, delivery_rate), 160);
        assert_eq!(std::mem::offset_of!(TcpInfo, snd_wnd), 228);
        assert_eq!(size_of::<TcpInfo>(), 248);
    }

    #[test]
    fn shorter_and_longer_ones_are_read() {
        let info = TcpInfo::from_prefix(&[1; 104]);
        assert_eq!((info.total_retrans, info.pacing_rate), (0x0101_0101, 0));
        assert_eq!(TcpInfo::from_prefix(&[1; 1000]).snd_wnd, 0x0101_0101);
        assert_eq!(TcpInfo::from_prefix(&[]), TcpInfo::default());
    }
}
