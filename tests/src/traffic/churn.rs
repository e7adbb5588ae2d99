//! Connections opened and closed on loopback as fast as one thread can, with the CPU time of each.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::tcp;
use crate::{sys, wait};

/// Who ends a connection, and how: the client by FIN, or by RST.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Ending {
    Fin,
    Rst,
}

/// Whichever comes first.
#[derive(Clone, Copy)]
pub struct Until {
    pub seconds: f64,
    pub count: u64,
}

/// Connections between two looks at the clock.
const BATCH: u64 = 16;

/// Opens and closes connections in the calling thread: the exact number and the CPU nanoseconds of each, over slices.
pub fn run(ending: Ending, until: Until, slice_ms: u64, bytes: u64) -> Result<Value> {
    let listener = tcp::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 128)?;
    let to = listener.local_addr()?;
    let (start, cpu_start) = (wait::now(), sys::cpu_time());
    let (mut slices, mut total) = (Vec::new(), 0);
    while total < until.count && start.elapsed().as_secs_f64() < until.seconds {
        let (begin, cpu, mut conns) = (wait::now(), sys::cpu_time(), 0);
        while begin.elapsed() < Duration::from_millis(slice_ms) && total + conns < until.count {
            for _ in 0..BATCH.min(until.count - total - conns) {
                one(&listener, to, ending, bytes)?;
                conns += 1;
            }
        }
        slices.push(per(sys::cpu_time().saturating_sub(cpu), conns));
        total += conns;
    }
    let (wall, cpu) = (start.elapsed(), sys::cpu_time().saturating_sub(cpu_start));
    slices.sort_unstable();
    let at = |percent: usize| {
        slices
            .get(slices.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    Ok(json!({
        "mode": format!("{ending:?}").to_lowercase(), "conns": total, "port": to.port(), "seconds": wall.as_secs_f64(),
        "cpu_ns_per_conn": {"min": at(0), "p10": at(10), "median": at(50), "mean": per(cpu, total)},
        "wall_ns_per_conn": {"mean": per(wall, total)},
    }))
}

fn one(listener: &TcpListener, to: SocketAddr, ending: Ending, bytes: u64) -> Result<()> {
    let mut client = TcpStream::connect(to).context("connect")?;
    let (mut server, _) = listener.accept().context("accept")?;
    if bytes > 0 {
        tcp::send(&mut client, bytes)?;
        tcp::receive(&mut server, bytes)?;
        tcp::send(&mut server, bytes)?;
        tcp::receive(&mut client, bytes)?;
    }
    match ending {
        Ending::Fin => drop(client),
        Ending::Rst => tcp::abort(client)?,
    }
    Ok(())
}

fn per(time: Duration, conns: u64) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / conns.max(1)
}

/// Established connections on loopback, both ends in this process.
pub fn hold(connections: u32) -> Result<Vec<(TcpStream, TcpStream)>> {
    let listener = tcp::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 128)?;
    let to = listener.local_addr()?;
    (0..connections)
        .map(|made| {
            let client = TcpStream::connect(to).with_context(|| format!("connection {made}"))?;
            Ok((client, listener.accept()?.0))
        })
        .collect()
}
