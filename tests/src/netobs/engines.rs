//! The probing commands by one engine: a lab that imports one of these as `probe` runs by it, and what is said must name it.

use std::process::Child;

use anyhow::{Result, ensure};

use super::probe::{self, Probed};
use crate::netns::Netns;

/// Commands that take an engine; with these flags they do without.
const COMMANDS: [&str; 5] = ["ping", "tcping", "traceroute", "mtr", "scan"];
const OTHERS: [&str; 2] = ["--engine", "--connect"];

/// Whether `args` leave the choice of an engine.
fn is_open(args: &[&str]) -> bool {
    let first = args.first().copied().unwrap_or_default();
    let chosen = args.iter().any(|arg| OTHERS.contains(arg));
    COMMANDS.contains(&first) && !chosen
}

fn with<'a>(engine: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    match args {
        [command, rest @ ..] if is_open(args) => [&[*command, "--engine", engine], rest].concat(),
        _ => args.to_vec(),
    }
}

fn json(engine: &str, ns: &Netns, args: &[&str]) -> Result<Probed> {
    let said = probe::json(ns, &with(engine, args))?;
    let whole = args.first() == Some(&"tcping") && !args.contains(&"--syn");
    // Whole handshakes are the system's: without the edge no socket of ours stamps them.
    let wanted = if whole && engine == "raw" {
        "connect"
    } else {
        engine
    };
    for named in said
        .objects
        .iter()
        .filter_map(|object| object.get("engine"))
    {
        ensure!(
            !is_open(args) || named.as_str() == Some(wanted),
            "{args:?} by {engine} names {named}"
        );
    }
    Ok(said)
}

macro_rules! engine {
    ($name:ident) => {
        pub mod $name {
            pub use super::super::probe::{Probed, as_nobody};
            use super::*;

            pub const ENGINE: &str = stringify!($name);

            /// Runs `netobs` in a namespace; `--json` is added.
            pub fn json(ns: &Netns, args: &[&str]) -> Result<Probed> {
                super::json(ENGINE, ns, args)
            }

            /// The same for people.
            pub fn text(ns: &Netns, args: &[&str]) -> Result<Probed> {
                probe::text(ns, &with(ENGINE, args))
            }

            /// A running command.
            pub fn start(ns: &Netns, args: &[&str]) -> Result<Child> {
                probe::start(ns, &with(ENGINE, args))
            }
        }
    };
}

engine!(raw);
engine!(kernel);
