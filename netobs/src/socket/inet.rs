//! What inet sockets tell only when asked, or only few of them have.

use std::net::IpAddr;

/// What an inet socket tells only when asked, or only few of them have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inet {
    /// IP protocol of a raw socket.
    pub raw_protocol: Option<u8>,
    pub tos: Option<u8>,
    pub tclass: Option<u8>,
    pub class_id: Option<u32>,
    /// Bit 0: receiving is shut down, bit 1: sending is.
    pub shutdown: Option<u8>,
    /// Name of the congestion control, NUL-padded; all 0: not told.
    pub congestion: [u8; 16],
    pub congestion_info: Congestion,
    pub tls: Option<Tls>,
    /// Name of the upper layer protocol (`tls`, `mptcp`), NUL-padded.
    pub ulp: [u8; 16],
    pub subflow: Option<Subflow>,
    pub mptcp: Option<Mptcp>,
    /// Prefixes with a TCP MD5 key; the keys themselves are not read.
    pub md5_keys: Vec<(IpAddr, u8)>,
    /// The two bytes of `struct inet_diag_sockopt`.
    pub sockopt: Option<[u8; 2]>,
}

impl Inet {
    pub(super) fn reset(&mut self) {
        let Self {
            raw_protocol,
            tos,
            tclass,
            class_id,
            shutdown,
            congestion,
            congestion_info,
            tls,
            ulp,
            subflow,
            mptcp,
            md5_keys,
            sockopt,
        } = self;
        (*raw_protocol, *tos, *tclass, *class_id) = (None, None, None, None);
        (*shutdown, *sockopt, *tls) = (None, None, None);
        (*congestion, *ulp) = ([0; 16], [0; 16]);
        *congestion_info = Congestion::Nothing;
        (*subflow, *mptcp) = (None, None);
        md5_keys.clear();
    }
}

/// What a congestion control tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    #[default]
    Nothing,
    Vegas {
        enabled: bool,
        rtt_us: u32,
        min_rtt_us: u32,
    },
    Dctcp {
        enabled: bool,
        ce_state: u16,
        alpha: u32,
        ab_ecn: u32,
        ab_tot: u32,
    },
    Bbr {
        /// Bytes a second.
        bandwidth: u64,
        min_rtt_us: u32,
        /// In 256ths.
        pacing_gain: u32,
        cwnd_gain: u32,
    },
}

/// Kernel TLS, if the upper layer protocol is `tls`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// 0x0303, 0x0304.
    pub version: Option<u16>,
    pub cipher: Option<u16>,
    /// 1 none, 2 software, 3 hardware, 4 hardware record.
    pub rx: Option<u16>,
    pub tx: Option<u16>,
    /// Zero-copy sendfile.
    pub zero_copy: bool,
}

/// What a TCP subflow tells of its MPTCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subflow {
    pub flags: u32,
    pub token_remote: u32,
    pub token_local: u32,
    pub id_remote: u8,
    pub id_local: u8,
    pub map_seq: Option<u64>,
    pub map_sfseq: Option<u32>,
    pub ssn_offset: Option<u32>,
    pub map_len: Option<u32>,
}

/// An MPTCP connection (`struct mptcp_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mptcp {
    pub subflows: u8,
    pub add_addr_signal: u8,
    pub add_addr_accepted: u8,
    pub subflows_max: u8,
    pub add_addr_signal_max: u8,
    pub add_addr_accepted_max: u8,
    pub flags: u32,
    pub token: u32,
    pub write_seq: u64,
    pub snd_una: u64,
    pub rcv_nxt: u64,
}
