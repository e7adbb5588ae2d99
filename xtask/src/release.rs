//! The release binary: static, so that it runs in an empty container and on any distribution.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use object::elf;
use object::read::elf::{ElfFile64, ProgramHeader as _};

use crate::paths;
use crate::rustc::Rustc;
use crate::{clock::Watch, cmd};

pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds and tells what it is.
pub fn run() -> Result<()> {
    let watch = Watch::start();
    let binary = build()?;
    let size = fs::metadata(&binary)?.len();
    println!(
        "{}: static, {}.{:02} MB, {:.0?}",
        binary.display(),
        size / 1_000_000,
        size % 1_000_000 / 10_000,
        watch.elapsed()
    );
    Ok(())
}

/// Builds target/release-static/netobs and returns its path.
pub fn build() -> Result<PathBuf> {
    let mut cargo = Rustc::find()?.cargo();
    cargo.args([
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "netobs",
        "--bin",
        "netobs",
        "--target",
        TARGET,
    ]);
    cmd::run(static_linking(
        cargo.arg("--target-dir").arg(paths::target()),
    ))?;
    let built = paths::target().join(TARGET).join("release/netobs");
    ensure_static(&built)?;
    let binary = paths::target().join("release-static/netobs");
    fs::create_dir_all(binary.parent().context("the binary has a folder")?)?;
    // Renamed into place: a copy that is running cannot be written over.
    let aside = binary.with_extension("new");
    fs::copy(&built, &aside)?;
    fs::rename(aside, &binary)?;
    Ok(binary)
}

/// Makes cargo link the C library statically; build scripts and macros stay dynamic since a target is named.
pub fn static_linking(cargo: &mut std::process::Command) -> &mut std::process::Command {
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
}

/// Makes cargo build the labs as the virtual machines of the kernel matrix need them; on the host the same build is run.
pub fn static_labs(cargo: &mut std::process::Command) -> &mut std::process::Command {
    cargo
        .args(["--target", TARGET, "--target-dir"])
        .arg(paths::target());
    // The initramfs lies in the machine's memory: leave out what only a debugger reads.
    cargo
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        .env("CARGO_PROFILE_TEST_STRIP", "symbols");
    static_linking(cargo)
}

/// Asks the file, not the flags.
pub fn ensure_static(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary).with_context(|| format!("read {}", binary.display()))?;
    let file: ElfFile64<'_> = ElfFile64::parse(bytes.as_slice()).context("parse the binary")?;
    let endian = file.endian();
    let interpreter = file
        .elf_program_headers()
        .iter()
        .any(|header| header.p_type(endian) == elf::PT_INTERP);
    ensure!(
        !interpreter,
        "{} asks for a dynamic loader",
        binary.display()
    );
    Ok(())
}
