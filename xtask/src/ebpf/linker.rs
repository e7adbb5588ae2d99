//! bpf-linker: one pinned version, run with the libLLVM of the compiler whose bitcode it links.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cmd;
use crate::rustc::Rustc;

pub const VERSION: &str = "0.10.4";

/// Returns a program to give to rustc as linker, installed once for each compiler.
pub fn prepare(rustc: &Rustc, cache: &Path) -> Result<PathBuf> {
    let root = cache.join(format!("bpf-linker-{VERSION}"));
    let binary = root.join("bin/bpf-linker");
    if !binary.is_file() {
        install(rustc, cache, &root)?;
    }
    wrapper(rustc, &root, &binary)
}

fn install(rustc: &Rustc, cache: &Path, root: &Path) -> Result<()> {
    println!("installing bpf-linker {VERSION}");
    let major = rustc.llvm.split('.').next().unwrap_or("22");
    let build = cache.join("build");
    let mut cargo = rustc.cargo();
    // Unoptimized: LLVM does the work, and compiling the rest well takes half a minute more.
    for (name, value) in [
        ("DEBUG", "0"),
        ("DEBUG_ASSERTIONS", "false"),
        ("OVERFLOW_CHECKS", "false"),
    ] {
        cargo.env(format!("CARGO_PROFILE_DEV_{name}"), value);
    }
    cargo.env("CARGO_INCREMENTAL", "0");
    cargo.args([
        "install",
        "--debug",
        "--quiet",
        "--locked",
        "bpf-linker",
        "--version",
        VERSION,
        "--no-track",
    ]);
    cargo.args([
        "--no-default-features",
        "--features",
        &format!("llvm-{major},rust-llvm-{major}"),
    ]);
    cargo
        .arg("--root")
        .arg(root)
        .arg("--target-dir")
        .arg(&build);
    cmd::run(&mut cargo)
        .with_context(|| format!("bpf-linker {VERSION} for LLVM {}", rustc.llvm))?;
    fs::remove_dir_all(build).context("remove the build directory of bpf-linker")
}

fn wrapper(rustc: &Rustc, root: &Path, binary: &Path) -> Result<PathBuf> {
    let script = root.join("link");
    let lib = rustc.sysroot.join("lib");
    let text = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n",
        lib.display(),
        binary.display()
    );
    // Unchanged is left alone: writing a file that another build is executing would fail.
    if fs::read_to_string(&script).ok().as_ref() != Some(&text) {
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    Ok(script)
}
