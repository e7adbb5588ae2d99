//! The manifest against Kubernetes' own schema, offline: `kubernetes-validate` from `PyPI` carries the schemas.
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::scratch;

/// The oldest release that the manifest names, and the newest that the package knows.
const OLDEST: &[&str] = &["--kubernetes-version", "1.27"];
const NEWEST: &[&str] = &[];

/// Strict: a field that the schema does not know is an error. A broken manifest must be refused, or nothing was checked.
pub fn validate(text: &str) -> Result<()> {
    let tool = install()?;
    for version in [OLDEST, NEWEST] {
        accepted(&tool, version, text)?;
    }
    let broken = text.replace("hostPID: true", "hostPid: true");
    ensure!(
        accepted(&tool, NEWEST, &broken).is_err(),
        "the validator accepts a field that does not exist"
    );
    Ok(())
}

fn accepted(tool: &PathBuf, version: &[&str], text: &str) -> Result<()> {
    let file = scratch()?.join("manifest.yaml");
    std::fs::write(&file, text)?;
    let out = Command::new(tool)
        .arg("--strict")
        .args(version)
        .arg(&file)
        .output()?;
    ensure!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).trim()
    );
    Ok(())
}

/// Into a virtual environment of its own, once.
fn install() -> Result<PathBuf> {
    let place = scratch()?.join("venv");
    let tool = place.join("bin/kubernetes-validate");
    if tool.is_file() {
        return Ok(tool);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    run(Command::new(place.join("bin/pip")).args(["install", "--quiet", "kubernetes-validate"]))?;
    ensure!(tool.is_file(), "pip installed no {}", tool.display());
    Ok(tool)
}

fn run(command: &mut Command) -> Result<()> {
    let name = format!("{command:?}");
    let out = command
        .output()
        .with_context(|| format!("start {name}: is it installed?"))?;
    if !out.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
}
