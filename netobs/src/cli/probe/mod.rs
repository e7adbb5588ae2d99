//! What all probing commands share: whom to ask, from where, with which engine, and how to end.

pub mod edge;
pub mod out;
pub mod pinging;
pub mod scope;
pub mod virtual_ip;

use super::{Failure, Status};
use crate::{
    host::resolver::Whose,
    netns::Netns,
    probes::{
        engine::{
            Discover, Engine, EngineError, Options,
            datagram::Datagram,
            dual::Dual,
            raw::{Raw, Wanted},
        },
        net::Proto,
        packet::build::Look,
        resolve::{Config, Family, Resolved, resolve},
        run::{Broken, Signals},
        stop,
    },
    sinks::stream::{SinkError, tell},
};
use clap::{Args, ValueEnum};
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    ops::RangeInclusive,
};

/// Flags that mean the same in every probing command.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// IPv4 only
    #[arg(short = '4')]
    pub four: bool,

    /// IPv6 only
    #[arg(short = '6', conflicts_with = "four")]
    pub six: bool,

    /// From this network namespace: a name of `ip netns`, a process id or a path
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Firewall mark of the probes
    #[arg(long, value_name = "N", value_parser = number)]
    pub mark: Option<u32>,

    /// Type of service, or traffic class, of the probes
    #[arg(long, value_name = "N", value_parser = small)]
    pub tos: Option<u8>,

    /// How probes are sent and stamped
    #[arg(long, value_enum, default_value = "auto")]
    pub engine: Choice,

    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// The best that kernel and privileges allow
    Auto,
    /// Raw sockets, and BPF programs that stamp probes and answers in the kernel: needs `CAP_BPF` too
    Kernel,
    /// The kernel engine by its tracepoints only
    Tracepoints,
    /// The kernel engine by TC links only (Linux 6.6)
    Tcx,
    /// The kernel engine by TC filters only
    Clsact,
    /// Raw sockets: needs `CAP_NET_RAW`
    Raw,
    /// Ping sockets and kept errors: needs no privilege
    Datagram,
}

impl Common {
    pub fn family(&self) -> Family {
        match (self.four, self.six) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            (false, false) => Family::Any,
        }
    }

    pub fn options(&self, from: From, dont_fragment: bool) -> Options {
        Options {
            source: from.source,
            device: from.device,
            mark: self.mark,
            look: Look {
                tos: self.tos.unwrap_or(0),
                dont_fragment,
            },
            stamp_sending: true,
            hasty: false,
            discover: if dont_fragment {
                Discover::Probe
            } else {
                Discover::System
            },
        }
    }
}

/// Where probes leave.
#[derive(Clone, Debug, Default)]
pub struct From {
    pub source: Option<IpAddr>,
    pub device: Option<String>,
}

impl From {
    /// `-I` of ping takes either, `-S` an address.
    pub fn new(either: Option<&str>, source: Option<IpAddr>) -> Self {
        let addr = either.and_then(|text| text.parse().ok());
        Self {
            source: source.or(addr),
            device: either.filter(|_| addr.is_none()).map(str::to_owned),
        }
    }
}

/// Decimal or 0x...
pub fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is no number from 0 to {}", u32::MAX))
}

pub fn small(text: &str) -> Result<u8, String> {
    let value = number(text)?;
    u8::try_from(value).map_err(|_| format!("'{text}' is no number from 0 to 255"))
}

/// Seconds with a fraction, to nanoseconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| format!("'{text}' is no number of seconds"))?;
    if !value.is_finite() || !(0.0..=1e6).contains(&value) {
        return Err(format!(
            "'{text}' is no number of seconds from 0 to 1000000"
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to lie between 0 and 1e15"
    )]
    Ok((value * 1e9) as u64)
}

/// Runs in the namespace asked for; signals are taken before, so that no thread is ended by one.
pub fn inside(
    common: &Common,
    work: impl FnOnce(&Signals, &Config) -> Result<Status, Failure> + Send,
) -> Result<Status, Failure> {
    let signals = Signals::take()?;
    // Names are looked up before the run begins, and may take long.
    stop::arm()?;
    let Some(which) = &common.netns else {
        return work(&signals, &Config::read(&Whose::Own));
    };
    let netns =
        Netns::find(which).map_err(|error| Failure::new(Status::Usage, error.to_string()))?;
    let config = Config::read(&Whose::of(Some(which), netns.name.as_deref(), netns.pid));
    netns
        .run(|| work(&signals, &config))
        .map_err(|error| Failure {
            status: Status::Missing,
            error: error.into(),
        })?
}

