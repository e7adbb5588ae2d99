//! What `-i` tells of a TCP or MPTCP connection, word for word as ss.

use super::figures::{bandwidth, bits, gain256, hex, milliseconds};
use crate::{
    line::Line,
    socket::{Congestion, Mptcp, Row, State, Subflow, TcpInfo, Tls},
};

/// The kernel's first guess of a retransmission time-out: not worth telling.
const RTO_UNKNOWN: u32 = 3_000_000;
const NO_THRESHOLD: u32 = 0xffff;
const USUAL_REORDERING: u32 = 3;

pub fn write(line: &mut Line, row: &Row, options: bool, numeric: bool) {
    if let Some(info) = &row.tcp {
        if options {
            flags(line, info);
        }
        transport(line, row, info);
        volume(line, info);
        congestion(line, &row.inet.congestion_info, numeric);
        rates(line, row, info, numeric);
        limits(line, info);
        trouble(line, row, info);
    }
    if let Some(mptcp) = &row.inet.mptcp {
        write_mptcp(line, mptcp);
    }
    upper_layers(line, row);
}

fn flags(line: &mut Line, info: &TcpInfo) {
    const NAMES: [(u8, &str); 5] = [
        (TcpInfo::TIMESTAMPS, "ts"),
        (TcpInfo::SACK, "sack"),
        (TcpInfo::ECN, "ecn"),
        (TcpInfo::ECN_SEEN, "ecnseen"),
        (TcpInfo::SYN_DATA, "fastopen"),
    ];
    for (_, name) in NAMES.iter().filter(|(bit, _)| info.options & bit != 0) {
        line.word(name);
    }
}

/// A name such as ` mss:` before a figure; nothing if it is 0.
fn figure(line: &mut Line, name: &str, value: impl Into<u64>) {
    let value = value.into();
    if value != 0 {
        line.raw(name.as_bytes()).number(value);
    }
}

fn time(line: &mut Line, name: &str, us: u32) {
    if us != 0 {
        line.raw(name.as_bytes());
        milliseconds(line, us);
    }
}

fn transport(line: &mut Line, row: &Row, info: &TcpInfo) {
    let name = padded(&row.inet.congestion);
    if !name.is_empty() {
        line.raw(b" ").escaped(name);
    }
    if info.options & TcpInfo::WSCALE != 0 {
        line.raw(b" wscale:").number(u64::from(info.snd_wscale()));
        line.raw(b",").number(u64::from(info.rcv_wscale()));
    }
    if info.rto_us != RTO_UNKNOWN {
        time(line, " rto:", info.rto_us);
    }
    figure(line, " backoff:", info.backoff);
    if info.rtt_us != 0 {
        time(line, " rtt:", info.rtt_us);
        line.raw(b"/");
        milliseconds(line, info.rttvar_us);
    }
    time(line, " ato:", info.ato_us);
    figure(line, " mss:", info.snd_mss);
    figure(line, " pmtu:", info.pmtu);
    figure(line, " rcvmss:", info.rcv_mss);
    figure(line, " advmss:", info.advmss);
    figure(line, " cwnd:", info.snd_cwnd);
    if info.snd_ssthresh < NO_THRESHOLD {
        figure(line, " ssthresh:", info.snd_ssthresh);
    }
}

fn volume(line: &mut Line, info: &TcpInfo) {
    figure(line, " bytes_sent:", info.bytes_sent);
    figure(line, " bytes_retrans:", info.bytes_retrans);
    figure(line, " bytes_acked:", info.bytes_acked);
    figure(line, " bytes_received:", info.bytes_received);
    figure(line, " segs_out:", info.segs_out);
    figure(line, " segs_in:", info.segs_in);
    figure(line, " data_segs_out:", info.data_segs_out);
    figure(line, " data_segs_in:", info.data_segs_in);
}

fn congestion(line: &mut Line, info: &Congestion, numeric: bool) {
    match info {
        Congestion::Nothing | Congestion::Vegas { .. } => {}
        Congestion::Dctcp { enabled: false, .. } => _ = line.raw(b" dctcp:fallback_mode"),
        Congestion::Dctcp {
            ce_state,
            alpha,
            ab_ecn,
            ab_tot,
            enabled: true,
        } => {
            let text = format!(
                " dctcp:(ce_state:{ce_state},alpha:{alpha},ab_ecn:{ab_ecn},ab_tot:{ab_tot})"
            );
            line.raw(text.as_bytes());
        }
        Congestion::Bbr {
            bandwidth: bytes,
            min_rtt_us,
            pacing_gain,
            cwnd_gain,
        } => {
            line.raw(b" bbr:(bw:");
            bandwidth(line, bits(*bytes), numeric);
            line.raw(b",mrtt:");
            milliseconds(line, *min_rtt_us);
            for (name, gain) in [("pacing_gain", pacing_gain), ("cwnd_gain", cwnd_gain)] {
                if *gain != 0 {
                    line.raw(b",").raw(name.as_bytes()).raw(b":");
                    gain256(line, *gain);
                }
            }
            line.raw(b")");
        }
    }
}

