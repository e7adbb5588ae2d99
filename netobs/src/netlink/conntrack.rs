//! Connection tracking: the entries, and how full the table is.

use super::{
    attrs::{Attr, behind},
    families::family_name,
    names::{bits, ip_protocol, named},
    socket::{Error, NETFILTER, Request, Socket},
};
use serde::Serialize;
use std::net::IpAddr;

/// `NFNL_SUBSYS_CTNETLINK`, in the upper byte.
const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const GET_STATS_CPU: u16 = SUBSYSTEM | 4;
const GET_STATS: u16 = SUBSYSTEM | 5;
/// `struct nfgenmsg`.
const HEADER: usize = 4;

/// A tracked connection.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Entry {
    pub family: &'static str,
    pub proto: String,
    /// Of TCP, SCTP and DCCP.
    pub state: Option<String>,
    pub saddr: Option<IpAddr>,
    pub sport: Option<u16>,
    pub daddr: Option<IpAddr>,
    pub dport: Option<u16>,
    /// Where answers come from and go to: differs from the above when addresses are translated.
    pub reply_saddr: Option<IpAddr>,
    pub reply_sport: Option<u16>,
    pub reply_daddr: Option<IpAddr>,
    pub reply_dport: Option<u16>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    pub icmp_id: Option<u16>,
    /// Null where `nf_conntrack_acct` is off.
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
    pub reply_packets: Option<u64>,
    pub reply_bytes: Option<u64>,
    /// Seconds until it goes.
    pub timeout_s: Option<u32>,
    /// `snat`, `dnat`, `snat,dnat`.
    pub nat: Option<&'static str>,
    pub status: Vec<String>,
    pub mark: Option<u32>,
    pub zone: Option<u16>,
    pub helper: Option<String>,
    pub id: Option<u32>,
}

/// How full the table is, and what the kernel did about it since boot.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Fill {
    pub entries: u64,
    /// `nf_conntrack_max`; null where the kernel does not tell (before 4.18).
    pub max: Option<u64>,
    /// Share of the table in use.
    pub used_pct: Option<f64>,
    /// Packets dropped because the table was full, or an entry could not be made.
    pub drop: u64,
    /// Living entries given up to make room.
    pub early_drop: u64,
    pub insert_failed: u64,
    /// Packets that could not be tracked.
    pub invalid: u64,
    pub error: u64,
}

/// Hands every entry to `take`, as the kernel lists them: the table may be large.
pub fn each(socket: &mut Socket, mut take: impl FnMut(Entry)) -> Result<(), Error> {
    let request = Request::dump("list the tracked connections", GET, &[0; HEADER]);
    socket
        .each(&request, |_, payload| {
            if let Some(entry) = decode(payload) {
                take(entry);
            }
        })
        .map(drop)
}

pub fn fill() -> Result<Fill, Error> {
    let mut socket = Socket::open(NETFILTER)?;
    let mut fill = Fill::default();
    let request = Request::get(
        "ask how full connection tracking is",
        GET_STATS,
        &[0; HEADER],
    );
    let answer = socket.one(&request)?.unwrap_or_default();
    for attr in behind(&answer, HEADER) {
        match attr.kind {
            1 => fill.entries = attr.be32().map_or(0, u64::from),
            2 => fill.max = attr.be32().map(u64::from),
            _ => {}
        }
    }
    fill.used_pct = fill
        .max
        .filter(|max| *max > 0)
        .map(|max| percent(fill.entries, max));
    let request = Request::dump(
        "ask for the counters of connection tracking",
        GET_STATS_CPU,
        &[0; HEADER],
    );
    socket.each(&request, |_, payload| {
        for attr in behind(payload, HEADER) {
            let count = attr.be32().map_or(0, u64::from);
            match attr.kind {
                4 => fill.invalid += count,
                9 => fill.insert_failed += count,
                10 => fill.drop += count,
                11 => fill.early_drop += count,
                12 => fill.error += count,
                _ => {}
            }
        }
    })?;
    Ok(fill)
}

/// Two digits are enough for people and programs.
#[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
pub fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 * 10_000.0 / whole as f64).round() / 100.0
}

