//! The BPF object: built the same to the byte everywhere, committed, and checked against its source.

mod build;
mod calls;
mod library;
mod linker;
mod stamp;
mod strip;
mod sysroot;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::paths;
use crate::rustc::Rustc;
use stamp::Stamp;

/// Arguments of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub struct Args {
    /// Compare with the committed object instead of replacing it
    #[arg(long)]
    check: bool,
    /// Run clippy on the programs, and build nothing
    #[arg(long, conflicts_with = "check")]
    lint: bool,
}

/// How a build relates to the committed object.
pub enum Outcome {
    /// The committed object is the same to the byte.
    Committed,
    /// Built with another compiler: tests must load this one.
    Fresh(PathBuf),
}

/// Builds, then writes or compares.
pub fn run(args: &Args) -> Result<()> {
    match args {
        Args { lint: true, .. } => lint(),
        Args { check: true, .. } => check().map(|_| ()),
        Args { .. } => write(),
    }
}

/// Clippy for the BPF target.
pub fn lint() -> Result<()> {
    let rustc = Rustc::find()?;
    build::clippy(&rustc, &sysroot::prepare(&rustc, &cache(&rustc))?)
}

/// Rebuilds and compares with the committed object, if it was made with the same compiler.
pub fn check() -> Result<Outcome> {
    let (object, stamp) = build()?;
    let committed = Stamp::read(&paths::committed_stamp())?;
    if !stamp.same_tools(&committed) {
        println!("the committed object was made with {committed}");
        println!("this is                           {stamp}");
        println!(
            "bytes were NOT compared; the fresh object is at {}",
            paths::fresh_object().display()
        );
        return Ok(Outcome::Fresh(paths::fresh_object()));
    }
    let old = read(&paths::committed_object())?;
    if old != object || stamp.sha256 != committed.sha256 {
        bail!(
            "netobs/bpf/netobs.bpf.o is not what its source gives ({} bytes committed, {} built, sha256 {}); \
             run `cargo xtask ebpf` and commit the result",
            old.len(),
            object.len(),
            stamp.sha256
        );
    }
    if read(&paths::committed_probes())? != strip::probes(&object)? {
        bail!(
            "netobs/bpf/probes.bpf.o is not a part of netobs.bpf.o; run `cargo xtask ebpf` and commit the result"
        );
    }
    println!(
        "netobs/bpf/netobs.bpf.o: {} bytes, the same as committed",
        object.len()
    );
    Ok(Outcome::Committed)
}

fn write() -> Result<()> {
    let (object, stamp) = build()?;
    let file = paths::committed_object();
    fs::create_dir_all(file.parent().context("the object has a folder")?)?;
    fs::write(&file, &object).with_context(|| format!("write {}", file.display()))?;
    let probes = paths::committed_probes();
    fs::write(&probes, strip::probes(&object)?)
        .with_context(|| format!("write {}", probes.display()))?;
    stamp.write(&paths::committed_stamp())?;
    println!("netobs/bpf/netobs.bpf.o: {} bytes, {stamp}", object.len());
    Ok(())
}

fn build() -> Result<(Vec<u8>, Stamp)> {
    let rustc = Rustc::find()?;
    let cache = cache(&rustc);
    let library = sysroot::prepare(&rustc, &cache)?;
    let linker = linker::prepare(&rustc, &cache)?;
    let unstripped = build::object(&rustc, &library, &linker)?;
    let object = strip::debug_sections(&read(&unstripped)?)?;
    calls::none_in_typed_programs(&object)?;
    let fresh = paths::fresh_object();
    fs::create_dir_all(fresh.parent().context("the object has a folder")?)?;
    fs::write(&fresh, &object).with_context(|| format!("write {}", fresh.display()))?;
    let stamp = Stamp::of(&rustc, linker::VERSION, &object);
    Ok((object, stamp))
}

fn cache(rustc: &Rustc) -> PathBuf {
    paths::target().join("bpf-toolchain").join(&rustc.release)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("read {}", file.display()))
}
