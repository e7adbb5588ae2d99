//! The kernel engine around raw sockets, where it is to be had.

use super::{Choice, Failure, Given, Opened, Plan, Status, sockets};
use crate::{
    bpf::{
        probes::{NONE, Place, ProbesWanted, Tap},
        support,
    },
    netlink::{
        links,
        route_get::{self, Question},
        routes::Context,
        socket::{ROUTE, Socket},
    },
    netns::Netns,
    probes::{
        engine::{
            Engine, Options,
            connect::Connect,
            kernel::{Kernel, Late},
        },
        net::Proto,
    },
};
use nix::net::if_::if_nametoindex;
use std::net::IpAddr;

/// Targets whose devices are looked up for TC; those of the others are not stamped at the edge.
const LOOKED_UP: usize = 64;

impl Choice {
    /// Where the programs may stand; nowhere: another engine was asked for.
    const fn places(self) -> &'static [Place] {
        match self {
            Self::Auto | Self::Kernel => &Place::ALL,
            Self::Tracepoints => &[Place::Tracepoints],
            Self::Tcx => &[Place::Tcx],
            Self::Clsact => &[Place::Clsact],
            Self::Raw | Self::Datagram => &[],
        }
    }
}

/// Whole handshakes by connect(2) with the one target, stamped at the edge where that is to be had.
pub fn connections(
    plan: &Plan<'_>,
    options: &Options,
    choice: Choice,
) -> Result<Box<dyn Engine>, Failure> {
    let places = choice.places();
    let v4 = plan.targets.first().is_some_and(IpAddr::is_ipv4);
    if places.is_empty() {
        return Ok(Box::new(Connect::open(v4, options)));
    }
    let engine = Box::new(Connect::open_from_ports(v4, options));
    let given = Given {
        udp4: None,
        udp6: None,
        last: *plan.ports.start(),
    };
    match tap(plan, options, &given, places) {
        Ok(tap) => Ok(Box::new(Kernel::around_connections(engine, Box::new(tap)))),
        Err(_) if choice == Choice::Auto => Ok(engine),
        Err(failure) => Err(failure),
    }
}

/// None: another engine was asked for, or has to do.
pub fn open(plan: &Plan<'_>, options: &Options, choice: Choice) -> Result<Option<Opened>, Failure> {
    let places = choice.places();
    if places.is_empty() {
        return Ok(None);
    }
    if choice == Choice::Auto && options.hasty && support::privileges().is_ok() {
        return beside(plan, options).map(Some);
    }
    match around(plan, options, places) {
        Err(_) if choice == Choice::Auto => Ok(None),
        other => other.map(Some),
    }
}

/// The programs are loaded while probes already fly: those that left before are stamped by their sockets.
fn beside(plan: &Plan<'_>, options: &Options) -> Result<Opened, Failure> {
    let (engine, given) = sockets(plan, options, Choice::Auto)?;
    let netns = Netns::own().map_err(|error| missing(&error.to_string()))?;
    let wanted = wanted(plan, &given, netns.inode());
    let edge = Late::new(move || Tap::open(wanted, &[Place::Tracepoints], &Vec::new).ok());
    Ok((Box::new(Kernel::new(engine, Box::new(edge))), given.last))
}

fn around(plan: &Plan<'_>, options: &Options, places: &[Place]) -> Result<Opened, Failure> {
    support::privileges().map_err(|why| missing(&why))?;
    // The edge tells when a probe left: the sockets need not.
    let inner = Options {
        stamp_sending: false,
        ..options.clone()
    };
    let (engine, given) = sockets(plan, &inner, Choice::Raw)?;
    let tap = tap(plan, options, &given, places)?;
    Ok((Box::new(Kernel::new(engine, Box::new(tap))), given.last))
}

fn tap(
    plan: &Plan<'_>,
    options: &Options,
    given: &Given,
    places: &[Place],
) -> Result<Tap, Failure> {
    support::privileges().map_err(|why| missing(&why))?;
    let netns = Netns::own().map_err(|error| missing(&error.to_string()))?;
    let wanted = wanted(plan, given, netns.inode());
    let tap = Tap::open(wanted, places, &|| devices(plan, options));
    tap.map_err(|error| missing(&format!("no kernel engine: {error}")))
}

fn missing(why: &str) -> Failure {
    Failure::new(Status::Missing, why.to_owned())
}

fn wanted(plan: &Plan<'_>, given: &Given, netns: u32) -> ProbesWanted {
    let (first, last) = (u32::from(*plan.ports.start()), u32::from(*plan.ports.end()));
    let (icmp_id, tcp, other) = match plan.proto {
        Proto::Icmp => (first, (1, 0), NONE),
        Proto::Tcp => (NONE, (first, last), NONE),
        Proto::Udp => (NONE, (1, 0), NONE),
        Proto::Other(number) => (NONE, (1, 0), u32::from(number)),
    };
    let port = |port: Option<u16>| port.map_or(NONE, u32::from);
    ProbesWanted {
        netns,
        icmp_id,
        tcp_first: tcp.0,
        tcp_last: tcp.1,
        udp4: port(given.udp4),
        udp6: port(given.udp6),
        other,
        other_id: first,
    }
}

/// The MTU of the device towards `target`, whatever smaller one of the path an earlier packet has taught the kernel.
pub fn device_mtu(target: IpAddr, options: &Options) -> Option<u16> {
    let plan = Plan {
        targets: &[target],
        proto: Proto::Icmp,
        ports: 0..=0,
    };
    let found = devices(&plan, options);
    let links = links::all(&mut Socket::open(ROUTE).ok()?).ok()?.rows;
    let towards = links.iter().filter(|link| found.contains(&link.ifindex));
    let mtu = towards.filter_map(|link| link.mtu).max()?;
    Some(u16::try_from(mtu).unwrap_or(u16::MAX))
}

/// The devices that the routing tables choose towards the targets.
fn devices(plan: &Plan<'_>, options: &Options) -> Vec<u32> {
    let index = |name: &str| if_nametoindex(name).ok();
    let bound = options.device.as_deref().and_then(index);
    let Some(mut socket) = Socket::open(ROUTE).ok() else {
        return bound.into_iter().collect();
    };
    let names = links::names(&mut socket).unwrap_or_default();
    let context = Context::new(&names);
    let mut found: Vec<u32> = bound.into_iter().collect();
    for to in plan.targets.iter().take(LOOKED_UP) {
        let question = Question {
            to: *to,
            from: options.source.filter(|from| from.is_ipv4() == to.is_ipv4()),
            oif: bound,
            iif: None,
            mark: options.mark,
            uid: None,
        };
        let route = route_get::ask(&mut socket, &question, &context)
            .ok()
            .flatten();
        let device = route.and_then(|route| index(&route.dev?));
        found.extend(device);
    }
    found.sort_unstable();
    found.dedup();
    found
}
