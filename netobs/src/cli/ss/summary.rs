//! `-s`: how many sockets, by the kernel's own counters.

use super::args::Ss;
use crate::{
    cli::{Failure, Status},
    clock,
    fields::Fields,
    netns::{self, Netns},
    sinks::stream::{SinkError, Stdout},
    sockets::summary::Summary,
    views::time::Clock,
    wall::Wall,
};
use std::fmt::Write as _;

/// For our own namespace, a named one or all.
pub fn show(args: &Ss) -> Result<(), Failure> {
    let mut out = String::new();
    for (netns, summary) in read(args)? {
        if args.json {
            json(&mut out, &netns, &summary);
        } else {
            if args.all_netns {
                writeln!(out, "netns {}", netns.label())?;
            }
            text(&mut out, &summary)?;
        }
    }
    match Stdout.write(out.as_bytes()) {
        Ok(()) | Err(SinkError::Closed) => Ok(()),
        Err(error @ SinkError::Io(_)) => Err(error.into()),
    }
}

fn read(args: &Ss) -> Result<Vec<(Netns, Summary)>, Failure> {
    let missing = |error: netns::NetnsError| Failure::new(Status::Missing, error.to_string());
    if args.all_netns {
        let machine = netns::machine().map_err(missing)?;
        let with_summary = |netns: Netns| {
            let summary = netns.run(Summary::read).ok()?.ok()?;
            Some((netns, summary))
        };
        return Ok(machine.found.into_iter().filter_map(with_summary).collect());
    }
    let (netns, summary) = match &args.netns {
        Some(which) => {
            let netns = Netns::find(which).map_err(missing)?;
            let summary = netns.run(Summary::read).map_err(missing)?;
            (netns, summary)
        }
        None => (Netns::own().map_err(missing)?, Summary::read()),
    };
    let summary = summary.map_err(|error| {
        Failure::new(Status::Other, format!("read /proc/net/sockstat: {error}"))
    })?;
    Ok(vec![(netns, summary)])
}

fn text(out: &mut String, s: &Summary) -> Result<(), std::fmt::Error> {
    writeln!(out, "Total: {}", s.total)?;
    writeln!(
        out,
        "TCP:   {} (estab {}, closed {}, orphaned {}, timewait {})\n",
        s.tcp_total + s.tcp_timewait,
        s.tcp_established,
        s.tcp_closed(),
        s.tcp_orphaned,
        s.tcp_timewait
    )?;
    writeln!(out, "Transport Total     IP        IPv6")?;
    let inet = (s.raw4 + s.udp4 + s.tcp4, s.raw6 + s.udp6 + s.tcp6);
    let rows = [
        ("RAW", (s.raw4, s.raw6)),
        ("UDP", (s.udp4, s.udp6)),
        ("TCP", (s.tcp4, s.tcp6)),
        ("INET", inet),
        ("FRAG", (s.frag4, s.frag6)),
    ];
    for (name, (four, six)) in rows {
        writeln!(out, "{name}\t  {:<9} {four:<9} {six:<9}", four + six)?;
    }
    if s.udplite4 + s.udplite6 > 0 {
        let (four, six) = (s.udplite4, s.udplite6);
        writeln!(out, "UDPLITE   {:<9} {four:<9} {six:<9}", four + six)?;
    }
    out.push('\n');
    Ok(())
}

fn json(out: &mut String, netns: &Netns, s: &Summary) {
    let mut clock = Clock::new(Wall::start(), jiff::tz::TimeZone::UTC);
    let (mut bytes, mut ts) = (Vec::new(), Vec::new());
    clock.push_utc(&mut ts, clock::mono());
    let mut fields = Fields::begin(&mut bytes);
    fields.bytes("ts", &ts);
    fields.str("event", "socket-summary");
    fields.num("netns", u64::from(netns.inode()));
    let figures = [
        ("sockets", s.total),
        ("tcp", s.tcp_total + s.tcp_timewait),
        ("tcp_established", s.tcp_established),
        ("tcp_orphaned", s.tcp_orphaned),
        ("tcp_timewait", s.tcp_timewait),
        ("tcp_memory_pages", s.tcp_memory),
        ("tcp4", s.tcp4),
        ("tcp6", s.tcp6),
        ("udp4", s.udp4),
        ("udp6", s.udp6),
        ("udplite4", s.udplite4),
        ("udplite6", s.udplite6),
        ("raw4", s.raw4),
        ("raw6", s.raw6),
        ("frag4", s.frag4),
        ("frag6", s.frag6),
    ];
    for (key, value) in figures {
        fields.num(key, value);
    }
    fields.end();
    out.push_str(&String::from_utf8_lossy(&bytes));
}