/// What the window lets through in a round trip, bits a second.
pub fn send_rate(row: &Row, info: &TcpInfo) -> Option<f64> {
    let vegas = match row.inet.congestion_info {
        Congestion::Vegas {
            enabled, rtt_us, ..
        } => Some(rtt_us).filter(|us| enabled && *us != 0 && *us != 0x7fff_ffff),
        Congestion::Nothing | Congestion::Dctcp { .. } | Congestion::Bbr { .. } => None,
    };
    let rtt = vegas.unwrap_or(info.rtt_us);
    let known = rtt > 0 && info.snd_mss > 0 && info.snd_cwnd > 0;
    known.then(|| f64::from(info.snd_cwnd) * f64::from(info.snd_mss) * 8_000_000.0 / f64::from(rtt))
}

fn rates(line: &mut Line, row: &Row, info: &TcpInfo, numeric: bool) {
    if let Some(rate) = send_rate(row, info) {
        line.raw(b" send ");
        bandwidth(line, rate, numeric);
    }
    figure(line, " lastsnd:", info.last_data_sent_ms);
    figure(line, " lastrcv:", info.last_data_recv_ms);
    figure(line, " lastack:", info.last_ack_recv_ms);
    let limited = |rate: u64| rate != 0 && rate != u64::MAX;
    if limited(info.pacing_rate) {
        line.raw(b" pacing_rate ");
        bandwidth(line, bits(info.pacing_rate), numeric);
        if limited(info.max_pacing_rate) {
            line.raw(b"/");
            bandwidth(line, bits(info.max_pacing_rate), numeric);
        }
    }
    if info.delivery_rate != 0 {
        line.raw(b" delivery_rate ");
        bandwidth(line, bits(info.delivery_rate), numeric);
    }
    figure(line, " delivered:", info.delivered);
    figure(line, " delivered_ce:", info.delivered_ce);
    if info.app_limited() {
        line.raw(b" app_limited");
    }
}

fn limits(line: &mut Line, info: &TcpInfo) {
    if info.busy_time_us == 0 {
        return;
    }
    line.raw(b" busy:")
        .number(info.busy_time_us / 1000)
        .raw(b"ms");
    let parts = [
        ("rwnd_limited", info.rwnd_limited_us),
        ("sndbuf_limited", info.sndbuf_limited_us),
    ];
    for (name, us) in parts.into_iter().filter(|(_, us)| *us != 0) {
        line.raw(b" ")
            .raw(name.as_bytes())
            .raw(b":")
            .number(us / 1000);
        let share = 100.0 * (bits(us) / bits(info.busy_time_us));
        line.raw(format!("ms({share:.1}%)").as_bytes());
    }
}

fn trouble(line: &mut Line, row: &Row, info: &TcpInfo) {
    figure(line, " unacked:", info.unacked);
    if info.retrans != 0 || info.total_retrans != 0 {
        line.raw(b" retrans:").number(u64::from(info.retrans));
        line.raw(b"/").number(u64::from(info.total_retrans));
    }
    figure(line, " lost:", info.lost);
    if row.state != State::LISTEN {
        figure(line, " sacked:", info.sacked);
    }
    figure(line, " dsack_dups:", info.dsack_dups);
    figure(line, " fackets:", info.fackets);
    if info.reordering != USUAL_REORDERING {
        line.raw(b" reordering:").number(u64::from(info.reordering));
    }
    figure(line, " reord_seen:", info.reord_seen);
    time(line, " rcv_rtt:", info.rcv_rtt_us);
    figure(line, " rcv_space:", info.rcv_space);
    figure(line, " rcv_ssthresh:", info.rcv_ssthresh);
    figure(line, " notsent:", info.notsent_bytes);
    if info.min_rtt_us != u32::MAX {
        time(line, " minrtt:", info.min_rtt_us);
    }
    figure(line, " rcv_ooopack:", info.rcv_ooopack);
    figure(line, " snd_wnd:", info.snd_wnd);
    figure(line, " rcv_wnd:", info.rcv_wnd);
    figure(line, " rehash:", info.rehash);
    figure(line, " total_rto:", info.total_rto);
    figure(line, " total_rto_recoveries:", info.total_rto_recoveries);
    figure(line, " total_rto_time:", info.total_rto_time_ms);
    if let Some((used, Some(allowed))) = row.backlog() {
        line.raw(b" backlog:").number(u64::from(used));
        line.raw(b"/").number(u64::from(allowed));
    }
}

