//! The source of libcore for the compiler at hand: its own rust-src, a local copy, or Debian's package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::apt::PrivateApt;
use crate::rustc::Rustc;
use crate::{cmd, paths};

/// Suites that carry recent compilers.
const SUITES: [&str; 2] = ["trixie-backports", "trixie"];

/// The `library` directory of exactly this compiler's release.
pub fn find(rustc: &Rustc, cache: &Path) -> Result<PathBuf> {
    let own = rustc.sysroot.join("lib/rustlib/src/rust/library");
    if is_library(&own) {
        return Ok(own);
    }
    let cached = cache.join("library");
    if is_library(&cached) {
        return Ok(cached);
    }
    fs::create_dir_all(cache)?;
    if let Some(named) = std::env::var_os("NETOBS_RUST_SRC") {
        if let Some(library) = local(Path::new(&named), rustc, cache)? {
            return Ok(library);
        }
        println!(
            "NETOBS_RUST_SRC holds neither a library directory nor core-{}.tar.xz",
            rustc.release
        );
    }
    debian(rustc, cache)?;
    ensure!(
        is_library(&cached),
        "Debian's rust-src {} unpacked to something unknown",
        rustc.release
    );
    Ok(cached)
}

fn is_library(dir: &Path) -> bool {
    dir.join("core/src/lib.rs").is_file()
        && dir
            .join("compiler-builtins/compiler-builtins/src/lib.rs")
            .is_file()
}

fn local(named: &Path, rustc: &Rustc, cache: &Path) -> Result<Option<PathBuf>> {
    if let Some(dir) = [named.to_path_buf(), named.join("library")]
        .into_iter()
        .find(|dir| is_library(dir))
    {
        return Ok(Some(dir));
    }
    let archive = named.join(format!("core-{}.tar.xz", rustc.release));
    if !archive.is_file() {
        return Ok(None);
    }
    cmd::run(
        Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(cache),
    )?;
    let library = cache.join("library");
    ensure!(
        is_library(&library),
        "{} holds no library/core",
        archive.display()
    );
    Ok(Some(library))
}

fn debian(rustc: &Rustc, cache: &Path) -> Result<()> {
    println!(
        "fetching the source of libcore {} from Debian's rust-src",
        rustc.release
    );
    let apt = PrivateApt::open(&paths::target().join("apt/rust"), &SUITES)?;
    let offered = apt.versions("rust-src")?;
    let exact = offered
        .iter()
        .find(|version| version.split(['+', '-', '~']).next() == Some(&rustc.release));
    let Some(version) = exact else {
        bail!(
            "Debian offers rust-src {}, but this is rustc {}; install the rust-src component, \
             or let NETOBS_RUST_SRC name a copy of its library directory",
            offered.join(", "),
            rustc.release
        );
    };
    let unpacked = cache.join("rust-src");
    apt.unpack(&format!("rust-src={version}"), &unpacked)
        .context("unpack rust-src")?;
    fs::rename(
        unpacked.join(format!("usr/src/rustc-{}/library", rustc.release)),
        cache.join("library"),
    )
    .context("find the library directory in rust-src")?;
    fs::remove_dir_all(unpacked).context("remove what is left of rust-src")
}
