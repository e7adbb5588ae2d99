//! What a capture is made of, from the arguments: the filter, the ring, events.

use super::{args::Dump, names::System, on::On, refused, snaplen};
use crate::{
    bpf::support,
    capture::{
        events::{self, Events},
        filter::{self, Options, Program},
        live::{Engine, Live, LiveError, Request, Shape, devices::Device},
    },
    cli::{Failure, Status},
    netlink::{
        addresses, links,
        socket::{ROUTE, Socket},
    },
};
use netobs_ebpf::event::Kind;
use std::net::IpAddr;

/// A block that is not full is handed over after so long: soon to who watches, late to a file.
const SOON_MS: u32 = 10;
const LATE_MS: u32 = 100;
/// The ring, without `-B`.
const RING: usize = 32 << 20;
/// Room for the largest packets, with what stands before them.
const LARGE: usize = 512 << 10;
const SMALL: usize = 128 << 10;

/// As asked, or the cheapest way that this kernel, these privileges and this filter allow: what the bench says.
pub fn open(args: &Dump, request: &Request<'_>) -> Result<Live, Failure> {
    if let Some(engine) = args.engine {
        let engine = engine.into();
        return Live::open(&Request { engine, ..*request }).map_err(cannot);
    }
    let cheapest = Live::open(&Request {
        engine: Engine::BpfLinks,
        ..*request
    });
    cheapest.or_else(|_| otherwise(request))
}

/// Packets are taken from here on.
pub fn begin(args: &Dump, request: &Request<'_>, mut live: Live) -> Result<Live, Failure> {
    match live.begin() {
        Ok(()) => Ok(live),
        Err(error) if args.engine.is_some() => Err(cannot(error)),
        Err(_) => otherwise(request),
    }
}

fn otherwise(request: &Request<'_>) -> Result<Live, Failure> {
    let engine = Engine::Packet;
    Live::open(&Request { engine, ..*request }).map_err(cannot)
}

pub fn cannot(error: LiveError) -> Failure {
    let status = match error {
        LiveError::Privilege(_) | LiveError::Absent | LiveError::Tc(_) => Status::Missing,
        LiveError::Socket { .. } | LiveError::Ring { .. } => Status::Other,
    };
    Failure {
        status,
        error: error.into(),
    }
}

/// Events of a kind about packets that a filter picks.
fn events(
    args: &Dump,
    device: &Device,
    what: &str,
    (kind, filter): (Kind, &Program),
) -> Result<Events, Failure> {
    let wanted = events::Wanted {
        kind,
        device: device.index.map(|_| device.name.as_str()),
        link: device.link,
        filter,
        snaplen: snaplen(args),
    };
    Events::open(&wanted).map_err(|error| Failure {
        status: Status::Missing,
        error: anyhow::Error::from(error).context(what.to_owned()),
    })
}

pub fn drops(args: &Dump, device: &Device, filter: &Program) -> Result<Option<Events>, Failure> {
    let asked = args.drops.then_some((Kind::Drop, filter));
    asked
        .map(|of| events(args, device, "--drops", of))
        .transpose()
}

pub fn on(args: &Dump, device: &Device, names: &System) -> Result<Option<On>, Failure> {
    let Some((occasion, expression)) = &args.on else {
        return Ok(None);
    };
    let filter = compile(args, expression, names, device)?;
    let events = events(args, device, "--on", (occasion.kind(), &filter))?;
    Ok(Some(On::new(events, [args.before, args.after])))
}

pub fn compile(
    args: &Dump,
    expression: &str,
    names: &System,
    device: &Device,
) -> Result<Program, Failure> {
    let options = Options {
        link: device.link,
        snaplen: snaplen(args),
        optimize: !args.unoptimized,
        live: true,
        swapped: false,
        netmask: Some(netmask(device)),
        names,
    };
    filter::compile(expression, &options).map_err(refused)
}

/// The netmask of the interface's first IPv4 address; 0 without one, as tcpdump takes it.
fn netmask(device: &Device) -> u32 {
    let ask = |index: u32| {
        let mut socket = Socket::open(ROUTE).ok()?;
        let names = links::names(&mut socket).ok()?;
        let rows = addresses::all(&mut socket, &names).ok()?.rows;
        let mut rows = rows.into_iter().filter(|row| row.ifindex == index);
        let first = rows.find(|row| matches!(row.addr, IpAddr::V4(_)))?;
        Some(u32::MAX.checked_shl(32 - u32::from(first.prefixlen)))
    };
    device.index.and_then(ask).flatten().unwrap_or(0)
}

/// `-B`, and how long a block may wait.
pub fn shape(args: &Dump) -> Shape {
    let snaplen = snaplen(args) as usize;
    let block = if snaplen > SMALL / 2 { LARGE } else { SMALL };
    let bytes = args.buffer.map_or(RING, |kib| kib.saturating_mul(1024));
    let told_soon = args.write.is_none() || args.unbuffered || args.line_buffered;
    // Packets wait for what happens to them; and where nobody tells of sockets that are closed these are to be looked for soon.
    let looks = !args.no_owner && support::privileges().is_err();
    let soon = told_soon || args.drops || args.on.is_some() || looks;
    Shape {
        block,
        blocks: (bytes / block).max(2),
        retire_ms: if soon { SOON_MS } else { LATE_MS },
    }
}