/// A host with its addresses, or one clear line.
pub fn look_up(host: &str, family: Family, config: &Config) -> Result<Resolved, Failure> {
    resolve(host, family, config).map_err(|error| Failure {
        status: Status::Usage,
        error: error.into(),
    })
}

/// Numbers that no other run is likely to use.
pub fn token() -> u32 {
    let hash = RandomState::new().hash_one(std::process::id());
    u32::try_from(hash & 0xffff_ffff).unwrap_or(1)
}

/// Source ports above those that the system hands out by itself.
pub fn ports(count: u16) -> RangeInclusive<u16> {
    let room = u32::from(65_535 - 61_000 - count);
    let first = 61_000 + u16::try_from(token() % room).unwrap_or(0);
    first..=first + count
}

/// What is wanted of the engines of a run.
pub struct Plan<'a> {
    pub targets: &'a [IpAddr],
    pub proto: Proto,
    pub ports: RangeInclusive<u16>,
}

/// An engine, and the source port it gives.
pub type Opened = (Box<dyn Engine>, u16);

/// The best engine that the privileges allow, or the one asked for; with the source port it gives.
pub fn open(plan: &Plan<'_>, options: &Options, choice: Choice) -> Result<Opened, Failure> {
    if let Some(edge) = edge::open(plan, options, choice)? {
        return Ok(edge);
    }
    let (engine, ports) = sockets(plan, options, choice)?;
    Ok((engine, ports.last))
}

/// Source ports of datagrams by family, and the one that was given last.
struct Given {
    udp4: Option<u16>,
    udp6: Option<u16>,
    last: u16,
}

fn sockets(
    plan: &Plan<'_>,
    options: &Options,
    choice: Choice,
) -> Result<(Box<dyn Engine>, Given), Failure> {
    let (mut v4, mut v6) = (None, None);
    let mut given = Given {
        udp4: None,
        udp6: None,
        last: *plan.ports.start(),
    };
    for four in [true, false] {
        if !plan.targets.iter().any(|addr| addr.is_ipv4() == four) {
            continue;
        }
        let (engine, own) = one(plan, four, options, choice)?;
        given.last = own;
        let (engines, ports) = if four {
            (&mut v4, &mut given.udp4)
        } else {
            (&mut v6, &mut given.udp6)
        };
        *engines = Some(engine);
        *ports = Some(own).filter(|_| plan.proto == Proto::Udp);
    }
    Ok((Box::new(Dual { v4, v6 }), given))
}

fn one(plan: &Plan<'_>, v4: bool, options: &Options, choice: Choice) -> Result<Opened, Failure> {
    let id = *plan.ports.start();
    if choice != Choice::Datagram {
        let wanted = Wanted {
            v4,
            proto: plan.proto,
            ports: plan.ports.clone(),
        };
        match Raw::open(wanted, options) {
            Ok(raw) => {
                let port = raw.port();
                return Ok((Box::new(raw), port));
            }
            Err(error)
                if error.is_privilege() && choice == Choice::Auto && plan.proto != Proto::Tcp => {}
            Err(error) => return Err(refused(error)),
        }
    }
    let datagram = Datagram::open(v4, plan.proto, id, options).map_err(refused)?;
    Ok((Box::new(datagram), id))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what becomes of an error"
)]
pub fn refused(error: EngineError) -> Failure {
    let status = if error.is_privilege() {
        Status::Missing
    } else {
        Status::Other
    };
    // Its text has the cause already.
    Failure::new(status, error.to_string())
}

/// A reader that went away wants no error.
pub fn broken(broken: Broken<SinkError>) -> Result<(), Failure> {
    match broken {
        Broken::Engine(error) => Err(refused(error)),
        Broken::Show(SinkError::Closed) => Ok(()),
        Broken::Show(error @ SinkError::Io(_)) => Err(error.into()),
    }
}

/// All addresses of a name, where it has several: the first one is asked.
pub fn tell_addresses(resolved: &Resolved) {
    if resolved.addresses.len() > 1 {
        let all: Vec<String> = resolved
            .addresses
            .iter()
            .map(|a| a.ip.to_string())
            .collect();
        tell(&format!(
            "netobs: {} has {} addresses: {}",
            resolved.host,
            all.len(),
            all.join(", ")
        ));
    }
}
