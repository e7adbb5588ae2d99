//! Checks of the source: form, words, lints, layers, dependencies.

use std::io::IsTerminal as _;

use anyhow::Result;

use super::steps::Steps;
use super::tools::{DENY, MACHETE, TYPOS};
use crate::rustc::Rustc;
use crate::{cmd, layers};

/// Those that need no tool beyond the toolchain.
pub fn quick(steps: &mut Steps) {
    steps.check("fmt", fmt);
    steps.check("clippy", clippy);
    steps.check("layers", layers::run);
}

/// All, in CI's order.
pub fn all(steps: &mut Steps) {
    steps.check("fmt", fmt);
    steps.check("typos", || cmd::run(&mut TYPOS.command(&Rustc::find()?)?));
    steps.check("clippy", clippy);
    steps.check("layers", layers::run);
    // Advisories come from a git host, not from the registry: `cargo deny check advisories` by hand.
    steps.check("deny (licenses, bans, sources; no advisories)", || {
        cmd::run(DENY.command(&Rustc::find()?)?.args([
            "--workspace",
            "check",
            "--show-stats",
            "licenses",
            "bans",
            "sources",
        ]))
    });
    steps.check("machete", || {
        cmd::run(&mut MACHETE.command(&Rustc::find()?)?)
    });
}

fn fmt() -> Result<()> {
    let mut cargo = Rustc::find()?.cargo();
    cargo.args(["fmt", "--all", "--check"]);
    if !std::io::stdout().is_terminal() {
        // rustfmt colours even what goes to a file.
        cargo.args(["--", "--color", "never"]);
    }
    cmd::run(&mut cargo)
}

fn clippy() -> Result<()> {
    cmd::run(Rustc::find()?.cargo().args([
        "clippy",
        "--quiet",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}