const STATUS: [(u32, &str); 15] = [
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
    (64, "seq-adjust"),
    (128, "snat-done"),
    (256, "dnat-done"),
    (512, "dying"),
    (1024, "fixed-timeout"),
    (2048, "template"),
    (4096, "untracked"),
    (8192, "helper"),
    (16384, "offload"),
];

const TCP: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

const SCTP: [&str; 10] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
    "HEARTBEAT_ACKED",
];

const DCCP: [&str; 10] = [
    "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",
    "INVALID",
];

fn decode(payload: &[u8]) -> Option<Entry> {
    let mut entry = Entry {
        family: family_name(*payload.first()?)?,
        ..Entry::default()
    };
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => original(&mut entry, attr),
            2 => {
                let tuple = Tuple::of(attr);
                (entry.reply_saddr, entry.reply_daddr) = (tuple.source, tuple.destination);
                (entry.reply_sport, entry.reply_dport) =
                    (tuple.source_port, tuple.destination_port);
            }
            3 => status(&mut entry, attr.be32().unwrap_or(0)),
            4 => entry.state = state(attr),
            9 => (entry.packets, entry.bytes) = counters(attr),
            10 => (entry.reply_packets, entry.reply_bytes) = counters(attr),
            _ => rest(&mut entry, attr),
        }
    }
    Some(entry)
}

fn rest(entry: &mut Entry, attr: Attr<'_>) {
    match attr.kind {
        5 => entry.helper = attr.find(1).map(Attr::text),
        7 => entry.timeout_s = attr.be32(),
        8 => entry.mark = attr.be32(),
        12 => entry.id = attr.be32(),
        18 => entry.zone = attr.be16(),
        _ => {}
    }
}

fn original(entry: &mut Entry, attr: Attr<'_>) {
    let tuple = Tuple::of(attr);
    entry.proto = ip_protocol(tuple.protocol);
    (entry.saddr, entry.daddr) = (tuple.source, tuple.destination);
    (entry.sport, entry.dport) = (tuple.source_port, tuple.destination_port);
    (entry.icmp_type, entry.icmp_code, entry.icmp_id) =
        (tuple.icmp_type, tuple.icmp_code, tuple.icmp_id);
}

fn status(entry: &mut Entry, set: u32) {
    entry.status = bits(&STATUS, set);
    entry.nat = match (set & 16 != 0, set & 32 != 0) {
        (true, true) => Some("snat,dnat"),
        (true, false) => Some("snat"),
        (false, true) => Some("dnat"),
        (false, false) => None,
    };
}

fn state(attr: Attr<'_>) -> Option<String> {
    let inner = attr.nested().next()?;
    let number = inner.find(1)?.u8()?;
    match inner.kind {
        1 => Some(named(&TCP, number)),
        2 => Some(named(&DCCP, number)),
        3 => Some(named(&SCTP, number)),
        _ => None,
    }
}

fn counters(attr: Attr<'_>) -> (Option<u64>, Option<u64>) {
    let count = |kind| attr.find(kind).and_then(Attr::be64);
    (count(1), count(2))
}

/// One direction.
#[derive(Default)]
struct Tuple {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: u8,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    icmp_id: Option<u16>,
}

impl Tuple {
    fn of(attr: Attr<'_>) -> Self {
        let mut tuple = Self::default();
        for part in attr.nested() {
            for field in part.nested() {
                match part.kind {
                    1 => tuple.address(field),
                    2 => tuple.field(field),
                    _ => {}
                }
            }
        }
        tuple
    }

    fn address(&mut self, field: Attr<'_>) {
        match field.kind {
            1 | 3 => self.source = field.ip(),
            2 | 4 => self.destination = field.ip(),
            _ => {}
        }
    }

    fn field(&mut self, field: Attr<'_>) {
        match field.kind {
            1 => self.protocol = field.u8().unwrap_or(0),
            2 => self.source_port = field.be16(),
            3 => self.destination_port = field.be16(),
            4 | 7 => self.icmp_id = field.be16(),
            5 | 8 => self.icmp_type = field.u8(),
            6 | 9 => self.icmp_code = field.u8(),
            _ => {}
        }
    }
}
