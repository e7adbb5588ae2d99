//! A capture that runs in a namespace: started, ended as by Ctrl-C, and its figures read.
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::clock::Deadline;
use crate::bench::cost::scratch;

pub struct Running {
    child: Child,
    said: PathBuf,
}

/// What it tells at its end.
pub struct Figures {
    pub captured: u64,
    pub lost: u64,
}

impl Running {
    pub fn start(ns: &Netns, argv: &[String], stdout: impl Into<Stdio>) -> Result<Self> {
        let said = scratch("capture.said")?;
        let child = Command::new("nsenter")
            .arg(format!("--net={}", ns.path()))
            .args(argv)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(File::create(&said)?)
            .spawn()
            .with_context(|| format!("start {argv:?}"))?;
        Ok(Self { child, said })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn listens(&self) -> Result<()> {
        const WAIT: Duration = Duration::from_secs(5);
        let listens = Deadline::after(WAIT).poll(Duration::from_millis(5), || {
            Ok(self.words()?.contains("listening on"))
        })?;
        ensure!(listens, "it does not listen: {}", self.words()?);
        Ok(())
    }

    fn words(&self) -> Result<String> {
        fs::read_to_string(&self.said).context("read what a tool says")
    }

    pub fn end(mut self) -> Result<Figures> {
        kill(Pid::from_raw(self.pid().cast_signed()), Signal::SIGINT)?;
        self.child.wait()?;
        let words = self.words()?;
        let before = |endings: [&str; 2]| {
            let mut parts = words.split([',', '\n']);
            let part = parts.find(|part| endings.iter().any(|ending| part.contains(ending)))?;
            part.split_whitespace().find_map(|word| word.parse().ok())
        };
        let captured = before([" packets captured", " packet captured"]);
        let lost = before([" lost by the kernel", " dropped by kernel"]);
        let figures = captured.zip(lost);
        let (captured, lost) = figures.with_context(|| format!("it tells no figures: {words}"))?;
        fs::remove_file(&self.said)?;
        Ok(Figures { captured, lost })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is what we want.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
