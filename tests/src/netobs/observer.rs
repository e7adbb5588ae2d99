//! A running `netobs watch --json`: ready before the lab begins, stopped by SIGINT, every line kept.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::binary;
use super::record::{Record, subset, tail};
use crate::lines::Lines;
use crate::netns::Netns;
use crate::{sys, wait};

/// A `netobs watch` about to start.
#[must_use]
pub struct Watch {
    command: Command,
    json: bool,
}

impl Watch {
    /// Watches these events, as JSON lines.
    pub fn json(events: &[&str]) -> Result<Self> {
        let mut watch = Self::text(events)?;
        watch.command.arg("--json");
        watch.json = true;
        Ok(watch)
    }

    /// Watches these events, as text.
    pub fn text(events: &[&str]) -> Result<Self> {
        let mut command = binary::command()?;
        command.arg("watch").args(events);
        if let Some(rung) = std::env::var_os("NETOBS_RUNG").filter(|rung| !rung.is_empty()) {
            command.arg("--rung").arg(rung);
        }
        Ok(Self {
            command,
            json: false,
        })
    }

    /// Only what happens in these namespaces.
    pub fn within(self, namespaces: &[&Netns]) -> Self {
        namespaces.iter().fold(self, |watch, ns| {
            watch.arg("--netns").arg(ns.inode().to_string())
        })
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Starts, and waits until all hooks are attached.
    pub fn start(mut self) -> Result<Observer> {
        self.command.stdout(Stdio::piped());
        self.launch()
    }

    /// Starts with standard output going elsewhere.
    pub fn start_into(mut self, output: impl Into<Stdio>) -> Result<Observer> {
        self.command.stdout(output);
        self.launch()
    }

    fn launch(mut self) -> Result<Observer> {
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start netobs")?;
        let lines = child.stdout.take().map(Lines::read);
        let stderr = Lines::read(child.stderr.take().context("stderr is piped")?);
        let mut observer = Observer {
            child,
            json: self.json,
            lines,
            parsed: RefCell::default(),
            stderr,
        };
        wait::until("netobs to say that it is watching", || observer.ready())?;
        Ok(observer)
    }
}

/// A running netobs; killed on drop.
pub struct Observer {
    child: Child,
    json: bool,
    lines: Option<Lines>,
    /// What the lines say, as far as anybody has asked.
    parsed: RefCell<Vec<Value>>,
    stderr: Lines,
}

impl Observer {
    fn ready(&mut self) -> Result<Option<()>> {
        if self
            .stderr
            .lock()
            .iter()
            .any(|line| line.starts_with("netobs: watching"))
        {
            return Ok(Some(()));
        }
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "netobs ended before it watched: {status}: {}",
                self.stderr.text()
            );
        }
        Ok(None)
    }

    /// Has it ended by itself?
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for an event that has every key of `wanted`.
    pub fn expect(&self, wanted: &Value) -> Result<Value> {
        self.expect_that(wanted, |events| {
            events.first().map(|event| (*event).clone())
        })
    }

    /// Waits until `count` events match.
    pub fn expect_count(&self, count: u64, wanted: &Value) -> Result<()> {
        self.expect_that(wanted, |events| {
            (events.len() as u64 >= count).then_some(())
        })
        .with_context(|| format!("{count} times"))
    }

    /// Waits until one key of the events that match adds up to `total`.
    pub fn expect_sum(&self, total: u64, wanted: &Value, key: &str) -> Result<()> {
        let sum = |events: &[&Value]| {
            events
                .iter()
                .filter_map(|event| event[key].as_u64())
                .sum::<u64>()
        };
        self.expect_that(wanted, |events| (sum(events) >= total).then_some(()))
            .with_context(|| format!("{key} adding up to {total}"))
    }

    fn expect_that<T>(
        &self,
        wanted: &Value,
        mut enough: impl FnMut(&[&Value]) -> Option<T>,
    ) -> Result<T> {
        wait::until(&format!("an event like {wanted}"), || {
            self.parse()?;
            let events = self.parsed.borrow();
            let matching: Vec<_> = events.iter().filter(|e| subset(wanted, e)).collect();
            Ok(enough(&matching))
        })
        .with_context(|| self.account())
    }

    /// What it said, with its counts so far: runs that the kernel skipped explain an event that never came.
    fn account(&self) -> String {
        let reported = || {
            self.parse()?;
            let parsed = self.parsed.borrow();
            Ok(parsed.iter().any(|e| e["event"] == "stats").then_some(()))
        };
        if self.signal(libc::SIGUSR1).is_ok() {
            // Without an answer there is less to read.
            drop(wait::until_for(REPORT, "its report", reported));
        }
        tail(&self.parsed.borrow(), &self.stderr.text())
    }

    /// Parses the lines that have come since the last time.
    fn parse(&self) -> Result<()> {
        let Some(lines) = self.lines.as_ref().filter(|_| self.json) else {
            return Ok(());
        };
        let mut parsed = self.parsed.borrow_mut();
        for line in &lines.lock()[parsed.len()..] {
            let event = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
            parsed.push(event);
        }
        Ok(())
    }

    /// The text so far.
    pub fn output(&self) -> String {
        self.lines.as_ref().map(Lines::text).unwrap_or_default()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        sys::kill(i32::try_from(self.child.id())?, signal).context("signal netobs")
    }

    /// Stops it by SIGINT: all it said, to the last line. It must end with 0.
    pub fn stop(self) -> Result<Record> {
        self.signal(libc::SIGINT)?;
        let record = self.wait()?;
        ensure!(
            record.status.success(),
            "netobs ended with {}\n{}",
            record.status,
            record.tail()
        );
        Ok(record)
    }

    /// Waits for it to end by itself.
    pub fn wait(mut self) -> Result<Record> {
        let status = wait::until("netobs to end", || Ok(self.child.try_wait()?))
            .with_context(|| self.stderr.text())?;
        if let Some(lines) = &mut self.lines {
            lines.finish();
        }
        self.stderr.finish();
        self.parse()?;
        Ok(Record {
            events: std::mem::take(self.parsed.get_mut()),
            text: self.output(),
            stderr: self.stderr.text(),
            status,
        })
    }
}

/// How long a report may take.
const REPORT: Duration = Duration::from_secs(2);

impl Drop for Observer {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