fn write_mptcp(line: &mut Line, info: &Mptcp) {
    figure(line, " subflows:", info.subflows);
    figure(line, " add_addr_signal:", info.add_addr_signal);
    figure(line, " add_addr_accepted:", info.add_addr_accepted);
    figure(line, " subflows_max:", info.subflows_max);
    figure(line, " add_addr_signal_max:", info.add_addr_signal_max);
    figure(line, " add_addr_accepted_max:", info.add_addr_accepted_max);
    if info.flags & 1 != 0 {
        line.raw(b" fallback");
    }
    if info.flags & 2 != 0 {
        line.raw(b" remote_key");
    }
    let long = [
        (" token:", u64::from(info.token)),
        (" write_seq:", info.write_seq),
        (" snd_una:", info.snd_una),
        (" rcv_nxt:", info.rcv_nxt),
    ];
    for (name, value) in long.into_iter().filter(|(_, value)| *value != 0) {
        line.raw(name.as_bytes());
        hex(line, value);
    }
}

fn upper_layers(line: &mut Line, row: &Row) {
    if !row.inet.md5_keys.is_empty() {
        // The keys are secrets: told is for whom there is one.
        for (place, (ip, prefix)) in row.inet.md5_keys.iter().enumerate() {
            line.raw(if place == 0 { b" md5keys:" } else { b"," });
            line.ip(*ip).raw(b"/").number(u64::from(*prefix));
        }
    }
    let name = padded(&row.inet.ulp);
    if !name.is_empty() {
        line.raw(b" tcp-ulp-").escaped(name);
    }
    if let Some(tls) = &row.inet.tls {
        write_tls(line, tls);
    }
    if let Some(flow) = &row.inet.subflow {
        write_subflow(line, flow);
    }
}

fn write_tls(line: &mut Line, tls: &Tls) {
    let version = tls.version.map(|version| match version {
        0x0303 => "1.2".to_owned(),
        0x0304 => "1.3".to_owned(),
        other => format!("unknown({other})"),
    });
    let cipher = tls.cipher.map(|cipher| match cipher {
        51 => "aes-gcm-128".to_owned(),
        52 => "aes-gcm-256".to_owned(),
        53 => "aes-ccm-128".to_owned(),
        54 => "chacha20-poly1305".to_owned(),
        other => format!("unknown({other})"),
    });
    let conf = |conf: Option<u16>| {
        conf.map(|conf| match conf {
            1 => "none".to_owned(),
            2 => "sw".to_owned(),
            3 => "hw".to_owned(),
            4 => "hw-record".to_owned(),
            other => format!("unknown({other})"),
        })
    };
    let parts = [
        ("version", version),
        ("cipher", cipher),
        ("rxconf", conf(tls.rx)),
        ("txconf", conf(tls.tx)),
    ];
    for (name, value) in parts {
        if let Some(value) = value {
            line.raw(format!(" {name}: {value}").as_bytes());
        }
    }
    if tls.zero_copy {
        line.raw(b" zc_ro_tx");
    }
}

fn write_subflow(line: &mut Line, flow: &Subflow) {
    if flow.flags != 0 {
        line.raw(b" flags:");
        for (bit, letter) in b"MmJjBbecv".iter().enumerate() {
            if flow.flags & 1 << bit != 0 {
                line.raw(&[*letter]);
            }
        }
    }
    let text = format!(
        " token:{:04x}(id:{})/{:04x}(id:{})",
        flow.token_remote, flow.id_remote, flow.token_local, flow.id_local
    );
    line.raw(text.as_bytes());
    let rest = [
        (" seq:", flow.map_seq),
        (" sfseq:", flow.map_sfseq.map(u64::from)),
        (" ssnoff:", flow.ssn_offset.map(u64::from)),
        (" maplen:", flow.map_len.map(u64::from)),
    ];
    for (name, value) in rest {
        if let Some(value) = value {
            line.raw(name.as_bytes());
            hex(line, value);
        }
    }
}

/// A NUL-padded name.
pub fn padded(name: &[u8; 16]) -> &[u8] {
    let end = name.iter().position(|byte| *byte == 0);
    &name[..end.unwrap_or(name.len())]
}
