//! The compiler at hand, called directly: no proxy that might download another one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cmd;

/// What `rustc -vV` tells, and where its files are.
pub struct Rustc {
    pub program: PathBuf,
    pub cargo: PathBuf,
    /// `1.95.0`
    pub release: String,
    pub commit_hash: String,
    /// `22.1.2`
    pub llvm: String,
    pub host: String,
    pub sysroot: PathBuf,
}

impl Rustc {
    /// Asks the compiler that belongs to the cargo this task runs under.
    pub fn find() -> Result<Self> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let cargo = named("CARGO").unwrap_or_else(|| "cargo".into());
        let beside = cargo.with_file_name("rustc");
        let program = named("RUSTC").unwrap_or(if cargo.is_absolute() && beside.is_file() {
            beside
        } else {
            "rustc".into()
        });
        let verbose = cmd::output(Command::new(&program).arg("-vV"))?;
        let field = |name: &str| {
            let line = verbose
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(str::to_owned)
                .with_context(|| format!("`rustc -vV` does not tell its {name}"))
        };
        let sysroot = cmd::output(Command::new(&program).args(["--print", "sysroot"]))?;
        Ok(Self {
            release: field("release")?,
            commit_hash: field("commit-hash")?,
            llvm: field("LLVM version")?,
            host: field("host")?,
            sysroot: Path::new(sysroot.trim()).to_path_buf(),
            program,
            cargo,
        })
    }

    /// `x86_64` of `x86_64-unknown-linux-gnu`.
    pub fn host_arch(&self) -> &str {
        self.host.split('-').next().unwrap_or(&self.host)
    }

    /// A cargo of the same toolchain, free of flags that the caller's environment would add.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command
            .env("RUSTC", &self.program)
            .env("RUSTUP_AUTO_INSTALL", "0")
            .current_dir(crate::paths::root());
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "CARGO_MAKEFLAGS",
        ] {
            command.env_remove(name);
        }
        // `cargo run` describes xtask's own package to it; a build script must not mistake that for its own.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_")
                || name == "CARGO_MANIFEST_DIR"
                || name == "CARGO_MANIFEST_PATH"
            {
                command.env_remove(name);
            }
        }
        command
    }
}
