//! `netobs connect`: standard input to a port and its answer to standard output, or a port served once; by TCP or UDP.

mod open;
mod talk;

use super::{
    Failure, Status,
    probe::{self, Choice, Common, From, seconds},
};
use crate::{
    probes::{dial::Leave, resolve::Config, run::Signals},
    sinks::stream::tell,
};
use clap::Args;
use serde_json::json;
use std::net::IpAddr;
use talk::Talk;

#[derive(Args)]
// Its connections are the system's own.
#[command(mut_arg("engine", |engine| engine.hide(true)))]
pub struct Connect {
    /// Host by name or address; with --listen the address to serve, by default all
    #[arg(required_unless_present = "listen")]
    host: Option<String>,

    /// Port
    #[arg(value_parser = clap::value_parser!(u16).range(1..), required_unless_present = "listen")]
    port: Option<u16>,

    /// Serve this port for one connection, or for whoever sends the first datagram
    #[arg(short, long, value_name = "PORT", conflicts_with = "port", value_parser = clap::value_parser!(u16).range(1..))]
    listen: Option<u16>,

    /// UDP: what is read at once is one datagram
    #[arg(short, long)]
    udp: bool,

    /// Seconds to wait for the connection
    #[arg(short = 'W', value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    wait: u64,

    /// End when nothing was said for so many seconds
    #[arg(short = 'w', value_name = "SECONDS", value_parser = seconds)]
    idle: Option<u64>,

    /// End so many seconds after the end of standard input [UDP: 2 seconds after the last datagram]
    #[arg(short = 'q', value_name = "SECONDS", value_parser = seconds)]
    quit: Option<u64>,

    /// As nc: tell the other end that standard input has ended; done anyway
    #[arg(short = 'N', conflicts_with = "keep_open")]
    shut: bool,

    /// Do not tell the other end that standard input has ended
    #[arg(long)]
    keep_open: bool,

    /// Source address, or interface
    #[arg(short = 'I', value_name = "ADDR|IFACE")]
    interface: Option<String>,

    /// Source address
    #[arg(short = 'S', value_name = "ADDR")]
    source: Option<IpAddr>,

    #[command(flatten)]
    common: Common,
}

impl Connect {
    fn leave(&self) -> Leave {
        let from = From::new(self.interface.as_deref(), self.source);
        Leave {
            source: from.source,
            device: from.device,
            mark: self.common.mark,
            tos: self.common.tos,
        }
    }

    const fn proto(&self) -> &'static str {
        if self.udp { "udp" } else { "tcp" }
    }
}

pub fn run(args: &Connect) -> Result<Status, Failure> {
    if args.common.engine != Choice::Auto {
        let text = "connect takes the system's own sockets: no --engine";
        return Err(Failure::new(Status::Usage, text));
    }
    probe::inside(&args.common, |signals, config| {
        connect(args, signals, config)
    })
}

fn connect(args: &Connect, signals: &Signals, config: &Config) -> Result<Status, Failure> {
    let Some(opened) = open::open(args, signals, config)? else {
        return Ok(Status::No);
    };
    let peer = opened.peer;
    let talked = Talk::new(args, opened, signals)?.talk()?;
    if args.common.json {
        let object = json!({
            "event": "connection", "proto": args.proto(), "addr": peer.ip(), "port": peer.port(), "sent": talked.sent,
            "received": talked.received, "time_ms": talked.ms, "end": talked.end, "by": talked.by,
        });
        tell(&object.to_string());
    } else {
        tell(&format!(
            "netobs: {peer}: {} bytes sent, {} received, {} ms, {}",
            talked.sent, talked.received, talked.ms, talked.end
        ));
    }
    Ok(if talked.refused {
        Status::No
    } else {
        Status::Done
    })
}
