//! Targets built as `cargo fuzz` builds them, by stable Rust and beside the ordinary build, whose dependencies are used again.

use std::path::PathBuf;

use anyhow::Result;

use super::Target;
use crate::rustc::Rustc;
use crate::{cmd, paths};

/// Builds them; only packages of the workspace, libFuzzer and what it brings are compiled.
pub fn targets(targets: &[Target]) -> Result<()> {
    let mut cargo = Rustc::find()?.cargo();
    // Packages as for unit tests, so that features of dependencies, and with them their builds, are the same.
    cargo.args(["build", "--quiet", "--locked", "--workspace", "--exclude"]);
    cargo.args(["netobs-tests", "--features", "netobs-fuzz/libfuzzer"]);
    for target in targets {
        cargo.args(["--bin", target.name]);
    }
    cargo
        .arg("--target-dir")
        .arg(paths::target())
        // Half of the time; nobody builds them twice for a small change.
        .env("CARGO_INCREMENTAL", "0")
        // Of packages of the workspace alone; cargo keeps what it makes apart from what rustc makes by itself.
        .env(
            "RUSTC_WORKSPACE_WRAPPER",
            paths::root().join("tests/fuzz/rustc"),
        );
    cmd::run(&mut cargo)
}

/// The executable of a target.
pub fn binary(target: Target) -> PathBuf {
    paths::target().join("debug").join(target.name)
}
