//! The rarer blocks of an inet socket: congestion control's own figures, MPTCP, TLS, MD5 keys.

use super::attributes::{Attributes, short_name, u8_of, u16_of, u32_of, u64_of, words};
use crate::socket::{Congestion, Inet, Mptcp, Subflow, Tls};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub fn vegas(value: &[u8]) -> Congestion {
    let [enabled, _, rtt_us, min_rtt_us] = words(value);
    Congestion::Vegas {
        enabled: enabled != 0,
        rtt_us,
        min_rtt_us,
    }
}

pub fn dctcp(value: &[u8]) -> Congestion {
    let [first, alpha, ab_ecn, ab_tot] = words(value);
    let bytes = first.to_ne_bytes();
    Congestion::Dctcp {
        enabled: bytes[..2] != [0, 0],
        ce_state: u16::from_ne_bytes([bytes[2], bytes[3]]),
        alpha,
        ab_ecn,
        ab_tot,
    }
}

pub fn bbr(value: &[u8]) -> Congestion {
    let [low, high, min_rtt_us, pacing_gain, cwnd_gain] = words(value);
    Congestion::Bbr {
        bandwidth: u64::from(high) << 32 | u64::from(low),
        min_rtt_us,
        pacing_gain,
        cwnd_gain,
    }
}

/// `struct mptcp_info`: six bytes, padding, two words, three double words.
pub fn mptcp(value: &[u8]) -> Mptcp {
    let byte = |at: usize| value.get(at).copied().unwrap_or(0);
    let word = |at: usize| value.get(at..).and_then(u32_of).unwrap_or(0);
    let long = |at: usize| value.get(at..).and_then(u64_of).unwrap_or(0);
    Mptcp {
        subflows: byte(0),
        add_addr_signal: byte(1),
        add_addr_accepted: byte(2),
        subflows_max: byte(3),
        add_addr_signal_max: byte(4),
        add_addr_accepted_max: byte(5),
        flags: word(8),
        token: word(12),
        write_seq: long(16),
        snd_una: long(24),
        rcv_nxt: long(32),
    }
}

/// `struct tcp_diag_md5sig`: family, prefix, key length, address, and an 80 byte key that we leave where it is.
pub fn md5_keys(value: &[u8], keys: &mut Vec<(IpAddr, u8)>) {
    for key in value.chunks_exact(100) {
        let (family, prefix) = (i32::from(key[0]), key[1]);
        let Some(address) = key[4..].first_chunk::<16>() else {
            continue;
        };
        let ip = if family == libc::AF_INET6 {
            IpAddr::V6(Ipv6Addr::from(*address))
        } else {
            let [a, b, c, d, ..] = *address;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        };
        keys.push((ip, prefix));
    }
}

/// `INET_DIAG_ULP_INFO`: a name, and the block of TLS or MPTCP.
pub fn upper_layer(value: &[u8], inet: &mut Inet) {
    for (kind, value) in Attributes(value) {
        match kind {
            1 => inet.ulp = short_name(value),
            2 => inet.tls = Some(tls(value)),
            3 => inet.subflow = Some(subflow(value)),
            _ => {}
        }
    }
}

fn tls(value: &[u8]) -> Tls {
    let mut tls = Tls::default();
    for (kind, value) in Attributes(value) {
        match kind {
            1 => tls.version = u16_of(value),
            2 => tls.cipher = u16_of(value),
            3 => tls.tx = u16_of(value),
            4 => tls.rx = u16_of(value),
            5 => tls.zero_copy = true,
            _ => {}
        }
    }
    tls
}

fn subflow(value: &[u8]) -> Subflow {
    let mut flow = Subflow::default();
    for (kind, value) in Attributes(value) {
        match kind {
            1 => flow.token_remote = u32_of(value).unwrap_or(0),
            2 => flow.token_local = u32_of(value).unwrap_or(0),
            4 => flow.map_seq = u64_of(value),
            5 => flow.map_sfseq = u32_of(value),
            6 => flow.ssn_offset = u32_of(value),
            7 => flow.map_len = u32_of(value).or_else(|| u16_of(value).map(u32::from)),
            8 => flow.flags = u32_of(value).unwrap_or(0),
            9 => flow.id_remote = u8_of(value).unwrap_or(0),
            10 => flow.id_local = u8_of(value).unwrap_or(0),
            _ => {}
        }
    }
    flow
}
