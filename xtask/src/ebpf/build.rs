//! Compiling netobs-ebpf: no path of the machine and no flag of the caller may reach the bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::sysroot::TARGET;
use crate::rustc::Rustc;
use crate::{cmd, paths};

/// Builds and returns the linked object, debug sections still inside.
pub fn object(rustc: &Rustc, sysroot: &Path, linker: &Path) -> Result<PathBuf> {
    // The registry's folder must exist before its name can be mapped away.
    cmd::run(rustc.cargo().args(["fetch", "--quiet", "--locked"]))
        .context("fetch the dependencies")?;
    let mut cargo = for_bpf(rustc, sysroot, "build");
    cargo.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker);
    cmd::run(&mut cargo).context("build the BPF object")?;
    Ok(paths::target().join(TARGET).join("bpf/netobs-bpf"))
}

/// The lints of the programs themselves, which a look at the workspace for this machine leaves out.
pub fn clippy(rustc: &Rustc, sysroot: &Path) -> Result<()> {
    cmd::run(for_bpf(rustc, sysroot, "clippy").args(["--", "-D", "warnings"]))
}

fn for_bpf(rustc: &Rustc, sysroot: &Path, subcommand: &str) -> Command {
    let package = ["--package", "netobs-ebpf", "--bin", "netobs-bpf"];
    let mut cargo = rustc.cargo();
    cargo.args([subcommand, "--quiet", "--locked"]);
    cargo.args(package).args(["--features", "bpf"]);
    cargo.args(["--profile", "bpf", "--target", TARGET]);
    cargo.arg("--target-dir").arg(paths::target());
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env("CARGO_INCREMENTAL", "0");
    let flags = flags(rustc, sysroot).join("\u{1f}");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    cargo
}

fn flags(rustc: &Rustc, sysroot: &Path) -> Vec<String> {
    let mut flags = vec![
        format!("--sysroot={}", sysroot.display()),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // Else every small array that is zeroed becomes a call to memset: slow, and see calls.rs.
        "-Clink-arg=--disable-expand-memcpy-in-order".to_owned(),
        format!("--cfg=bpf_target_arch=\"{}\"", rustc.host_arch()),
        format!(
            "--check-cfg=cfg(bpf_target_arch,values(\"{}\"))",
            rustc.host_arch()
        ),
    ];
    flags.extend(
        remaps()
            .into_iter()
            .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())),
    );
    flags
}

/// The last match wins in rustc, so the longer prefixes come last.
fn remaps() -> Vec<(PathBuf, &'static str)> {
    let home = paths::cargo_home();
    let mut remaps = vec![
        (home.clone(), "/cargo"),
        (paths::root(), "/netobs"),
        (paths::target(), "/target"),
    ];
    // A mirror of the registry has another folder name.
    let registries = fs::read_dir(home.join("registry/src"))
        .into_iter()
        .flatten()
        .flatten();
    remaps.extend(registries.map(|entry| (entry.path(), "/cargo/registry")));
    remaps
}
