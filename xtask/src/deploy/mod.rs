//! The container image and the Kubernetes manifest, tried on this host: `deploy::test()`.
mod connector;
mod manifest;
mod podman;
mod schema;
mod seccomp;
mod trial;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// How many checks passed and failed; each failure has been told on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Counts {
    /// Runs one check, tells its outcome and returns whether it passed.
    fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) -> bool {
        let outcome = check();
        let mut stderr = io::stderr().lock();
        // A closed stderr loses the telling, not the count.
        match &outcome {
            Ok(()) => {
                self.passed += 1;
                writeln!(stderr, "deploy: {name} ... ok").ok();
            }
            Err(error) => {
                self.failed += 1;
                writeln!(stderr, "deploy: {name} ... FAILED: {error:#}").ok();
            }
        }
        outcome.is_ok()
    }
}

/// All checks. Needs root, podman, Python with venv and a package registry; what is missing fails its check by name.
pub fn test() -> Result<Counts> {
    let mut counts = Counts::default();
    let text = std::fs::read_to_string(workspace().join("deploy/daemonset.yaml"))?;
    let manifest = manifest::read(&text)?;
    counts.check("manifest asks for no more than it says", || {
        manifest.is_modest()
    });
    counts.check("manifest fits the Kubernetes schema", || {
        schema::validate(&text)
    });
    if !counts.check("image builds", podman::build) {
        // Without an image, the rest would fail for no reason of its own.
        return Ok(counts);
    }
    counts.check("image holds one file", podman::holds_one_file);
    trial::run(&manifest, &mut counts);
    counts.check("images are removed", podman::clean);
    Ok(counts)
}

/// The command line's view of [`test`].
pub fn run() -> Result<()> {
    let counts = test()?;
    writeln!(
        io::stdout(),
        "deploy: {} passed, {} failed",
        counts.passed,
        counts.failed
    )?;
    ensure!(
        counts.failed == 0,
        "{} of the deploy checks failed",
        counts.failed
    );
    Ok(())
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// A directory of the test's own below target/.
fn scratch() -> Result<PathBuf> {
    let place = target().join("deploy");
    std::fs::create_dir_all(&place).with_context(|| format!("create {}", place.display()))?;
    Ok(place)
}

/// The binary under test: `NETOBS_BIN`, else the release build.
fn netobs() -> Result<PathBuf> {
    let built = target().join("release-static/netobs");
    let binary = env::var_os("NETOBS_BIN").map_or(built, PathBuf::from);
    ensure!(
        binary.is_file(),
        "{} is not there: run cargo xtask release",
        binary.display()
    );
    Ok(binary)
}
