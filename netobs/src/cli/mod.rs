//! The command line: arguments to a request, a request to a view, an error to an exit status.

mod ask;
mod connect;
mod dns;
mod doctor;
mod dump;
mod filters;
mod http;
mod mtr;
mod ping;
mod probe;
mod scan;
mod show;
mod ss;
mod tcping;
mod tls;
mod trace;
mod watch;

use crate::{sinks::stream::tell, views::table::escape};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

const EXIT_PROBES: &str = "Exit status: 0 answered; 1 no answer, closed or not reached; 2 usage, or an unknown host; \
                           3 a privilege is missing; 4 other. Ctrl-C ends with the summary.";
const EXIT_ASK: &str = "Exit status: 0 an answer, and a good one; 1 the answer is \"no\"; 2 usage; 4 nobody answered, a server failed, stopped. \
                        Ctrl-C ends with what is known.";

/// See the network of this node from inside the kernel, and why.
#[derive(Parser)]
#[command(
    name = "netobs",
    version,
    max_term_width = 100,
    infer_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Who connects to whom, what is lost, dropped, reset or refused, as it happens
    Watch(Box<watch::args::Watch>),
    /// The live socket table: ss's flags and filters, in every namespace, with processes and containers
    Ss(Box<ss::args::Ss>),
    /// What this kernel and these privileges allow, and what to do about the rest
    Doctor(doctor::Doctor),
    /// Echoes to one or many hosts: round trips, loss, and who says what went wrong
    #[command(after_help = EXIT_PROBES)]
    Ping(Box<ping::Ping>),
    /// Handshakes with a TCP port: open, refused, filtered or unreachable, and by whom
    #[command(after_help = EXIT_PROBES)]
    Tcping(Box<tcping::Tcping>),
    /// The way to a host, hop by hop, and where it ends
    #[command(visible_aliases = ["trace", "tracert"], after_help = EXIT_PROBES)]
    Traceroute(Box<trace::Trace>),
    /// Ports of a host: open, closed or filtered, many at once
    #[command(after_help = EXIT_PROBES)]
    Scan(Box<scan::Scan>),
    /// Talk to a port, or serve one: standard input goes out, answers come out
    #[command(after_help = EXIT_PROBES)]
    Connect(Box<connect::Connect>),
    /// The way to a host, again and again: loss and times of every hop
    #[command(after_help = EXIT_PROBES)]
    Mtr(Box<mtr::Mtr>),
    /// What the node has: links, addresses, routes, neighbours, firewall, limits ...
    Show(show::Show),
    /// Ask name servers: answers, times, and what a "no" means
    #[command(after_help = EXIT_ASK)]
    Dns(Box<dns::Dns>),
    /// Shake hands by TLS: times, versions, the certificates and what is wrong with them
    #[command(after_help = EXIT_ASK)]
    Tls(Box<tls::Tls>),
    /// Fetch a URL: status, headers, body, and where the time went
    #[command(after_help = EXIT_ASK)]
    Http(Box<http::Http>),
    /// Packets of interfaces or files: tcpdump's filters, flags and lines
    Dump(Box<dump::args::Dump>),
}

/// Exit statuses of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Done = 0,
    /// The answer is "no".
    No = 1,
    Usage = 2,
    /// A privilege or a kernel feature is missing.
    Missing = 3,
    Other = 4,
}

/// An error that knows its exit status.
#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    pub error: anyhow::Error,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            status: Status::Other,
            error: error.into(),
        }
    }
}

impl Failure {
    pub fn new(status: Status, text: impl Into<String>) -> Self {
        Self {
            status,
            error: anyhow::Error::msg(text.into()),
        }
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let result = match cli.command {
        Command::Watch(args) => watch::run(&args),
        Command::Ss(args) => ss::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Ping(args) => ping::run(&args),
        Command::Tcping(args) => tcping::run(&args),
        Command::Traceroute(args) => trace::run(&args),
        Command::Scan(args) => scan::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Mtr(args) => mtr::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Dns(args) => dns::run(&args),
        Command::Tls(args) => tls::run(&args),
        Command::Http(args) => http::run(&args),
        Command::Dump(args) => dump::run(&args),
    };
    match result {
        Ok(status) => ExitCode::from(status as u8),
        Err(failure) => {
            // A malformed filter is shown with a mark below it: lines stay lines.
            let text = in_words(&failure.error);
            let lines: Vec<_> = text.split('\n').map(escape).collect();
            tell(&format!("netobs: {}", lines.join("\n")));
            ExitCode::from(failure.status as u8)
        }
    }
}

/// An error and its causes, each said once: some errors name their cause themselves.
fn in_words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A value that is none is one clear line; all else is told as clap tells it.
fn misused(error: &clap::Error) -> ExitCode {
    if error.kind() == clap::error::ErrorKind::ValueValidation {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let whole = text.split("\n\nFor more information").next();
        tell(&format!("netobs: {}", whole.unwrap_or(text).trim_end()));
        return ExitCode::from(Status::Usage as u8);
    }
    error.exit()
}
