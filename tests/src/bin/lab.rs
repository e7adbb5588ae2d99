//! Load by hand: bounded, exact, and told as one line of JSON.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Result;
use clap::{Parser, Subcommand};
use netobs_tests::traffic::churn::{self, Ending, Until};
use netobs_tests::{sys, traffic, wait};
use serde_json::{Value, json};

/// Makes load of an exact size on loopback and prints what it was.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Opens and closes connections in one thread, so that all softirq work is inside its CPU time.
    Churn {
        #[arg(long, value_enum, default_value = "fin")]
        mode: Ending,
        /// How long, at most.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// How many connections, at most.
        #[arg(long)]
        count: Option<u64>,
        /// Length of the slices whose CPU per connection is compared.
        #[arg(long, default_value_t = 100)]
        slice_ms: u64,
        /// Bytes sent each way before the close.
        #[arg(long, default_value_t = 0)]
        bytes: u64,
    },
    /// Sends datagrams to a socket that does not read.
    UdpFlood {
        #[arg(long, default_value_t = 100_000)]
        count: u64,
        #[arg(long, default_value_t = 64)]
        len: usize,
    },
    /// Holds N established connections (2 N sockets) until a signal comes.
    Hold { connections: u32 },
}

fn main() -> Result<()> {
    match Cli::parse().load {
        Load::Churn {
            mode,
            seconds,
            count,
            slice_ms,
            bytes,
        } => {
            let until = Until {
                seconds,
                count: count.unwrap_or(u64::MAX),
            };
            tell(&with_cpu(churn::run(mode, until, slice_ms, bytes)?))
        }
        Load::UdpFlood { count, len } => tell(&with_cpu(udp_flood(count, len)?)),
        Load::Hold { connections } => {
            let held = churn::hold(connections)?;
            tell(
                &json!({"ready": true, "pid": std::process::id(), "connections": connections, "sockets": 2 * connections}),
            )?;
            sys::pause();
            drop(held);
            Ok(())
        }
    }
}

fn udp_flood(count: u64, len: usize) -> Result<Value> {
    let target = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let rcvbuf = traffic::udp::limit_receive_buffer(&target, 1)?;
    let source = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let to: SocketAddr = target.local_addr()?;
    let start = wait::now();
    traffic::udp::flood(&source, to, count, len)?;
    let seconds = start.elapsed().as_secs_f64();
    let queued = traffic::udp::empty(&target)?;
    Ok(
        json!({"sent": count, "received": queued, "refused": count - queued, "rcvbuf": rcvbuf, "seconds": seconds, "port": to.port()}),
    )
}

fn with_cpu(mut result: Value) -> Value {
    let (user, system) = sys::cpu_user_sys();
    result["user_s"] = json!(user.as_secs_f64());
    result["sys_s"] = json!(system.as_secs_f64());
    result["pid"] = json!(std::process::id());
    result
}

fn tell(result: &Value) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{result}")?;
    Ok(out.flush()?)
}
