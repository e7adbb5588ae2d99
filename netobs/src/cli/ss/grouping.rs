//! Sockets counted by what they have in common.

use super::{End, args::Ss, output::Output};
use crate::{
    fields::Fields,
    line::Line,
    socket::State,
    views::sockets::{Align, Layout, Shown, SocketNames, milliseconds},
};
use std::collections::HashMap;

/// Groups that are told apart; more are counted together.
const MOST: usize = 100_000;

/// What sockets may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    Comm,
    Remote,
    State,
    Container,
    Netns,
    User,
}

impl By {
    pub fn needs_holders(self) -> bool {
        matches!(self, Self::Comm | Self::Container)
    }

    pub fn needs_about(self) -> bool {
        self == Self::Container
    }

    fn name(self) -> &'static str {
        match self {
            Self::Comm => "comm",
            Self::Remote => "remote",
            Self::State => "state",
            Self::Container => "container",
            Self::Netns => "netns",
            Self::User => "user",
        }
    }

    fn key(self, shown: &Shown<'_>, names: &mut SocketNames) -> String {
        let none = || "-".to_owned();
        let row = shown.row;
        match self {
            Self::Comm => shown.holders.first().map_or_else(none, |holder| {
                String::from_utf8_lossy(holder.comm.bytes()).into_owned()
            }),
            Self::Remote if row.is_inet() => match names.host(row.remote.ip) {
                Some(host) => host.to_owned(),
                None => row.remote.ip.to_canonical().to_string(),
            },
            Self::Remote => none(),
            Self::State => row.state.name_in(row.table).to_owned(),
            Self::Container => {
                let container = shown.about.and_then(|about| about.container.as_deref());
                container.map_or_else(none, str::to_owned)
            }
            Self::Netns => shown
                .netns
                .map_or_else(|| row.netns.to_string(), str::to_owned),
            Self::User => row
                .uid
                .map_or_else(none, |uid| names.users.name(uid).to_owned()),
        }
    }
}

#[derive(Default)]
struct Group {
    sockets: u64,
    established: u64,
    recvq: u64,
    sendq: u64,
    tx_bytes: u64,
    rx_bytes: u64,
    retrans: u64,
    rtt_us: u64,
    with_rtt: u64,
}

impl Group {
    fn mean_rtt_us(&self) -> Option<u64> {
        self.rtt_us.checked_div(self.with_rtt)
    }
}

pub struct Groups {
    by: By,
    groups: HashMap<String, Group>,
}

impl Groups {
    pub fn new(by: By) -> Self {
        Self {
            by,
            groups: HashMap::new(),
        }
    }

    pub fn add(&mut self, shown: &Shown<'_>, names: &mut SocketNames) {
        let mut key = self.by.key(shown, names);
        if self.groups.len() >= MOST && !self.groups.contains_key(&key) {
            "(others)".clone_into(&mut key);
        }
        let group = self.groups.entry(key).or_default();
        let row = shown.row;
        group.sockets += 1;
        group.established += u64::from(row.state == State::ESTABLISHED);
        if row.state != State::LISTEN {
            group.recvq += u64::from(row.recvq);
            group.sendq += u64::from(row.sendq);
        }
        if let Some(tcp) = &row.tcp {
            group.tx_bytes += tcp.bytes_sent;
            group.rx_bytes += tcp.bytes_received;
            group.retrans += u64::from(tcp.total_retrans);
            if tcp.rtt_us != 0 {
                group.rtt_us += u64::from(tcp.rtt_us);
                group.with_rtt += 1;
            }
        }
    }

    /// Largest groups first.
    pub fn write(self, args: &Ss, output: &mut Output) -> Result<(), End> {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        groups.sort_by(|(a, x), (b, y)| y.sockets.cmp(&x.sockets).then_with(|| a.cmp(b)));
        let bytes = if args.json {
            let ts = output.ts().to_vec();
            json(self.by, &groups, &ts)
        } else {
            text(self.by, &groups, !args.no_header)
        };
        output.replace(&bytes)
    }
}

fn json(by: By, groups: &[(String, Group)], ts: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, group) in groups {
        let mut fields = Fields::begin(&mut out);
        fields.bytes("ts", ts);
        fields.str("event", "socket-group");
        fields.str("by", by.name());
        fields.str("key", key);
        fields.num("sockets", group.sockets);
        fields.num("established", group.established);
        fields.num("recvq", group.recvq);
        fields.num("sendq", group.sendq);
        fields.num("tx_bytes", group.tx_bytes);
        fields.num("rx_bytes", group.rx_bytes);
        fields.num("retrans_total", group.retrans);
        fields.opt("rtt_us", group.mean_rtt_us());
        fields.end();
    }
    out
}

fn text(by: By, groups: &[(String, Group)], header: bool) -> Vec<u8> {
    const NAMES: [&str; 8] = [
        "SOCKETS", "ESTAB", "RECVQ", "SENDQ", "SENT", "RECEIVED", "RETRANS", "RTT",
    ];
    let mut columns = vec![(Align::Left, 0)];
    columns.extend([(Align::Right, 0)].repeat(NAMES.len()));
    let mut layout = Layout::new(columns);
    let (mut line, mut ends) = (Line::default(), Vec::new());
    if header {
        line.raw(by.name().to_ascii_uppercase().as_bytes());
        ends.push(line.as_bytes().len());
        for name in NAMES {
            line.raw(name.as_bytes());
            ends.push(line.as_bytes().len());
        }
        layout.row(line.as_bytes(), &ends);
    }
    for (key, group) in groups {
        line.clear();
        ends.clear();
        line.escaped(key.as_bytes());
        ends.push(line.as_bytes().len());
        for value in [group.sockets, group.established, group.recvq, group.sendq] {
            line.number(value);
            ends.push(line.as_bytes().len());
        }
        for value in [group.tx_bytes, group.rx_bytes] {
            line.bytes(value);
            ends.push(line.as_bytes().len());
        }
        line.number(group.retrans);
        ends.push(line.as_bytes().len());
        match group.mean_rtt_us().and_then(|us| u32::try_from(us).ok()) {
            Some(us) => {
                milliseconds(&mut line, us);
                line.raw(b"ms");
            }
            None => _ = line.raw(b"-"),
        }
        ends.push(line.as_bytes().len());
        layout.row(line.as_bytes(), &ends);
    }
    layout.release();
    layout.out
}
