//! `netobs traceroute`: the way of a packet, hop by hop, in the habits of traceroute.

mod args;
mod paths;
mod tracing;

pub use args::Trace;

use super::{
    Failure, Status,
    probe::{self, From, broken, edge::device_mtu, out::Out, scope::scoped},
};
use crate::{
    clock,
    probes::{
        engine::{Engine, Options, link_mtu},
        names::Names,
        net::Proto,
        packet::other::DCCP_REQUEST,
        resolve::{Config, Resolved},
        run::{self, Broken, Signals},
        trace::{
            Plan, Tracer,
            mtu::{Mtu, Narrowing},
            verdict::{Verdict, verdict},
        },
    },
    sinks::stream::tell,
    views::probes::{ping::ignored_line, trace as view},
};
use std::net::IpAddr;
use tracing::{Measuring, Tracing};

pub fn run(args: &Trace) -> Result<Status, Failure> {
    let proto = args.proto()?;
    if args.first > args.max {
        let text = format!(
            "the first hop {} lies behind the last one {}",
            args.first, args.max
        );
        return Err(Failure::new(Status::Usage, text));
    }
    if args.paths.is_some() && !proto.has_ports() {
        let text = "--paths needs ports to vary: UDP, TCP, DCCP, SCTP or UDP-Lite";
        return Err(Failure::new(Status::Usage, text));
    }
    probe::inside(&args.common, |signals, config| {
        trace(args, proto, signals, config)
    })
}

/// One run with what it needs.
struct Run<'a> {
    args: &'a Trace,
    plan: Plan,
    options: Options,
    engine: Box<dyn Engine>,
    signals: &'a Signals,
    names: Names,
}

fn trace(
    args: &Trace,
    proto: Proto,
    signals: &Signals,
    config: &Config,
) -> Result<Status, Failure> {
    signals.end_after(args.deadline);
    let resolved = probe::look_up(&args.host, args.common.family(), config)?;
    probe::tell_addresses(&resolved);
    let target = resolved.addresses[0].ip;
    let from = From::new(args.interface.as_deref(), args.source);
    let from = scoped(from, &resolved.addresses[..1])?;
    let mut options = args.common.options(from, args.dont_fragment || args.mtu);
    options.hasty = true;
    let ports = probe::ports(512);
    let wanted = probe::Plan {
        targets: &[target],
        proto,
        ports,
    };
    let (engine, sport) = probe::open(&wanted, &options, args.common.engine)?;
    let plan = plan(args, proto, target, sport)?;
    let names = Names::new((!args.numeric).then(|| config.clone()));
    let run = Run {
        args,
        plan,
        options,
        engine,
        signals,
        names,
    };
    head(&run, &resolved)?;
    if let Some(most) = args.paths {
        return paths::run(run, usize::from(most));
    }
    one(run)
}

/// Header bytes in front of the payload.
fn headers(target: IpAddr, proto: Proto) -> u16 {
    let ip = if target.is_ipv4() { 20 } else { 40 };
    ip + match proto {
        Proto::Tcp => 24,
        Proto::DCCP => DCCP_REQUEST,
        Proto::Icmp | Proto::Udp | Proto::Other(_) => 8,
    }
}

fn plan(args: &Trace, proto: Proto, target: IpAddr, sport: u16) -> Result<Plan, Failure> {
    let headers = headers(target, proto);
    // traceroute's default: 60 bytes, 80 with IPv6's longer header.
    let size = args.size.unwrap_or(if target.is_ipv4() { 60 } else { 80 });
    let payload = match (proto, size.checked_sub(headers + 2)) {
        (Proto::Tcp, _) => 0,
        (Proto::Udp | Proto::Icmp | Proto::Other(_), Some(rest)) => rest + 2,
        (Proto::Udp | Proto::Icmp | Proto::Other(_), None) => {
            let text = format!(
                "packets of {size} bytes have no room for headers: at least {}",
                headers + 2
            );
            return Err(Failure::new(Status::Usage, text));
        }
    };
    Ok(Plan {
        target,
        proto,
        sport,
        dport: args.port(),
        first: args.first,
        max: args.max,
        queries: args.queries,
        payload,
        gap_ns: args.gap,
        wait_ns: args.wait,
        at_once: usize::from(args.at_once),
        token: probe::token(),
    })
}

fn head(run: &Run<'_>, resolved: &Resolved) -> Result<(), Failure> {
    if run.args.common.json {
        return Ok(());
    }
    let mut out = Out::default();
    let size = u32::from(headers(run.plan.target, run.plan.proto) + run.plan.payload);
    out.line(&view::head(&resolved.host, &run.plan, size));
    out.flush().or_else(|why| broken(Broken::Show(why)))
}

fn one(mut run: Run<'_>) -> Result<Status, Failure> {
    let (narrowings, path_mtu) = if run.args.mtu {
        mtu(&mut run)?
    } else {
        (Vec::new(), None)
    };
    let mut tracing = Tracing {
        tracer: Tracer::new(run.plan.clone()),
        names: run.names,
        narrowings,
        json: run.args.common.json,
        out: Out::default(),
        written: 0,
    };
    let interrupted = match run::run(run.engine.as_mut(), run.signals, &mut tracing) {
        Ok(interrupted) => interrupted,
        Err(why) => broken(why).map(|()| false)?,
    };
    tracing.finish(clock::mono());
    let mut end = verdict(&tracing.tracer);
    if interrupted && !end.reached {
        let why = if run.signals.is_time_up() {
            "time is up"
        } else {
            "interrupted"
        };
        end.sentence = format!("{why}; so far {}", end.sentence);
    }
    let mut odd = run.engine.odd();
    odd.foreign += tracing.tracer.foreign;
    if tracing.json {
        tracing
            .out
            .json(&view::end(&end, run.engine.name(), path_mtu, odd));
    } else {
        let mtu = path_mtu
            .map(|mtu| format!("; path MTU {mtu}"))
            .unwrap_or_default();
        tracing.out.line(&format!(
            "{}{mtu} (engine {})",
            end.sentence,
            run.engine.name()
        ));
        if let Some(line) = ignored_line(odd) {
            tell(&line);
        }
    }
    tracing
        .out
        .flush()
        .or_else(|why| broken(Broken::Show(why)))?;
    Ok(status(&end))
}

fn status(end: &Verdict) -> Status {
    if end.reached {
        Status::Done
    } else {
        Status::No
    }
}

/// The narrow links, before the trace that they are shown in.
fn mtu(run: &mut Run<'_>) -> Result<(Vec<Narrowing>, Option<u16>), Failure> {
    if !Mtu::can(run.plan.proto) {
        return Err(Failure::new(
            Status::Usage,
            "--mtu needs UDP or ICMP: a SYN is never large",
        ));
    }
    let (target, options) = (run.plan.target, &run.options);
    let path = link_mtu(target, options).map_err(probe::refused)?;
    let link = device_mtu(target, options).map_or(path, |device| device.max(path));
    let wait = run.plan.wait_ns.min(1_000_000_000);
    let mut measuring = Measuring(Mtu::new(run.plan.clone(), link, wait));
    if let Err(why) = run::run(run.engine.as_mut(), run.signals, &mut measuring) {
        broken(why)?;
    }
    Ok((measuring.0.narrowings, measuring.0.path_mtu))
}
