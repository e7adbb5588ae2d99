//! `netobs mtr`: a trace again and again, on a terminal or as a report.

mod screen;

use super::{
    Failure, Status,
    probe::{self, Common, From, broken, out::Out, scope::scoped, seconds},
};
use crate::{
    event::Mono,
    probes::{
        names::Names,
        net::{Event, Odd, Proto},
        resolve::Config,
        run::{self, Asked, Broken, Run, Signals},
        trace::{Plan, Step, rounds::Rounds},
    },
    sinks::stream::{SinkError, tell},
    views::{
        probes::{mtr as view, ping::ignored_line},
        time::Clock,
    },
    wall::Wall,
};
use clap::Args;
use jiff::tz::TimeZone;
use std::{
    io::{self, IsTerminal as _},
    net::IpAddr,
};

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Mtr {
    /// Host by name or address
    host: String,

    /// A report at the end instead of a terminal view; 10 rounds unless -c says more
    #[arg(short, long)]
    report: bool,

    /// The report as comma-separated values
    #[arg(short = 'C', long, conflicts_with = "json")]
    csv: bool,

    /// Rounds
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Seconds between two rounds
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    interval: u64,

    /// Numbers only
    #[arg(short, long)]
    numeric: bool,

    /// First hop
    #[arg(short, long, value_name = "HOP", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    first: u8,

    /// Last hop
    #[arg(short, long, value_name = "HOP", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..))]
    max: u8,

    /// UDP instead of ICMP echoes
    #[arg(short, long, conflicts_with = "tcp")]
    udp: bool,

    /// TCP SYNs instead of ICMP echoes
    #[arg(short = 'T', long)]
    tcp: bool,

    /// Destination port
    #[arg(short = 'P', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Size of the packets behind the IP and ICMP or UDP headers
    #[arg(short, long, value_name = "BYTES", default_value_t = 36, value_parser = clap::value_parser!(u16).range(2..=1400))]
    size: u16,

    /// Longest wait for an answer
    #[arg(short = 'W', value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    wait: u64,

    /// Source address, or interface
    #[arg(short = 'I', value_name = "ADDR|IFACE")]
    interface: Option<String>,

    /// Source address
    #[arg(short = 'a', long = "address", value_name = "ADDR")]
    source: Option<IpAddr>,

    /// End after so many seconds, with what is known by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    deadline: Option<u64>,

    #[command(flatten)]
    common: Common,
}

/// Rounds of a report.
const ROUNDS: u64 = 10;

pub fn run(args: &Mtr) -> Result<Status, Failure> {
    if args.first > args.max {
        let text = format!(
            "the first hop {} lies behind the last one {}",
            args.first, args.max
        );
        return Err(Failure::new(Status::Usage, text));
    }
    probe::inside(&args.common, |signals, config| mtr(args, signals, config))
}

fn plan(args: &Mtr, target: IpAddr, sport: u16) -> Plan {
    let proto = proto(args);
    let usual = if proto == Proto::Tcp { 80 } else { 33_434 };
    Plan {
        target,
        proto,
        sport,
        dport: args.port.unwrap_or(usual),
        first: args.first,
        max: args.max,
        queries: 1,
        payload: if proto == Proto::Tcp { 0 } else { args.size },
        gap_ns: 0,
        wait_ns: args.wait,
        at_once: usize::MAX,
        token: probe::token(),
    }
}

fn proto(args: &Mtr) -> Proto {
    match (args.udp, args.tcp) {
        (true, _) => Proto::Udp,
        (_, true) => Proto::Tcp,
        (false, false) => Proto::Icmp,
    }
}

