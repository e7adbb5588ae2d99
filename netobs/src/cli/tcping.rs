//! `netobs tcping`: how long a handshake takes, and who refuses it.

use super::{
    Failure, Status,
    probe::{
        self, Common, From,
        pinging::{self, Pinging, Shown},
        scope::scoped,
        seconds,
    },
};
use crate::{
    probes::{engine::Engine, net::Proto, ping::Plan, resolve::Config, run::Signals},
    views::probes::port::handshake_verdict,
};
use clap::Args;
use std::net::IpAddr;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Tcping {
    /// Host by name or address
    host: String,

    /// TCP port
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Half-open: a bare SYN, no connection that the server sees; needs `CAP_NET_RAW`
    #[arg(long)]
    syn: bool,

    /// Stop after so many handshakes
    #[arg(short, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,

    /// Until Ctrl-C
    #[arg(short = 't', conflicts_with = "count")]
    forever: bool,

    /// Seconds between two handshakes
    #[arg(short, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    interval: u64,

    /// Seconds to wait for an answer
    #[arg(short = 'W', value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    wait: u64,

    /// Stop after so many seconds
    #[arg(short = 'w', value_name = "SECONDS", value_parser = seconds)]
    deadline: Option<u64>,

    /// Hop limit
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(u8).range(1..))]
    ttl: Option<u8>,

    /// Source address, or interface
    #[arg(short = 'I', value_name = "ADDR|IFACE")]
    interface: Option<String>,

    /// Source address
    #[arg(short = 'S', value_name = "ADDR")]
    source: Option<IpAddr>,

    /// Only the summary
    #[arg(short)]
    quiet: bool,

    /// Numbers only
    #[arg(short)]
    numeric: bool,

    #[command(flatten)]
    common: Common,
}

pub fn run(args: &Tcping) -> Result<Status, Failure> {
    probe::inside(&args.common, |signals, config| {
        tcping(args, signals, config)
    })
}

fn tcping(args: &Tcping, signals: &Signals, config: &Config) -> Result<Status, Failure> {
    let resolved = probe::look_up(&args.host, args.common.family(), config)?;
    probe::tell_addresses(&resolved);
    let addr = resolved.addresses[0].ip;
    let from = From::new(args.interface.as_deref(), args.source);
    let from = scoped(from, &resolved.addresses[..1])?;
    let options = args.common.options(from, false);
    let ports = probe::ports(512);
    let sport = *ports.start();
    let wanted = probe::Plan {
        targets: &[addr],
        proto: Proto::Tcp,
        ports,
    };
    let engine: Box<dyn Engine> = if args.syn {
        probe::open(&wanted, &options, args.common.engine)?.0
    } else {
        probe::edge::connections(&wanted, &options, args.common.engine)?
    };
    let plan = Plan {
        targets: vec![addr],
        proto: Proto::Tcp,
        sport,
        dport: args.port,
        token: probe::token(),
        payload: 0,
        ttl: args.ttl,
        count: (!args.forever).then_some(args.count),
        interval_ns: args.interval.max(1_000_000),
        wait_ns: args.wait,
        deadline_ns: args.deadline,
        flood: false,
    };
    let literal = args.host.parse::<IpAddr>().is_ok();
    let name = (!args.numeric && !literal).then(|| args.host.clone());
    let shown = Shown {
        json: args.common.json,
        quiet: args.quiet,
        stamp: false,
        dots: false,
    };
    let mut pinging = Pinging::new(plan, vec![name], shown);
    let how = if args.syn { "half-open SYN" } else { "connect" };
    pinging.say(&format!(
        "TCPING {} ({addr}) port {}, {how}",
        args.host, args.port
    ));
    let status = pinging::run(&mut pinging, engine, signals)?;
    let target = &pinging.pinger.targets()[0];
    pinging::last_word(args.common.json, &handshake_verdict(target, args.port))?;
    Ok(status)
}
