//! `netobs scan`: many ports at once, in nmap's words.

use super::{
    Failure, Status,
    probe::{self, Choice, Common, From, broken, out::Out, seconds},
};
use crate::{
    clock,
    event::Mono,
    probes::{
        engine::{Engine, Options, connect::Connect, dual::Dual},
        net::{Event, Proto},
        port::{self, Plan, Port, State},
        resolve::Config,
        run::{self, Asked, Broken, Run, Signals},
        trace::Step,
    },
    sinks::stream::{SinkError, tell},
    views::probes::{
        ping::{ignored, ignored_line},
        port as view,
    },
};
use clap::Args;
use serde_json::json;
use std::net::IpAddr;

#[derive(Args)]
pub struct Scan {
    /// Hosts by name or address
    #[arg(required = true, value_name = "HOST")]
    hosts: Vec<String>,

    /// Ports and ranges: 22,80,443,8000-8100
    #[arg(short, long, value_name = "PORTS", value_parser = ports, default_value = "1-1024")]
    ports: Ports,

    /// UDP instead of TCP
    #[arg(short, long)]
    udp: bool,

    /// Whole handshakes, as everybody may; what happens anyway without `CAP_NET_RAW`
    #[arg(long, conflicts_with = "udp")]
    connect: bool,

    /// Most probes a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,

    /// Most probes in flight
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..=800))]
    at_once: u16,

    /// Probes of a silent port beyond the first
    #[arg(long, value_name = "N", default_value_t = 1)]
    retries: u8,

    /// Longest wait for an answer; what the host shows makes it shorter
    #[arg(short, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    wait: u64,

    /// Every port, also where very many are alike
    #[arg(short, long)]
    all: bool,

    /// Source address, or interface
    #[arg(short = 'I', value_name = "ADDR|IFACE")]
    interface: Option<String>,

    /// Source address
    #[arg(short = 'S', value_name = "ADDR")]
    source: Option<IpAddr>,

    #[command(flatten)]
    common: Common,
}

/// Ports in order, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ports(Vec<u16>);

fn ports(text: &str) -> Result<Ports, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (from, to) = match part.split_once('-') {
            Some(("", "")) => ("1", "65535"),
            Some((from, to)) => (from, to),
            None => (part, part),
        };
        let port = |text: &str| {
            let port = text.trim().parse::<u16>().ok().filter(|port| *port > 0);
            port.ok_or_else(|| format!("'{text}' is no port from 1 to 65535"))
        };
        let (from, to) = (port(from)?, port(to)?);
        if from > to {
            return Err(format!("'{part}' runs backwards: {to}-{from}"));
        }
        all.extend(from..=to);
    }
    all.sort_unstable();
    all.dedup();
    Ok(Ports(all))
}

/// Ports alike beyond which they are counted, not listed (as nmap does).
const ALIKE: usize = 25;
/// What Linux and many others answer without falling behind.
const RATE: u64 = 50_000;
/// UDP: closed ports are told by ICMP errors, which hosts limit.
const UDP_RATE: u64 = 2_000;

pub fn run(args: &Scan) -> Result<Status, Failure> {
    probe::inside(&args.common, |signals, config| scan(args, signals, config))
}

fn scan(args: &Scan, signals: &Signals, config: &Config) -> Result<Status, Failure> {
    let mut targets = Vec::new();
    for host in &args.hosts {
        let resolved = probe::look_up(host, args.common.family(), config)?;
        probe::tell_addresses(&resolved);
        targets.push(resolved.addresses[0].ip);
    }
    let proto = if args.udp { Proto::Udp } else { Proto::Tcp };
    let mut options = args
        .common
        .options(From::new(args.interface.as_deref(), args.source), false);
    options.stamp_sending = false;
    let (engine, sport) = engine(args, &targets, proto, &options)?;
    let plan = Plan {
        targets,
        ports: args.ports.0.clone(),
        proto,
        sport,
        token: probe::token(),
        payload: 2,
        retries: args.retries,
        rate: args.rate.unwrap_or(if args.udp { UDP_RATE } else { RATE }),
        at_once: usize::from(args.at_once),
        wait_ns: args.wait,
    };
    let scanning = Scanning {
        scan: port::Scan::new(plan),
        json: args.common.json,
        out: Out::default(),
    };
    finish(args, scanning, engine, signals)
}

