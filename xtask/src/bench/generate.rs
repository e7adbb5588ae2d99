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

const SLICE_NS: u64 = 50_000_000;
/// Share of the run that warms up caches and fills the `TIME_WAIT` table; counted as units, not as cost.
const WARM_UP: f64 = 0.15;

/// Makes units of `mode` for `length` and reports.
pub fn run(mode: &str, length: Duration) -> Result<Load> {
    match mode {
        "fin" => measure(length, &mut churn(false)?),
        "rst" => measure(length, &mut churn(true)?),
        "udp" => measure(length, &mut flood()?),
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

fn measure(length: Duration, unit: &mut impl FnMut() -> Result<()>) -> Result<Load> {
    let length_ns = u64::try_from(length.as_nanos())?;
    let warm_up = u64::try_from(length.mul_f64(WARM_UP).as_nanos())?;
    let (warm, _) = slice(warm_up, unit)?;
    let (start, cpu_start) = (mono_ns(), own_cpu_ns());
    let (mut units, mut slices) = (0, Vec::new());
    while mono_ns() - start < length_ns - warm_up {
        let (made, cpu) = slice(SLICE_NS, unit)?;
        units += made;
        slices.push(ratio(cpu, made));
    }
    let (cpu, wall) = (own_cpu_ns() - cpu_start, mono_ns() - start);
    Ok(Load {
        units: warm + units,
        cpu_ns: ratio(cpu, units),
        slice_ns: median(&slices),
        wall_ns: ratio(wall, units),
    })
}

/// Units made in `length_ns` and the CPU time they took; the clock is read every 16 units.
fn slice(length_ns: u64, unit: &mut impl FnMut() -> Result<()>) -> Result<(u64, u64)> {
    let (start, cpu, mut units) = (mono_ns(), own_cpu_ns(), 0);
    while mono_ns() - start < length_ns {
        for _ in 0..16 {
            unit()?;
        }
        units += 16;
    }
    Ok((units, own_cpu_ns() - cpu))
}

#[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 ns")]
pub fn ratio(total: u64, units: u64) -> f64 {
    if units == 0 {
        0.0
    } else {
        total as f64 / units as f64
    }
}
