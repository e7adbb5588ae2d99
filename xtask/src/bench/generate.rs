//! The load generator: connections or datagrams on loopback in one thread.
//!
//! All of the kernel's work for a unit, softirq included, runs inline in this thread, so its CPU time per unit
//! is a low-noise measure: 0.3 to 1 % between runs where wall time varies by tens of percent.
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use super::clock::{mono_ns, own_cpu_ns};
use super::load::Load;
use super::stats::median;

/// The listener of the churn; peers' lines are told apart by it.
pub const CHURN_PORT: u16 = 47_810;
/// Where the flood goes; an nft rule of the namespace drops it.
pub const FLOOD_PORT: u16 = 47_811;

/// Share of the run that warms up caches; counted as units, not as cost.
const WARM_UP_PERCENT: u64 = 15;
/// Slices of which the median is taken: 10 to 20 ms each, so that a burst of the machine's other work spoils few.
const SLICES: u64 = 100;
/// Most connections of a run: no port is used twice, so what connect(2) finds in the `TIME_WAIT` table depends on the count alone.
const MOST_CONNECTIONS: u64 = 60_000;

/// How many units a run of about this length has.
///
/// A fixed number, not a fixed time: runs with and without a tool then go through the same states of the kernel's tables.
pub fn units(mode: &str, seconds: f64) -> u64 {
    let length = Duration::from_secs_f64(seconds);
    let count = |each_ns: u128| {
        u64::try_from(length.as_nanos() / each_ns)
            .unwrap_or(u64::MAX)
            .max(SLICES)
    };
    if mode == "udp" {
        count(2_500)
    } else {
        count(35_000).min(MOST_CONNECTIONS)
    }
}

/// Makes `units` of `mode` and reports.
pub fn run(mode: &str, units: u64) -> Result<Load> {
    match mode {
        "fin" => measure(units, &mut churn(false)?),
        "rst" => measure(units, &mut churn(true)?),
        "udp" => measure(units, &mut flood()?),
        other => bail!("unknown load {other:?}: fin, rst, udp"),
    }
}

/// One connection a call: connect, accept, client closes, server closes.
fn churn(reset: bool) -> Result<impl FnMut() -> Result<()>> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, CHURN_PORT);
    let listener = TcpListener::bind(address).context("bind the churn's listener")?;
    Ok(move || {
        let client = TcpStream::connect(address).context("connect")?;
        let (server, _) = listener.accept().context("accept")?;
        if reset {
            setsockopt(
                &client,
                sockopt::Linger,
                &linger {
                    l_onoff: 1,
                    l_linger: 0,
                },
            )?;
        }
        drop(client);
        drop(server);
        Ok(())
    })
}

/// One datagram of 64 bytes a call.
fn flood() -> Result<impl FnMut() -> Result<()>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, FLOOD_PORT))?;
    Ok(move || {
        socket.send(&[0; 64]).context("send")?;
        Ok(())
    })
}

fn measure(units: u64, unit: &mut impl FnMut() -> Result<()>) -> Result<Load> {
    let warm_up = units * WARM_UP_PERCENT / 100;
    slice(warm_up, unit)?;
    let (start, cpu_start) = (mono_ns(), own_cpu_ns());
    let (measured, mut left) = (units - warm_up, units - warm_up);
    let mut slices = Vec::new();
    while left > 0 {
        let made = left.min((measured / SLICES).max(1));
        slices.push(ratio(slice(made, unit)?, made));
        left -= made;
    }
    let (cpu, wall) = (own_cpu_ns() - cpu_start, mono_ns() - start);
    Ok(Load {
        units,
        cpu_ns: ratio(cpu, measured),
        slice_ns: median(&slices),
        wall_ns: ratio(wall, measured),
    })
}

/// The CPU time that `units` take.
fn slice(units: u64, unit: &mut impl FnMut() -> Result<()>) -> Result<u64> {
    let cpu = own_cpu_ns();
    for _ in 0..units {
        unit()?;
    }
    Ok(own_cpu_ns() - cpu)
}

#[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 ns")]
pub fn ratio(total: u64, units: u64) -> f64 {
    if units == 0 {
        0.0
    } else {
        total as f64 / units as f64
    }
}