/// SYNs where we may send them, whole handshakes else.
fn engine(
    args: &Scan,
    targets: &[IpAddr],
    proto: Proto,
    options: &Options,
) -> Result<(Box<dyn Engine>, u16), Failure> {
    let ports = probe::ports(0);
    let sport = *ports.start();
    let wanted = probe::Plan {
        targets,
        proto,
        ports,
    };
    if !args.connect {
        match probe::open(&wanted, options, args.common.engine) {
            Err(failure)
                if failure.status == Status::Missing
                    && args.common.engine == Choice::Auto
                    && !args.udp => {}
            other => return other,
        }
    }
    let has = |v4: bool| targets.iter().any(|addr| addr.is_ipv4() == v4);
    let connect =
        |v4: bool| has(v4).then(|| Box::new(Connect::open(v4, options)) as Box<dyn Engine>);
    let dual = Dual {
        v4: connect(true),
        v6: connect(false),
    };
    Ok((Box::new(dual), sport))
}

struct Scanning {
    scan: port::Scan,
    json: bool,
    out: Out,
}

impl Run for Scanning {
    type Error = SinkError;

    fn step(&mut self, now: Mono) -> Step {
        self.scan.step(now)
    }

    fn on(&mut self, event: &Event) {
        self.scan.on(event);
    }

    fn show(&mut self, _: Mono) -> Result<(), SinkError> {
        while let Some(port) = self.scan.told() {
            if self.json {
                self.out.json(&view::object(&port, self.scan.plan().proto));
            }
        }
        self.out.flush()
    }

    fn asked(&mut self, asked: Asked) -> Result<bool, SinkError> {
        Ok(asked != Asked::Quit)
    }
}

fn finish(
    args: &Scan,
    mut scanning: Scanning,
    mut engine: Box<dyn Engine>,
    signals: &Signals,
) -> Result<Status, Failure> {
    let begun = clock::mono();
    if let Err(why) = run::run(engine.as_mut(), signals, &mut scanning) {
        broken(why)?;
    }
    let took_ms = clock::mono().0.saturating_sub(begun.0) / 1_000_000;
    let ports: Vec<Port> = scanning.scan.results().cloned().collect();
    let mut odd = engine.odd();
    odd.foreign += scanning.scan.foreign;
    let open = ports
        .iter()
        .filter(|port| port.state == State::Open)
        .count();
    if args.common.json {
        let states = [
            State::Open,
            State::Closed,
            State::Filtered,
            State::OpenFiltered,
            State::Unreachable,
        ];
        let count = |state: &State| ports.iter().filter(|port| port.state == *state).count();
        let counts: serde_json::Map<_, _> = states
            .iter()
            .map(|s| (s.name().to_owned(), json!(count(s))))
            .collect();
        scanning.out.json(&json!({
            "event": "summary", "ports": ports.len(), "states": counts, "sent": scanning.scan.sent, "time_ms": took_ms,
            "engine": engine.name(), "ignored": ignored(odd),
        }));
    } else {
        table(args, &mut scanning, &ports);
        let sent = scanning.scan.sent;
        let line = format!(
            "{} ports asked in {took_ms} ms, {open} open, {sent} probes, engine {}",
            ports.len(),
            engine.name()
        );
        scanning.out.line(&line);
        if let Some(line) = ignored_line(odd) {
            tell(&line);
        }
    }
    scanning
        .out
        .flush()
        .or_else(|why| broken(Broken::Show(why)))?;
    Ok(if open > 0 { Status::Done } else { Status::No })
}

fn table(args: &Scan, scanning: &mut Scanning, ports: &[Port]) {
    let targets = scanning.scan.plan().targets.clone();
    let proto = scanning.scan.plan().proto;
    for (host, addr) in args.hosts.iter().zip(targets) {
        let own: Vec<Port> = ports
            .iter()
            .filter(|port| port.addr == addr)
            .cloned()
            .collect();
        let alike = |state: State| own.iter().filter(|port| port.state == state).count() > ALIKE;
        let hidden: Vec<State> = [
            State::Closed,
            State::Filtered,
            State::OpenFiltered,
            State::Unreachable,
        ]
        .into_iter()
        .filter(|state| !args.all && alike(*state))
        .collect();
        scanning.out.line(&format!("{host} ({addr})"));
        scanning.out.line(view::HEAD);
        for port in own.iter().filter(|port| !hidden.contains(&port.state)) {
            scanning.out.line(&view::line(port, proto, None));
        }
        if let Some(counts) = view::left_out(&own, &hidden) {
            scanning.out.line(&counts);
        }
        let closed = own.iter().any(|port| port.state == State::Closed);
        if closed && own.iter().any(|port| port.state == State::OpenFiltered) {
            scanning.out.line(
                "some silent ports may be closed: hosts limit ICMP errors (Linux to one a second); --rate 1 waits for them",
            );
        }
        scanning.out.line("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        assert_eq!(
            ports("80,22,8000-8002,80").unwrap().0,
            [22, 80, 8000, 8001, 8002]
        );
        assert_eq!(ports("-").unwrap().0.len(), 65_535);
        for bad in ["0", "65536", "9-1", "", "http", "1-2-3"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
