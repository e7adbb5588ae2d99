//! A probing command run to its end inside a namespace: its JSON lines, text and status.

use std::os::unix::process::CommandExt;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::binary;
use super::record::subset;
use crate::netns::Netns;

/// What it said.
#[derive(Debug)]
pub struct Probed {
    pub objects: Vec<Value>,
    pub text: String,
    pub stderr: String,
    pub status: i32,
}

impl Probed {
    fn of(output: &Output, json: bool) -> Result<Self> {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let parse =
            |line: &str| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"));
        let objects = if json {
            text.lines().map(parse).collect::<Result<_>>()?
        } else {
            Vec::new()
        };
        Ok(Self {
            objects,
            text,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().with_context(|| {
                let said = String::from_utf8_lossy(&output.stderr);
                format!("ended by a signal: {said}")
            })?,
        })
    }

    /// Objects that have every key of `wanted`.
    pub fn matching<'a>(&'a self, wanted: &'a Value) -> impl Iterator<Item = &'a Value> {
        self.objects
            .iter()
            .filter(move |object| subset(wanted, object))
    }

    pub fn count(&self, wanted: &Value) -> usize {
        self.matching(wanted).count()
    }

    /// The first that matches.
    pub fn expect(&self, wanted: &Value) -> Result<&Value> {
        self.objects
            .iter()
            .find(|object| subset(wanted, object))
            .with_context(|| format!("no object like {wanted}\n{}{}", self.text, self.stderr))
    }

    pub fn ended(self, status: i32) -> Result<Self> {
        ensure!(
            self.status == status,
            "ended with {} instead of {status}:\n{}{}",
            self.status,
            self.text,
            self.stderr
        );
        Ok(self)
    }
}

/// Runs `netobs` in a namespace; `--json` is added.
pub fn json(ns: &Netns, args: &[&str]) -> Result<Probed> {
    let args = [args, &["--json"]].concat();
    Probed::of(&run(ns, &args)?, true)
}

/// The same for people.
pub fn text(ns: &Netns, args: &[&str]) -> Result<Probed> {
    Probed::of(&run(ns, args)?, false)
}

fn run(ns: &Netns, args: &[&str]) -> Result<Output> {
    let output = || {
        let mut command = binary::command()?;
        command
            .args(args)
            .stdin(Stdio::null())
            .output()
            .context("run netobs")
    };
    ns.run(output)
}

/// As a user without privileges, from a copy of the binary.
pub fn as_nobody(ns: &Netns, args: &[&str]) -> Result<Probed> {
    let json = args.contains(&"--json");
    let output = ns.run(|| binary::run_as_nobody(args))?;
    Probed::of(&output, json)
}

/// A running command, killed when dropped.
pub fn start(ns: &Netns, args: &[&str]) -> Result<std::process::Child> {
    ns.run(|| {
        // A thread of the namespace starts it and ends at once: the child must not end with it.
        let mut fresh = std::process::Command::new(binary::path()?);
        fresh
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        fresh.spawn().context("start netobs")
    })
}