fn mtr(args: &Mtr, signals: &Signals, config: &Config) -> Result<Status, Failure> {
    signals.end_after(args.deadline);
    let resolved = probe::look_up(&args.host, args.common.family(), config)?;
    let target = resolved.addresses[0].ip;
    let from = From::new(args.interface.as_deref(), args.source);
    let from = scoped(from, &resolved.addresses[..1])?;
    let options = args.common.options(from, false);
    let wanted = probe::Plan {
        targets: &[target],
        proto: proto(args),
        ports: probe::ports(64),
    };
    let (mut engine, sport) = probe::open(&wanted, &options, args.common.engine)?;
    let live = !args.report && !args.csv && !args.common.json && io::stdout().is_terminal();
    let most = args.count.or((!live).then_some(ROUNDS));
    let mut rounding = Rounding {
        rounds: Rounds::new(
            plan(args, target, sport),
            args.interval.max(10_000_000),
            most,
        ),
        names: Names::new((!args.numeric).then(|| config.clone())),
        clock: Clock::new(Wall::start(), TimeZone::system()),
        engine: engine.name(),
        host: args.host.clone(),
        screen: live.then(screen::Screen::open).transpose()?,
    };
    let result = run::run(engine.as_mut(), signals, &mut rounding);
    // The terminal is given back before anything is said on it.
    drop(rounding.screen.take());
    if let Err(why) = result {
        broken(why)?;
    }
    let mut odd = engine.odd();
    odd.foreign += rounding.rounds.foreign;
    rounding.finish(args, odd)
}

/// Rounds with their view.
struct Rounding {
    rounds: Rounds,
    names: Names,
    clock: Clock,
    engine: &'static str,
    host: String,
    screen: Option<screen::Screen>,
}

impl Rounding {
    fn finish(mut self, args: &Mtr, odd: Odd) -> Result<Status, Failure> {
        self.names.finish();
        self.clock.look();
        let mut out = Out::default();
        if args.common.json {
            for hop in self.rounds.hops() {
                out.json(&view::object(hop, &mut self.names));
            }
            for end in view::ends(&self.rounds, self.engine, odd) {
                out.json(&end);
            }
        } else if args.csv {
            out.line(&view::csv(&self.rounds, &mut self.names, self.engine));
        } else {
            let report = view::report(&self.rounds, &mut self.names, &mut self.clock, self.engine);
            out.line(&report);
            if let Some(line) = ignored_line(odd) {
                tell(&line);
            }
        }
        out.flush().or_else(|why| broken(Broken::Show(why)))?;
        Ok(if self.rounds.reached {
            Status::Done
        } else {
            Status::No
        })
    }
}

impl Run for Rounding {
    type Error = SinkError;

    fn step(&mut self, now: Mono) -> Step {
        self.rounds.step(now)
    }

    fn on(&mut self, event: &Event) {
        self.rounds.on(event);
    }

    fn show(&mut self, now: Mono) -> Result<(), SinkError> {
        for addr in self.rounds.hops().iter().flat_map(|hop| hop.addrs.iter()) {
            self.names.ask(*addr);
        }
        if let Some(screen) = &mut self.screen {
            self.clock.look();
            let mut page = screen::Page {
                rounds: &self.rounds,
                host: &self.host,
                engine: self.engine,
                clock: &mut self.clock,
            };
            screen.draw(&mut page, &mut self.names, now)?;
        }
        Ok(())
    }

    fn asked(&mut self, asked: Asked) -> Result<bool, SinkError> {
        if let Some(screen) = &mut self.screen
            && asked == Asked::Resized
        {
            screen.forget();
        }
        Ok(asked != Asked::Quit)
    }

    fn key(&mut self) -> Result<bool, SinkError> {
        let Some(screen) = &mut self.screen else {
            return Ok(true);
        };
        match screen::Screen::key()? {
            Some(screen::Key::Quit) => return Ok(false),
            Some(screen::Key::Reset) => self.rounds.reset(),
            Some(screen::Key::Pause) => self.rounds.paused = !self.rounds.paused,
            None => {}
        }
        screen.forget();
        Ok(true)
    }

    fn also(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.screen.as_ref().map(|_| rustix::stdio::stdin())
    }
}
