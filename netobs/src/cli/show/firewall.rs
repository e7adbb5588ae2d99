//! `netobs show firewall`: the rules of `nf_tables` and of legacy iptables as one list.

use super::{
    Failure, Status,
    output::{Output, refused},
};
use crate::{
    netlink::{
        firewall::Ruleset,
        iptables, links, nftables,
        socket::{Error, ROUTE, Socket},
    },
    sinks::stream::tell,
    views::show::firewall::text,
};

pub fn run(output: &mut Output) -> Result<Status, Failure> {
    let mut socket = Socket::open(ROUTE).map_err(refused)?;
    let links = links::names(&mut socket).map_err(refused)?;
    let mut ruleset = unless_missing(nftables::all(&links), "nf_tables")?;
    ruleset.add(unless_missing(iptables::all(), "legacy iptables")?);
    ruleset.arrange();
    if output.json {
        output.rows(&ruleset.chains)?;
        output.rows(&ruleset.rules)?;
        output.rows(&ruleset.sets)?;
    } else {
        let width = output.width;
        output.say(&text(&ruleset, width))?;
    }
    if ruleset.torn {
        tell("netobs: the ruleset changed each time it was read: rules may be missing or old");
    }
    Ok(Status::Done)
}

/// A kernel without the subsystem has no rules in it.
fn unless_missing(result: Result<Ruleset, Error>, what: &str) -> Result<Ruleset, Failure> {
    match result {
        Err(error) if error.is_unsupported() => {
            tell(&format!("netobs: this kernel has no {what}: {error}"));
            Ok(Ruleset::default())
        }
        other => other.map_err(refused),
    }
}
