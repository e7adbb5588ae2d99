//! What `-i` tells of a TCP connection, word for word as ss.

use super::{
    figures::{bandwidth, bits, gain256, milliseconds},
    upper,
};
use crate::{
    line::Line,
    socket::{Congestion, Row, State, TcpInfo},
};

/// The kernel's first guess of a retransmission time-out: not worth telling.
const RTO_UNKNOWN: u32 = 3_000_000;
const NO_THRESHOLD: u32 = 0xffff;
const USUAL_REORDERING: u32 = 3;

/// A part of the line.
enum Part {
    /// ` mss:` and a number; nothing if it is 0.
    Number(&'static str, fn(&TcpInfo) -> u64),
    /// ` ato:` and microseconds, written as milliseconds; nothing if they are 0.
    Time(&'static str, fn(&TcpInfo) -> u32),
    /// What has a shape of its own.
    Other(fn(&mut Line, &Row, &TcpInfo, bool)),
}
use Part::{Number, Other, Time};

/// All parts, in ss's order.
const PARTS: [Part; 49] = [
    Other(algorithm),
    Time(" rto:", |t| known(t.rto_us, RTO_UNKNOWN)),
    Number(" backoff:", |t| t.backoff.into()),
    Other(round_trip),
    Time(" ato:", |t| t.ato_us),
    Number(" mss:", |t| t.snd_mss.into()),
    Number(" pmtu:", |t| t.pmtu.into()),
    Number(" rcvmss:", |t| t.rcv_mss.into()),
    Number(" advmss:", |t| t.advmss.into()),
    Number(" cwnd:", |t| t.snd_cwnd.into()),
    Number(" ssthresh:", threshold),
    Number(" bytes_sent:", |t| t.bytes_sent),
    Number(" bytes_retrans:", |t| t.bytes_retrans),
    Number(" bytes_acked:", |t| t.bytes_acked),
    Number(" bytes_received:", |t| t.bytes_received),
    Number(" segs_out:", |t| t.segs_out.into()),
    Number(" segs_in:", |t| t.segs_in.into()),
    Number(" data_segs_out:", |t| t.data_segs_out.into()),
    Number(" data_segs_in:", |t| t.data_segs_in.into()),
    Other(congestion),
    Other(sending),
    Number(" lastsnd:", |t| t.last_data_sent_ms.into()),
    Number(" lastrcv:", |t| t.last_data_recv_ms.into()),
    Number(" lastack:", |t| t.last_ack_recv_ms.into()),
    Other(rates),
    Number(" delivered:", |t| t.delivered.into()),
    Number(" delivered_ce:", |t| t.delivered_ce.into()),
    Other(limits),
    Number(" unacked:", |t| t.unacked.into()),
    Other(sent_again),
    Number(" lost:", |t| t.lost.into()),
    Other(sacked),
    Number(" dsack_dups:", |t| t.dsack_dups.into()),
    Number(" fackets:", |t| t.fackets.into()),
    Other(reordering),
    Number(" reord_seen:", |t| t.reord_seen.into()),
    Time(" rcv_rtt:", |t| t.rcv_rtt_us),
    Number(" rcv_space:", |t| t.rcv_space.into()),
    Number(" rcv_ssthresh:", |t| t.rcv_ssthresh.into()),
    Number(" notsent:", |t| t.notsent_bytes.into()),
    Time(" minrtt:", |t| known(t.min_rtt_us, u32::MAX)),
    Number(" rcv_ooopack:", |t| t.rcv_ooopack.into()),
    Number(" snd_wnd:", |t| t.snd_wnd.into()),
    Number(" rcv_wnd:", |t| t.rcv_wnd.into()),
    Number(" rehash:", |t| t.rehash.into()),
    Number(" total_rto:", |t| t.total_rto.into()),
    Number(" total_rto_recoveries:", |t| t.total_rto_recoveries.into()),
    Number(" total_rto_time:", |t| t.total_rto_time_ms.into()),
    Other(backlog),
];

/// `options`: what the peers agreed on is told too.
pub fn write(line: &mut Line, row: &Row, options: bool, numeric: bool) {
    if let Some(info) = &row.tcp {
        if options {
            flags(line, info);
        }
        for part in &PARTS {
            match part {
                Number(name, value) => figure(line, name, value(info)),
                Time(name, us) => time(line, name, us(info)),
                Other(write) => write(line, row, info, numeric),
            }
        }
    }
    upper::write(line, row);
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
#[inline]
pub(super) fn figure(line: &mut Line, name: &str, value: u64) {
    if value != 0 {
        line.raw(name.as_bytes()).number(value);
    }
}

#[inline]
fn time(line: &mut Line, name: &str, us: u32) {
    if us != 0 {
        line.raw(name.as_bytes());
        milliseconds(line, us);
    }
}

/// 0 for the value that stands for none.
fn known(value: u32, none: u32) -> u32 {
    if value == none { 0 } else { value }
}

fn threshold(info: &TcpInfo) -> u64 {
    let known = info.snd_ssthresh < NO_THRESHOLD;
    if known { info.snd_ssthresh.into() } else { 0 }
}

fn algorithm(line: &mut Line, row: &Row, info: &TcpInfo, _: bool) {
    let name = padded(&row.inet.congestion);
    if !name.is_empty() {
        line.raw(b" ").escaped(name);
    }
    if info.options & TcpInfo::WSCALE != 0 {
        line.raw(b" wscale:").number(u64::from(info.snd_wscale()));
        line.raw(b",").number(u64::from(info.rcv_wscale()));
    }
}

fn round_trip(line: &mut Line, _: &Row, info: &TcpInfo, _: bool) {
    if info.rtt_us != 0 {
        time(line, " rtt:", info.rtt_us);
        line.raw(b"/");
        milliseconds(line, info.rttvar_us);
    }
}

fn congestion(line: &mut Line, row: &Row, _: &TcpInfo, numeric: bool) {
    match &row.inet.congestion_info {
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

fn sending(line: &mut Line, row: &Row, info: &TcpInfo, numeric: bool) {
    if let Some(rate) = send_rate(row, info) {
        line.raw(b" send ");
        bandwidth(line, rate, numeric);
    }
}

fn rates(line: &mut Line, _: &Row, info: &TcpInfo, numeric: bool) {
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
}

/// What held up sending.
fn limits(line: &mut Line, _: &Row, info: &TcpInfo, _: bool) {
    if info.app_limited() {
        line.raw(b" app_limited");
    }
    if info.busy_time_us == 0 {
        return;
    }
    let busy = info.busy_time_us / 1000;
    line.raw(b" busy:").number(busy).raw(b"ms");
    let parts = [
        (" rwnd_limited:", info.rwnd_limited_us),
        (" sndbuf_limited:", info.sndbuf_limited_us),
    ];
    for (name, us) in parts.into_iter().filter(|(_, us)| *us != 0) {
        line.raw(name.as_bytes()).number(us / 1000);
        let share = 100.0 * (bits(us) / bits(info.busy_time_us));
        line.raw(format!("ms({share:.1}%)").as_bytes());
    }
}

fn sent_again(line: &mut Line, _: &Row, info: &TcpInfo, _: bool) {
    if info.retrans != 0 || info.total_retrans != 0 {
        line.raw(b" retrans:").number(u64::from(info.retrans));
        line.raw(b"/").number(u64::from(info.total_retrans));
    }
}

/// Of a listener it is the limit of its queue.
fn sacked(line: &mut Line, row: &Row, info: &TcpInfo, _: bool) {
    if row.state != State::LISTEN {
        figure(line, " sacked:", info.sacked.into());
    }
}

fn reordering(line: &mut Line, _: &Row, info: &TcpInfo, _: bool) {
    if info.reordering != USUAL_REORDERING {
        line.raw(b" reordering:").number(u64::from(info.reordering));
    }
}

fn backlog(line: &mut Line, row: &Row, _: &TcpInfo, _: bool) {
    if let Some((used, Some(allowed))) = row.backlog() {
        line.raw(b" backlog:").number(u64::from(used));
        line.raw(b"/").number(u64::from(allowed));
    }
}

/// A NUL-padded name.
pub fn padded(name: &[u8; 16]) -> &[u8] {
    let end = name.iter().position(|byte| *byte == 0);
    &name[..end.unwrap_or(name.len())]
}
