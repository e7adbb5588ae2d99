//! `netobs ping`: echoes to one or many hosts, in the habits of ping.

use super::{
    Failure, Status,
    probe::{
        self, Common, From,
        pinging::{self, Pinging, Shown},
        scope::scoped,
        seconds, virtual_ip,
    },
};
use crate::{
    probes::{
        engine::{Discover, Options, source_towards},
        net::Proto,
        ping::Plan,
        resolve::{Address, Config, is_address},
        run::Signals,
    },
    sinks::stream::tell,
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, IsTerminal as _},
    net::{IpAddr, Ipv4Addr},
};

/// Addresses that one network may stand for.
const MOST_TARGETS: usize = 1 << 16;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Ping {
    /// Hosts by name or address, or whole IPv4 networks: 10.0.0.0/24
    #[arg(required = true, value_name = "HOST")]
    hosts: Vec<String>,

    /// Stop after so many echoes to each host
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Seconds between two echoes to a host
    #[arg(short, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    interval: u64,

    /// Source address, or interface
    #[arg(short = 'I', value_name = "ADDR|IFACE")]
    interface: Option<String>,

    /// Source address
    #[arg(short = 'S', value_name = "ADDR")]
    source: Option<IpAddr>,

    /// Bytes behind the ICMP header
    #[arg(short, value_name = "BYTES", default_value_t = 56, value_parser = clap::value_parser!(u16).range(0..=65_507))]
    size: u16,

    /// Seconds to wait for answers where none came at all
    #[arg(short = 'W', value_name = "SECONDS", value_parser = seconds)]
    wait: Option<u64>,

    /// Stop after so many seconds
    #[arg(short = 'w', value_name = "SECONDS", value_parser = seconds)]
    deadline: Option<u64>,

    /// Hop limit
    #[arg(short, value_name = "HOPS", value_parser = clap::value_parser!(u8).range(1..))]
    ttl: Option<u8>,

    /// What of packets that are larger than the path takes
    #[arg(short = 'M', value_name = "HOW")]
    fragments: Option<Fragments>,

    /// The time of each line, in seconds since 1970
    #[arg(short = 'D')]
    stamp: bool,

    /// Only the summary
    #[arg(short)]
    quiet: bool,

    /// Numbers only
    #[arg(short)]
    numeric: bool,

    /// As fast as answers come, at least a hundred a second; needs -c or -w
    #[arg(short)]
    flood: bool,

    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fragments {
    /// Never fragment; refuse here what is larger than the known path takes
    Do,
    /// Don't-fragment where it fits the known path, else fragment
    Want,
    /// Let everybody fragment
    Dont,
    /// Never fragment, and ask the path each time
    Probe,
}

impl Ping {
    fn discover(&self) -> Discover {
        match self.fragments {
            None => Discover::System,
            Some(Fragments::Do) => Discover::Do,
            Some(Fragments::Want) => Discover::Want,
            Some(Fragments::Dont) => Discover::Dont,
            Some(Fragments::Probe) => Discover::Probe,
        }
    }
}

pub fn run(args: &Ping) -> Result<Status, Failure> {
    if args.flood && args.count.is_none() && args.deadline.is_none() {
        return Err(Failure::new(
            Status::Usage,
            "a flood needs an end: give -c COUNT or -w SECONDS",
        ));
    }
    probe::inside(&args.common, |signals, config| ping(args, signals, config))
}

/// What is asked, and how each of it was called.
struct Hosts {
    addrs: Vec<IpAddr>,
    names: Vec<Option<String>>,
    /// Link-local ones, which name their interface.
    scoped: Vec<Address>,
}

fn ping(args: &Ping, signals: &Signals, config: &Config) -> Result<Status, Failure> {
    let hosts = hosts(args, config)?;
    let id = u16::try_from(probe::token() & 0xffff).unwrap_or(1);
    let from = From::new(args.interface.as_deref(), args.source);
    let from = scoped(from, &hosts.scoped)?;
    let mut options = args.common.options(from, false);
    options.discover = args.discover();
    // A sweep has no time to ask when each probe left.
    options.stamp_sending = hosts.addrs.len() <= 16 && !args.flood;
    options.hasty = hosts.addrs.len() > 16;
    let wanted = probe::Plan {
        targets: &hosts.addrs,
        proto: Proto::Icmp,
        ports: id..=id,
    };
    let (engine, _) = probe::open(&wanted, &options, args.common.engine)?;
    let several = hosts.addrs.len() > 1;
    let wait = args.wait.unwrap_or(if several {
        1_000_000_000
    } else {
        10_000_000_000
    });
    let plan = Plan {
        targets: hosts.addrs,
        proto: Proto::Icmp,
        sport: id,
        dport: 0,
        token: 0,
        payload: args.size,
        ttl: args.ttl,
        count: args.count,
        interval_ns: args.interval.max(if args.flood { 0 } else { 1_000_000 }),
        wait_ns: wait,
        deadline_ns: args.deadline,
        flood: args.flood,
    };
    let shown = Shown {
        json: args.common.json,
        quiet: args.quiet || args.flood,
        stamp: args.stamp,
        dots: args.flood && !args.quiet && !args.common.json && io::stdout().is_terminal(),
    };
    let mut pinging = Pinging::new(plan, hosts.names, shown);
    if !several {
        pinging.say(&head(args, &pinging, &options));
    }
    let status = pinging::run(&mut pinging, engine, signals)?;
    if status == Status::No {
        explain(&pinging);
    }
    Ok(status)
}

/// As ping begins.
fn head(args: &Ping, pinging: &Pinging, options: &Options) -> String {
    let addr = pinging.pinger.targets()[0].addr;
    let (host, size) = (&args.hosts[0], args.size);
    let chosen = options.device.is_some() || options.source.is_some();
    let from = match source_towards(addr, options).ok().filter(|_| chosen) {
        Some(source) => {
            let device = options.device.as_deref().unwrap_or_default();
            format!(" from {source} {device}:")
        }
        None => String::new(),
    };
    if addr.is_ipv4() {
        let whole = u32::from(size) + 28;
        format!("PING {host} ({addr}){from} {size}({whole}) bytes of data.")
    } else {
        format!("PING {host} ({addr}){from} {size} data bytes")
    }
}

/// Why nothing may have answered, as far as this machine knows.
fn explain(pinging: &Pinging) {
    for target in pinging
        .pinger
        .targets()
        .iter()
        .take(4)
        .filter(|t| t.received == 0)
    {
        let Some(ports) = virtual_ip::ports(target.addr) else {
            continue;
        };
        let port = ports.first().map_or("PORT".to_owned(), ToString::to_string);
        tell(&format!(
            "netobs: {0} is a virtual address: rules of this machine translate it for some ports only, and no host has it, so it cannot \
             answer an echo; ask a port: netobs tcping {0} {port}",
            target.addr
        ));
    }
}

fn hosts(args: &Ping, config: &Config) -> Result<Hosts, Failure> {
    let mut hosts = Hosts {
        addrs: Vec::new(),
        names: Vec::new(),
        scoped: Vec::new(),
    };
    for host in &args.hosts {
        if let Some(addrs) = network(host)? {
            hosts.names.extend(addrs.iter().map(|_| None));
            hosts.addrs.extend(addrs);
            continue;
        }
        let resolved = probe::look_up(host, args.common.family(), config)?;
        probe::tell_addresses(&resolved);
        let addr = resolved.addresses[0].ip;
        hosts.scoped.push(resolved.addresses[0]);
        let literal = is_address(host);
        hosts
            .names
            .push((!args.numeric && !literal).then(|| host.clone()));
        hosts.addrs.push(addr);
    }
    if hosts.addrs.len() > MOST_TARGETS {
        let text = format!("{} hosts are more than {MOST_TARGETS}", hosts.addrs.len());
        return Err(Failure::new(Status::Usage, text));
    }
    Ok(hosts)
}

/// The hosts of an IPv4 network, without its own and its broadcast address.
fn network(text: &str) -> Result<Option<Vec<IpAddr>>, Failure> {
    let Some((base, length)) = text.split_once('/') else {
        return Ok(None);
    };
    let bad = || {
        let text =
            format!("'{text}' is no IPv4 network of at most {MOST_TARGETS} hosts (10.0.0.0/24)");
        Failure::new(Status::Usage, text)
    };
    let base: Ipv4Addr = base.parse().map_err(|_| bad())?;
    let length: u32 = length.parse().map_err(|_| bad())?;
    if !(16..=32).contains(&length) {
        return Err(bad());
    }
    let size = 1_u32 << (32 - length);
    let first = u32::from(base) & !(size - 1);
    let inner = if size > 2 {
        first + 1..first + size - 1
    } else {
        first..first + size
    };
    Ok(Some(inner.map(|n| IpAddr::V4(n.into())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_their_hosts() {
        let hosts = network("10.0.1.7/30").unwrap().unwrap();
        assert_eq!(
            hosts,
            ["10.0.1.5", "10.0.1.6"].map(|a| a.parse::<IpAddr>().unwrap())
        );
        assert_eq!(network("10.0.0.0/24").unwrap().unwrap().len(), 254);
        assert_eq!(network("10.0.0.0/20").unwrap().unwrap().len(), 4094);
        assert!(network("10.0.0.0/8").is_err());
        assert!(network("host").unwrap().is_none());
    }
}
