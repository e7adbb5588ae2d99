//! `netobs http`: one URL, its answer, and where the time went.

mod request;
mod sink;

use super::{Failure, Status, ask};
use crate::{
    probes::{
        http::{Exchange, Stage, fetch},
        resolve::{Config, Why},
    },
    sinks::stream::tell,
    views::ask::http as view,
};
use clap::Args;
use sink::Output;
use std::{path::PathBuf, time::Duration};

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of the command line"
)]
pub struct Http {
    /// http://... or https://...; without a scheme http
    url: String,

    #[command(flatten)]
    net: ask::Net,

    #[command(flatten)]
    leaving: ask::Leaving,

    /// Only the head: a HEAD request
    #[arg(short = 'I', long, conflicts_with = "data")]
    head: bool,

    /// Method [GET, with -d POST]
    #[arg(short = 'X', long, value_name = "METHOD")]
    request: Option<String>,

    /// `Name: value`; `Name:` leaves out one of ours, `Name;` sends it empty
    #[arg(short = 'H', long, value_name = "HEADER")]
    header: Vec<String>,

    /// Data to send; several are joined by '&', @FILE reads a file, @- standard input
    #[arg(short = 'd', long, value_name = "DATA")]
    data: Vec<String>,

    /// User and password for basic authentication
    #[arg(short = 'u', long, value_name = "USER:PASSWORD")]
    user: Option<String>,

    /// Follow redirects
    #[arg(short = 'L', long)]
    location: bool,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    max_redirs: u32,

    /// Take a certificate that is not good, and say what is wrong with it
    #[arg(short = 'k', long)]
    insecure: bool,

    /// Trust the roots in this PEM file, and no others
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Addresses for a host and port, instead of asking for them
    #[arg(long, value_name = "HOST:PORT:ADDR[,ADDR]")]
    resolve: Vec<String>,

    /// Only HTTP/1.1
    #[arg(long = "http1.1", conflicts_with = "http2")]
    http1: bool,

    /// Only HTTP/2; without TLS by prior knowledge
    #[arg(long)]
    http2: bool,

    /// For everything
    #[arg(short = 'm', long, value_name = "SECONDS", value_parser = ask::seconds)]
    max_time: Option<Duration>,

    /// For each address, and again for the TLS handshake
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = ask::seconds)]
    connect_timeout: Duration,

    /// Body to a file
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Head before the body on standard output
    #[arg(short = 'i', long)]
    include: bool,

    /// No report on standard error
    #[arg(short = 's', long)]
    silent: bool,

    /// Exit with 1 for a status of 400 and above
    #[arg(short = 'f', long)]
    fail: bool,
}

pub fn run(args: &Http) -> Result<Status, Failure> {
    args.net.inside(|config| inside(args, config))
}

fn inside(args: &Http, config: Config) -> Result<Status, Failure> {
    let request = request::read(args, config).map_err(|text| Failure::new(Status::Usage, text))?;
    let mut output = Output::new(args)?;
    let all = fetch(&request, &mut output)?;
    output.finish()?;
    if args.net.json {
        let mut out = ask::Out::new();
        for exchange in &all {
            view::json(out.bytes(), exchange);
        }
        out.done()?;
    } else {
        report(args, &all);
    }
    Ok(all.last().map_or(Status::Other, |last| status(args, last)))
}

/// Where the body goes to standard output, all else goes to standard error.
fn report(args: &Http, all: &[Exchange]) {
    let silent = args.silent && all.iter().all(|exchange| exchange.failed.is_none());
    if silent {
        return;
    }
    for exchange in all {
        let text = if args.silent {
            view::failure(exchange)
        } else {
            view::text(exchange, args.head || args.include)
        };
        text.lines().for_each(tell);
    }
}

fn status(args: &Http, last: &Exchange) -> Status {
    let Some(failed) = &last.failed else {
        let bad = last.head.as_ref().is_some_and(|head| head.status >= 400);
        return if args.fail && bad {
            Status::No
        } else {
            Status::Done
        };
    };
    match failed.stage {
        Stage::Dns(Why::BadName) => Status::Usage,
        Stage::Dns(Why::NoSuchName | Why::NoAddress) | Stage::Connect | Stage::Tls => Status::No,
        Stage::Dns(Why::ServerFailed | Why::Refused | Why::NoAnswer)
        | Stage::Answer
        | Stage::Time
        | Stage::Stopped
        | Stage::Redirect
        | Stage::Output => Status::Other,
    }
}
