//! libcore and `compiler_builtins` for the BPF target, which no release of Rust ships compiled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::library;
use crate::cmd;
use crate::rustc::Rustc;

pub const TARGET: &str = "bpfel-unknown-none";

/// Returns a sysroot for the BPF target, made once for each compiler.
pub fn prepare(rustc: &Rustc, cache: &Path) -> Result<PathBuf> {
    let sysroot = cache.join("sysroot");
    let lib = sysroot.join(format!("lib/rustlib/{TARGET}/lib"));
    let made_with = sysroot.join("commit-hash");
    if fs::read_to_string(&made_with).is_ok_and(|hash| hash == rustc.commit_hash) {
        return Ok(sysroot);
    }
    let library = library::find(rustc, cache)?;
    println!("compiling libcore {} for {TARGET}", rustc.release);
    fs::create_dir_all(&lib)?;
    compile(rustc, &library, &lib, "core", "core/src/lib.rs", &[])?;
    let core = format!("core={}", lib.join("libcore-bpf.rlib").display());
    let sys = sysroot.display().to_string();
    let with_core = [
        "--sysroot",
        &sys,
        "--extern",
        &core,
        "--cfg",
        "feature=\"compiler-builtins\"",
        "--cfg",
        "feature=\"rustc-dep-of-std\"",
    ];
    compile(
        rustc,
        &library,
        &lib,
        "compiler_builtins",
        "compiler-builtins/compiler-builtins/src/lib.rs",
        &with_core,
    )?;
    fs::write(made_with, &rustc.commit_hash)?;
    Ok(sysroot)
}

fn compile(
    rustc: &Rustc,
    library: &Path,
    out: &Path,
    name: &str,
    file: &str,
    more: &[&str],
) -> Result<()> {
    let mut command = Command::new(&rustc.program);
    // Building core needs features that stable gates; the bytes are those of the stable compiler.
    command.env("RUSTC_BOOTSTRAP", "1");
    command.args(["--crate-name", name]).arg(library.join(file));
    command.args([
        "--edition",
        "2024",
        "--crate-type",
        "rlib",
        "--target",
        TARGET,
        "--cap-lints",
        "allow",
    ]);
    command.args([
        "-Zforce-unstable-if-unmarked",
        "-Copt-level=3",
        "-Cdebuginfo=2",
        "-Cpanic=abort",
        "-Ccodegen-units=1",
    ]);
    command
        .args(["-Cmetadata=bpf", "-Cextra-filename=-bpf"])
        .arg("--out-dir")
        .arg(out);
    command.arg(format!(
        "--remap-path-prefix={}=/rust/library",
        library.display()
    ));
    cmd::run(command.args(more))
}
