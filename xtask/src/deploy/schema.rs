//! The manifest against Kubernetes' own schema, offline: `kubernetes-validate` from `PyPI` carries the schemas.
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::scratch;

const PACKAGE: &str = "kubernetes-validate";
const MODULE: &str = "kubernetes_validate";
/// The oldest release that the manifest names, and the newest that the package knows.
const OLDEST: &[&str] = &["--kubernetes-version", "1.27"];
const NEWEST: &[&str] = &[];

/// Strict: a field that the schema does not know is an error. A broken manifest must be refused, or nothing was checked.
pub fn validate(text: &str) -> Result<()> {
    let python = install()?;
    for version in [OLDEST, NEWEST] {
        accepted(&python, version, text)?;
    }
    let broken = text.replace("hostPID: true", "hostPid: true");
    ensure!(
        accepted(&python, NEWEST, &broken).is_err(),
        "the validator accepts a field that does not exist"
    );
    Ok(())
}

fn accepted(python: &Path, version: &[&str], text: &str) -> Result<()> {
    let file = scratch()?.join("manifest.yaml");
    std::fs::write(&file, text)?;
    run(Command::new(python)
        .args(["-m", MODULE, "--strict"])
        .args(version)
        .arg(&file))
}

/// Into a virtual environment of its own, once; its Python is the answer. Called as a module: the scripts of an environment
/// name the place where it was made, and target/ may have moved.
fn install() -> Result<PathBuf> {
    let place = scratch()?.join("venv");
    let python = place.join("bin/python3");
    let there = Command::new(&python)
        .args(["-m", MODULE, "--version"])
        .output();
    if there.is_ok_and(|out| out.status.success()) {
        return Ok(python);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&place))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]))?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let out = command
        .output()
        .with_context(|| format!("start {name}: is it installed?"))?;
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    ensure!(out.status.success(), "{command:?}: {}", said.trim());
    Ok(())
}
