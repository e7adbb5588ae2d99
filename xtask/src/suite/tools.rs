//! Pinned cargo tools from the crates registry, kept under target/tools.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::clock::Watch;
use crate::rustc::Rustc;
use crate::{cmd, paths};

/// A tool at one version, so that a new lint of theirs is our decision.
pub struct Tool {
    pub package: &'static str,
    pub binary: &'static str,
    pub version: &'static str,
}

pub const TYPOS: Tool = Tool {
    package: "typos-cli",
    binary: "typos",
    version: "1.52",
};
pub const DENY: Tool = Tool {
    package: "cargo-deny",
    binary: "cargo-deny",
    version: "0.20",
};
pub const MACHETE: Tool = Tool {
    package: "cargo-machete",
    binary: "cargo-machete",
    version: "0.9",
};

impl Tool {
    /// Ready to be given arguments, installed first when missing.
    pub fn command(&self, rustc: &Rustc) -> Result<Command> {
        let mut command = Command::new(self.install(rustc)?);
        command
            .current_dir(paths::root())
            .env("CARGO", &rustc.cargo)
            .env("RUSTC", &rustc.program);
        Ok(command)
    }

    fn install(&self, rustc: &Rustc) -> Result<PathBuf> {
        let root = paths::target()
            .join("tools")
            .join(format!("{}-{}", self.package, self.version));
        let binary = root.join("bin").join(self.binary);
        if !binary.is_file() {
            let watch = Watch::start();
            let build = paths::target().join("tools/build");
            let mut cargo = rustc.cargo();
            // Unoptimized: they run for a second, and compiling them well takes minutes.
            cargo
                .env("CARGO_PROFILE_DEV_DEBUG", "0")
                .env("CARGO_INCREMENTAL", "0");
            cargo.args([
                "install",
                "--debug",
                "--quiet",
                "--locked",
                "--no-track",
                self.package,
                "--version",
                &format!("~{}", self.version),
            ]);
            cmd::run(
                cargo
                    .arg("--root")
                    .arg(&root)
                    .arg("--target-dir")
                    .arg(&build),
            )
            .with_context(|| format!("install {} {}", self.package, self.version))?;
            println!(
                "installed {} {} in {:.0?}",
                self.package,
                self.version,
                watch.elapsed()
            );
        }
        Ok(binary)
    }
}
