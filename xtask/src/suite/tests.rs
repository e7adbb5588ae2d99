//! Runs unit tests and labs with cargo-nextest where it is installed, else with cargo's own runner.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};

use super::examples;
use crate::count::Count;
use crate::rustc::Rustc;
use crate::{cmd, paths, release};

/// The package of the labs.
const LABS: &str = "netobs-tests";

/// How tests are run, and which BPF object netobs loads in them.
pub struct Runner {
    rustc: Rustc,
    nextest: bool,
    object: Option<PathBuf>,
}

impl Runner {
    pub fn find(object: Option<&Path>) -> Result<Self> {
        Ok(Self {
            rustc: Rustc::find()?,
            nextest: cmd::find("cargo-nextest").is_some(),
            object: object.map(Path::to_path_buf),
        })
    }

    /// Everything but the labs.
    pub fn units(&self, filter: &[String]) -> Result<Count> {
        let packages = ["--workspace", "--exclude", LABS];
        let mut count = self.run(&packages, filter, None)?;
        // Which nextest leaves out. To find none takes rustdoc half a minute.
        if self.nextest && examples::any(&paths::root())? {
            count += self.examples(&packages)?;
        }
        Ok(count)
    }

    /// The labs, on this machine's kernel, with the static binary that users get.
    pub fn labs(&self, filter: &[String]) -> Result<Count> {
        if !cmd::is_root() {
            bail!("labs make network namespaces and load BPF: run as root");
        }
        // Most of the time of a release goes into one thread that optimizes.
        let (netobs, built) = thread::scope(|scope| {
            let labs = scope.spawn(|| self.build_labs());
            (release::build(), labs.join())
        });
        built.map_err(|_| anyhow!("the thread that builds the labs panicked"))??;
        self.run(&["--package", LABS], filter, Some(&netobs?))
    }

    fn build_labs(&self) -> Result<()> {
        let mut cargo = self.rustc.cargo();
        cargo.args(["test", "--quiet", "--locked", "--no-run", "--package", LABS]);
        cmd::run(release::static_labs(&mut cargo))
    }

    /// The examples in the documentation.
    fn examples(&self, packages: &[&str]) -> Result<Count> {
        let mut cargo = self.rustc.cargo();
        cargo
            .args(["test", "--quiet", "--locked", "--doc"])
            .args(packages);
        let (success, output) = tee(&mut cargo)?;
        let count = Count::of_libtest(&output).unwrap_or_default();
        Ok(if success || count.failed > 0 {
            count
        } else {
            Count::failure()
        })
    }

    fn run(&self, packages: &[&str], filter: &[String], netobs: Option<&Path>) -> Result<Count> {
        let mut cargo = self.rustc.cargo();
        if self.nextest {
            // Skipped tests are ignored ones; the summary names their number.
            cargo.args([
                "nextest",
                "run",
                "--locked",
                "--no-fail-fast",
                "--no-tests",
                "pass",
                "--color",
                "never",
            ]);
            if netobs.is_some() {
                // As in the kernel matrix: the kernel may skip a run of a program; nextest names what passed only then as flaky.
                cargo.args(["--retries", "1"]);
            }
        } else {
            cargo.args([
                "test",
                "--quiet",
                "--locked",
                "--no-fail-fast",
                "--color",
                "never",
            ]);
        }
        cargo.args(packages);
        if netobs.is_some() {
            release::static_labs(&mut cargo);
        }
        if !filter.is_empty() {
            cargo.arg("--").args(filter);
        }
        cargo.envs(netobs.map(|binary| ("NETOBS_BIN", binary)));
        cargo.envs(
            self.object
                .as_ref()
                .map(|object| ("NETOBS_BPF_OBJECT", object)),
        );
        let (success, output) = tee(&mut cargo)?;
        let count = if self.nextest {
            Count::of_nextest(&output)
        } else {
            Count::of_libtest(&output)
        };
        match (count, success) {
            (Some(count), true) => Ok(count),
            (Some(count), false) if count.failed > 0 => Ok(count),
            (Some(count), false) => Ok(Count { failed: 1, ..count }),
            (None, true) => Ok(Count::default()),
            (None, false) => bail!("the test runner ended without a result"),
        }
    }
}

/// Shows the output as it comes and returns it; stderr goes the way of stdout, in order.
fn tee(command: &mut Command) -> Result<(bool, String)> {
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let name = cmd::show(command);
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    // The command holds the pipe's writing end; without closing ours, reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut output = String::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        output.push_str(&line);
        output.push('\n');
    }
    Ok((child.wait()?.success(), output))
}
