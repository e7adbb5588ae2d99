//! `netobs scan`: many ports at once, in nmap's words.

mod ports;

use super::{
    Failure, Status,
    probe::{self, Choice, Common, From, broken, out::Out, scope::scoped, seconds},
};
use crate::{
    clock,
    event::Mono,
    probes::{
        engine::{Engine, Options, connect::Connect, dual::Dual},
        net::{Event, Odd, Proto},
        port::{self, Plan, Port, State},
        resolve::Config,
        run::{self, Asked, Broken, Run, Signals},
        trace::Step,
    },
    sinks::stream::{SinkError, tell},
    sockets::ports::Services,
    views::probes::{
        beside, beside_line,
        ping::{ignored, ignored_line},
        port as view,
    },
};
use clap::Args;
use serde_json::json;
use std::net::IpAddr;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Scan {
    /// Hosts by name or address
    #[arg(required = true, value_name = "HOST")]
    hosts: Vec<String>,

    /// Ports, ranges and services: 22,80,https,8000-8100
    #[arg(short, long, value_name = "PORTS", default_value = "1-1024")]
    ports: String,

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

    /// UDP: do not ask silent ports again at the pace of a host that limits its ICMP errors
    #[arg(long)]
    fast: bool,

    /// UDP: two bytes to every port, instead of what its usual service answers
    #[arg(long)]
    bare: bool,

    /// Longest wait for an answer; what the host shows makes it shorter
    #[arg(short, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    wait: u64,

    /// Every port, also where very many are alike
    #[arg(short, long)]
    all: bool,

    /// Hop limit
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(u8).range(1..))]
    ttl: Option<u8>,

    /// Source address, or interface
    #[arg(short = 'I', value_name = "ADDR|IFACE")]
    interface: Option<String>,

    /// Source address
    #[arg(short = 'S', value_name = "ADDR")]
    source: Option<IpAddr>,

    /// End after so many seconds, with what is known by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    deadline: Option<u64>,

    #[command(flatten)]
    common: Common,
}

/// Ports alike beyond which they are counted, not listed (as nmap does).
const ALIKE: usize = 25;
/// What Linux and many others answer without falling behind.
const RATE: u64 = 50_000;
/// UDP: closed ports are told by ICMP errors, which hosts limit.
const UDP_RATE: u64 = 2_000;

pub fn run(args: &Scan) -> Result<Status, Failure> {
    let services = Services::read();
    let proto = if args.udp { Proto::Udp } else { Proto::Tcp };
    let ports = ports::read(&args.ports, proto, &services)
        .map_err(|text| Failure::new(Status::Usage, text))?;
    let wanted = Wanted {
        args,
        proto,
        ports,
        services,
    };
    probe::inside(&args.common, |signals, config| {
        scan(&wanted, signals, config)
    })
}

/// What the arguments amount to.
struct Wanted<'a> {
    args: &'a Scan,
    proto: Proto,
    ports: Vec<u16>,
    services: Services,
}

fn scan(wanted: &Wanted<'_>, signals: &Signals, config: &Config) -> Result<Status, Failure> {
    let (args, proto) = (wanted.args, wanted.proto);
    signals.end_after(args.deadline);
    let mut addresses = Vec::new();
    for host in &args.hosts {
        let resolved = probe::look_up(host, args.common.family(), config)?;
        probe::tell_addresses(&resolved);
        addresses.push(resolved.addresses[0]);
    }
    let from = From::new(args.interface.as_deref(), args.source);
    let from = scoped(from, &addresses)?;
    let targets: Vec<IpAddr> = addresses.iter().map(|address| address.ip).collect();
    let mut options = args.common.options(from, false);
    options.stamp_sending = false;
    options.hasty = true;
    let (engine, sport) = engine(args, &targets, proto, &options)?;
    let plan = Plan {
        targets,
        ports: wanted.ports.clone(),
        proto,
        sport,
        token: probe::token(),
        payload: 2,
        services: !args.bare,
        ttl: args.ttl,
        retries: args.retries,
        rate: args.rate.unwrap_or(if args.udp { UDP_RATE } else { RATE }),
        at_once: usize::from(args.at_once),
        wait_ns: args.wait,
        patient: !args.fast,
    };
    let scanning = Scanning {
        scan: port::Scan::new(plan),
        json: args.common.json,
        out: Out::default(),
        patience_told: false,
    };
    finish(wanted, scanning, engine, signals)
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
    patience_told: bool,
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
        if let Some((left, gap)) = self.scan.patience().filter(|_| !self.patience_told) {
            self.patience_told = true;
            tell(&view::patience(left, gap));
        }
        self.out.flush()
    }

    fn asked(&mut self, asked: Asked) -> Result<bool, SinkError> {
        Ok(asked != Asked::Quit)
    }
}

fn finish(
    wanted: &Wanted<'_>,
    mut scanning: Scanning,
    mut engine: Box<dyn Engine>,
    signals: &Signals,
) -> Result<Status, Failure> {
    let args = wanted.args;
    let begun = clock::mono();
    let interrupted = match run::run(engine.as_mut(), signals, &mut scanning) {
        Ok(interrupted) => interrupted,
        Err(why) => broken(why).map(|()| false)?,
    };
    scanning.scan.give_up();
    scanning
        .show(clock::mono())
        .map_err(Broken::Show)
        .or_else(broken)?;
    let took_ms = clock::mono().0.saturating_sub(begun.0) / 1_000_000;
    let ports: Vec<Port> = scanning.scan.results().cloned().collect();
    let mut odd = engine.odd();
    odd.foreign += scanning.scan.foreign;
    let open = ports
        .iter()
        .filter(|port| port.state == State::Open)
        .count();
    if args.common.json {
        let end = End {
            took_ms,
            interrupted,
            engine: engine.name(),
            odd,
        };
        scanning.out.json(&summary(&scanning.scan, &ports, &end));
    } else {
        table(wanted, &mut scanning, &ports);
        let sent = scanning.scan.sent;
        let word = match (interrupted, signals.is_time_up()) {
            (true, true) => "time is up: ",
            (true, false) => "interrupted: ",
            (false, _) => "",
        };
        let line = format!(
            "{word}{} port{} asked in {took_ms} ms, {open} open, {sent} probes, engine {}",
            ports.len(),
            if ports.len() == 1 { "" } else { "s" },
            engine.name()
        );
        scanning.out.line(&line);
        if let Some(line) = beside_line(&scanning.scan.beside) {
            scanning.out.line(&line);
        }
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

/// How a scan went, beside what it found.
struct End {
    took_ms: u64,
    interrupted: bool,
    engine: &'static str,
    odd: Odd,
}

/// `{"event":"summary",...}`.
fn summary(scan: &port::Scan, ports: &[Port], end: &End) -> serde_json::Value {
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
    let [before, after] = beside(&scan.beside);
    json!({
        "event": "summary", "ports": ports.len(), "states": counts, "sent": scan.sent, "time_ms": end.took_ms,
        "before_p50_us": before, "after_p50_us": after, "engine": end.engine, "interrupted": end.interrupted, "ignored": ignored(end.odd),
    })
}

fn table(wanted: &Wanted<'_>, scanning: &mut Scanning, ports: &[Port]) {
    let args = wanted.args;
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
            let service = wanted.services.name(port.port, proto.name());
            scanning.out.line(&view::line(port, proto, service));
        }
        if let Some(counts) = view::left_out(&own, &hidden) {
            scanning.out.line(&counts);
        }
        scanning.out.line("");
    }
}
