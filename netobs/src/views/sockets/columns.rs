//! Columns that the user chooses: `--columns local,remote,rtt,retrans,comm`.

use super::{
    Shown,
    address::{local_address, local_port, remote_address, remote_port},
    details,
    figures::{bandwidth, bits, milliseconds},
    layout::{Align, Layout},
    names::SocketNames,
    tcp,
};
use crate::{line::Line, socket::TcpInfo};

type Write = fn(&mut Line, &Shown<'_>, &mut SocketNames);

struct Column {
    name: &'static str,
    write: Write,
}

/// Chosen columns, in the order chosen.
pub struct Columns {
    chosen: Vec<&'static Column>,
    line: Line,
    ends: Vec<usize>,
    pub layout: Layout,
}

const fn column(name: &'static str, write: Write) -> Column {
    Column { name, write }
}

const ALL: [Column; 52] = [
    column("netid", |l, s, _| _ = l.raw(s.row.table.name().as_bytes())),
    column("state", |l, s, _| {
        _ = l.raw(s.row.state.name_in(s.row.table).as_bytes());
    }),
    column("recvq", |l, s, _| number(l, s.row.recvq)),
    column("sendq", |l, s, _| number(l, s.row.sendq)),
    column("local", |l, s, n| {
        local_address(l, s.row, n);
        local_port(l, s.row, n, None);
    }),
    column("remote", |l, s, n| {
        remote_address(l, s.row, n);
        remote_port(l, s.row, n);
    }),
    column("laddr", |l, s, _| ip(l, s, s.row.local.ip)),
    column("lport", |l, s, n| local_port(l, s.row, n, None)),
    column("raddr", |l, s, _| ip(l, s, s.row.remote.ip)),
    column("rport", |l, s, n| remote_port(l, s.row, n)),
    column("pid", |l, s, _| {
        each(l, s, |l, h| _ = l.number(u64::from(h.pid)));
    }),
    column("comm", |l, s, _| {
        each(l, s, |l, h| _ = l.escaped(h.comm.bytes()));
    }),
    column("fd", |l, s, _| {
        each(l, s, |l, h| _ = l.number(u64::from(h.fd)));
    }),
    column("cmd", |l, s, n| {
        if let Some(command) = s.holders.first().and_then(|h| n.users.command(h.pid)) {
            l.escaped(command.as_bytes());
        }
    }),
    column("uid", |l, s, _| option(l, s.row.uid)),
    column("user", |l, s, n| {
        if let Some(uid) = s.row.uid {
            l.escaped(n.users.name(uid).as_bytes());
        }
    }),
    column("inode", |l, s, _| number(l, s.row.inode)),
    column("cookie", |l, s, _| option(l, s.row.cookie)),
    column("netns", |l, s, _| match s.netns {
        Some(name) => _ = l.escaped(name.as_bytes()),
        None => number(l, s.row.netns),
    }),
    column("container", |l, s, _| {
        text(l, s.about.and_then(|a| a.container.as_deref()));
    }),
    column("pod", |l, s, _| {
        text(l, s.about.and_then(|a| a.pod.as_deref()));
    }),
    column("cgroup", |l, s, _| {
        text(l, s.about.and_then(|a| a.cgroup.as_deref()));
    }),
    column("ifname", |l, s, n| {
        if s.row.ifindex != 0 {
            l.escaped(n.interface(s.row.netns, s.row.ifindex).as_bytes());
        }
    }),
    column("mark", |l, s, _| option(l, s.row.mark)),
    column("timer", |l, s, _| details::timer(l, s.row)),
    column("backlog", |l, s, _| {
        if let Some((used, allowed)) = s.row.backlog() {
            number(l, used);
            l.raw(b"/");
            match allowed {
                Some(allowed) => number(l, allowed),
                None => _ = l.raw(b"?"),
            }
        }
    }),
    column("rtt", |l, s, _| time(l, s, |t| t.rtt_us)),
    column("rttvar", |l, s, _| time(l, s, |t| t.rttvar_us)),
    column("minrtt", |l, s, _| time(l, s, |t| t.min_rtt_us)),
    column("rto", |l, s, _| time(l, s, |t| t.rto_us)),
    column("cwnd", |l, s, _| info(l, s, |t| t.snd_cwnd.into())),
    column("ssthresh", |l, s, _| info(l, s, |t| t.snd_ssthresh.into())),
    column("mss", |l, s, _| info(l, s, |t| t.snd_mss.into())),
    column("retrans", |l, s, _| info(l, s, |t| t.total_retrans.into())),
    column("lost", |l, s, _| info(l, s, |t| t.lost.into())),
    column("unacked", |l, s, _| info(l, s, |t| t.unacked.into())),
    column("reordering", |l, s, _| info(l, s, |t| t.reordering.into())),
    column("sent", |l, s, _| info(l, s, |t| t.bytes_sent)),
    column("acked", |l, s, _| info(l, s, |t| t.bytes_acked)),
    column("received", |l, s, _| info(l, s, |t| t.bytes_received)),
    column("delivery", |l, s, n| rate(l, s, n, |t| t.delivery_rate)),
    column("pacing", |l, s, n| rate(l, s, n, |t| t.pacing_rate)),
    column("cong", |l, s, _| {
        _ = l.escaped(tcp::padded(&s.row.inet.congestion));
    }),
    column("busy", |l, s, _| info(l, s, |t| t.busy_time_us / 1000)),
    column("rwnd_limited", |l, s, _| {
        info(l, s, |t| t.rwnd_limited_us / 1000);
    }),
    column("sndbuf_limited", |l, s, _| {
        info(l, s, |t| t.sndbuf_limited_us / 1000);
    }),
    column("app_limited", |l, s, _| {
        info(l, s, |t| t.app_limited().into());
    }),
    column("rmem", |l, s, _| option(l, s.row.memory.map(|m| m.rmem))),
    column("wmem", |l, s, _| option(l, s.row.memory.map(|m| m.queued))),
    column("drops", |l, s, _| {
        option(l, s.row.memory.and_then(|m| m.drops));
    }),
    column("tx", |l, s, n| {
        growth(l, n, s.change.and_then(|c| c.tx_rate));
    }),
    column("rx", |l, s, n| {
        growth(l, n, s.change.and_then(|c| c.rx_rate));
    }),
];

/// What a choice of columns asks of the source and of the surroundings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent needs")]
pub struct Needs {
    pub info: bool,
    pub memory: bool,
    pub holders: bool,
    pub about: bool,
}

impl Columns {
    /// A list of names with commas; an error says which is unknown.
    pub fn new(list: &str, header: bool) -> Result<Self, String> {
        let mut chosen = Vec::new();
        for name in list.split(',').map(str::trim) {
            if let Some(column) = ALL.iter().find(|column| column.name == name) {
                chosen.push(column);
            } else {
                let names: Vec<_> = ALL.iter().map(|column| column.name).collect();
                return Err(format!(
                    "no column '{name}': columns are {}",
                    names.join(" ")
                ));
            }
        }
        let mut columns = Self {
            layout: Layout::new(chosen.iter().map(|_| (Align::Left, 0))),
            chosen,
            line: Line::default(),
            ends: Vec::new(),
        };
        if header {
            columns.head();
        }
        Ok(columns)
    }

    pub fn needs(&self) -> Needs {
        const MEMORY: [&str; 3] = ["rmem", "wmem", "drops"];
        const HOLDERS: [&str; 4] = ["pid", "comm", "fd", "cmd"];
        const ABOUT: [&str; 3] = ["container", "pod", "cgroup"];
        let first_info = ALL.iter().position(|column| column.name == "rtt");
        let infos = &ALL[first_info.unwrap_or(0)..];
        let has = |names: &[&str]| {
            self.chosen
                .iter()
                .any(|column| names.contains(&column.name))
        };
        let info = infos.iter().filter(|column| !MEMORY.contains(&column.name));
        Needs {
            info: info.into_iter().any(|column| has(&[column.name])),
            memory: has(&MEMORY),
            holders: has(&HOLDERS) || has(&ABOUT),
            about: has(&ABOUT),
        }
    }

    pub fn head(&mut self) {
        self.line.clear();
        self.ends.clear();
        for column in &self.chosen {
            self.line.raw(column.name.to_ascii_uppercase().as_bytes());
            self.ends.push(self.line.as_bytes().len());
        }
        self.push();
    }

    /// Writes a row, to be pushed or kept.
    pub fn render(&mut self, shown: &Shown<'_>, names: &mut SocketNames) {
        self.line.clear();
        self.line.begin();
        self.ends.clear();
        for column in &self.chosen {
            let before = self.line.as_bytes().len();
            (column.write)(&mut self.line, shown, names);
            if self.line.as_bytes().len() == before {
                self.line.raw(b"-"); // an empty cell would be no word to awk
            }
            self.ends.push(self.line.as_bytes().len());
        }
    }

    /// Sends the row that was written last on its way.
    pub fn push(&mut self) {
        self.layout.row(self.line.as_bytes(), &self.ends);
    }

    /// The row that was written last: its bytes, and where its cells end.
    pub fn line(&self) -> &[u8] {
        self.line.as_bytes()
    }

    pub fn ends(&self) -> &[usize] {
        &self.ends
    }
}

fn number(line: &mut Line, value: u32) {
    line.number(u64::from(value));
}

fn option(line: &mut Line, value: Option<impl Into<u64>>) {
    if let Some(value) = value {
        line.number(value.into());
    }
}

fn text(line: &mut Line, value: Option<&str>) {
    if let Some(value) = value {
        line.escaped(value.as_bytes());
    }
}

fn ip(line: &mut Line, shown: &Shown<'_>, ip: std::net::IpAddr) {
    if shown.row.is_inet() {
        line.ip(ip);
    }
}

fn each(line: &mut Line, shown: &Shown<'_>, write: impl Fn(&mut Line, &crate::socket::Holder)) {
    for (place, holder) in shown.holders.iter().enumerate() {
        if place > 0 {
            line.raw(b",");
        }
        write(line, holder);
    }
}

fn info(line: &mut Line, shown: &Shown<'_>, value: impl Fn(&TcpInfo) -> u64) {
    if let Some(info) = &shown.row.tcp {
        line.number(value(info));
    }
}

fn time(line: &mut Line, shown: &Shown<'_>, value: impl Fn(&TcpInfo) -> u32) {
    let told = shown.row.tcp.as_ref().map(value);
    if let Some(us) = told.filter(|us| *us != u32::MAX && *us != 0) {
        milliseconds(line, us);
        line.raw(b"ms");
    }
}

fn rate(line: &mut Line, shown: &Shown<'_>, names: &SocketNames, value: impl Fn(&TcpInfo) -> u64) {
    let told = shown.row.tcp.as_ref().map(value);
    if let Some(bytes) = told.filter(|bytes| *bytes != u64::MAX && *bytes != 0) {
        bandwidth(line, bits(bytes), names.numeric);
    }
}

fn growth(line: &mut Line, names: &SocketNames, rate: Option<f64>) {
    if let Some(rate) = rate {
        bandwidth(line, rate * 8.0, names.numeric);
    }
}
