//! `netobs show`: what this node's network is made of, in any network namespace.

mod conntrack;
mod firewall;
mod host;
mod link;
mod output;
mod route;
mod tables;

use super::{Failure, Status};
use crate::{
    host::{limits::Machine, resolver::Whose},
    netns::{Netns, NetnsError},
};
use clap::{Args, Subcommand};
use output::Output;
use std::io::ErrorKind;

#[derive(Args)]
#[command(infer_subcommands = true)]
pub struct Show {
    #[command(subcommand)]
    what: What,

    /// Network namespace: a name in /run/netns, a process id, or a path
    #[arg(long, value_name = "NAME|PID", global = true)]
    netns: Option<String>,

    /// One JSON object per line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Interfaces: state, speed, counters, queueing, XDP and TC programs
    #[command(visible_alias = "links")]
    Link,
    /// Addresses of the interfaces
    #[command(visible_alias = "address")]
    Addr,
    /// Routes of all tables, IPv4 and IPv6; `get ADDR` asks which one a packet takes
    #[command(visible_alias = "routes")]
    Route(route::Route),
    /// Neighbours: hardware addresses, states, ages
    #[command(visible_alias = "arp")]
    Neigh(tables::Neigh),
    /// Routing policy: which packets ask which table
    #[command(visible_alias = "rule")]
    Rules,
    /// Firewall: rules of nftables and iptables, counters, port forwarding and NAT
    #[command(visible_aliases = ["nft", "iptables"])]
    Firewall,
    /// Tracked connections, their translation, and how full the table is
    Conntrack(conntrack::Conntrack),
    /// How many more connections fit, and what runs out first
    #[command(visible_alias = "limit")]
    Limits,
    /// Protocol counters of the kernel, those that mean trouble first
    #[command(visible_alias = "stat")]
    Stats(host::Stats),
    /// Name resolution: order of sources, servers, search path, hosts file
    #[command(visible_alias = "dns")]
    Resolver,
}

pub fn run(args: &Show) -> Result<Status, Failure> {
    let netns = match &args.netns {
        Some(which) => Netns::find(which).map_err(|error| no_namespace(&error))?,
        None => Netns::own()?,
    };
    let mut output = Output::new(args.json, netns.inode());
    if let What::Resolver = args.what {
        // Files belong to a mount namespace, not to a network namespace: nothing to enter.
        let whose = Whose::of(args.netns.as_deref(), netns.name.as_deref(), netns.pid);
        return host::resolver(&whose, &mut output);
    }
    let machine = Machine::read();
    if args.netns.is_none() {
        return inside(args, &netns, &machine, &mut output);
    }
    netns
        .run(|| inside(args, &netns, &machine, &mut output))
        .map_err(|error| no_namespace(&error))?
}

/// Nothing there is a slip of the user; nothing we may see is a missing privilege.
fn no_namespace(error: &NetnsError) -> Failure {
    let refused = |source: &std::io::Error| source.kind() == ErrorKind::PermissionDenied;
    let status = match error {
        NetnsError::Open { source, .. } | NetnsError::Enter { source, .. } if refused(source) => {
            Status::Missing
        }
        NetnsError::Unknown(_) | NetnsError::Open { .. } | NetnsError::Enter { .. } => {
            Status::Usage
        }
        NetnsError::List(_) | NetnsError::Thread { .. } => Status::Other,
    };
    Failure::new(status, error.to_string())
}

/// In the namespace asked for.
fn inside(
    args: &Show,
    netns: &Netns,
    machine: &Machine,
    output: &mut Output,
) -> Result<Status, Failure> {
    match &args.what {
        What::Link => link::run(output),
        What::Addr => tables::addr(output),
        What::Route(route) => route::run(route, output),
        What::Neigh(neigh) => tables::neigh(neigh, output),
        What::Rules => tables::rules(output),
        What::Firewall => firewall::run(output),
        What::Conntrack(args) => conntrack::run(args, output),
        What::Limits => host::limits(args.netns.as_ref().map(|_| netns.inode()), machine, output),
        What::Stats(args) => host::stats(args, output),
        What::Resolver => Ok(Status::Done),
    }
}
