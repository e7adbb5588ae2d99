//! Round trips of ICMP echoes as tcpdump stamps them on the wire.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::lines::Lines;
use crate::netns::Netns;
use crate::wait;

/// Microseconds between echo and reply, by sequence number.
pub type Trips = HashMap<u64, f64>;

/// A tcpdump that sees every echo of `eth0` from now on; killed on drop.
///
/// Nobody reads it before the end, which would take time from what is measured: some 300 echoes fit into its pipe.
pub struct Wire {
    child: Child,
    stderr: Lines,
}

impl Wire {
    pub fn tap(ns: &Netns) -> Result<Self> {
        let mut child = ns.run(|| {
            let mut dump = Command::new("tcpdump");
            // With --immediate-mode there is room for eight packets, unless they are short.
            dump.args(["-n", "-tt", "-l", "-i", "eth0", "-s", "2000"]);
            dump.args(["--immediate-mode", "--time-stamp-precision=nano", "icmp"]);
            let piped = dump.stdout(Stdio::piped()).stderr(Stdio::piped());
            piped.spawn().context("start tcpdump")
        })?;
        let stderr = Lines::read(child.stderr.take().context("stderr is piped")?);
        let mut wire = Self { child, stderr };
        wire.until("to listen", |said| said.contains("listening on"))?;
        Ok(wire)
    }

    /// All that there were, once tcpdump has written the reply to the `last` one.
    pub fn trips(mut self, last: u64) -> Result<Trips> {
        let lines = Lines::read(self.child.stdout.take().context("stdout is piped")?);
        let written = |_: &str| lines.lock().iter().rev().any(|line| is_reply(line, last));
        self.until("to write the last reply", written)
            .with_context(|| lines.text())?;
        Ok(trips(&lines.text()))
    }

    /// `condition` is told what it said of itself.
    fn until(&mut self, what: &str, condition: impl Fn(&str) -> bool) -> Result<()> {
        wait::until(&format!("tcpdump {what}"), || {
            let said = self.stderr.text();
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none(), "tcpdump ended: {said}");
            Ok(condition(&said).then_some(()))
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_reply(line: &str, seq: u64) -> bool {
    line.contains("echo reply") && stamp(line).is_some_and(|(of, _)| of == seq)
}

/// Lines as `1700000000.000000001 IP a > b: ICMP echo request, id 1, seq 1, length 64`.
fn trips(text: &str) -> Trips {
    let (mut requests, mut trips) = (Trips::new(), Trips::new());
    for line in text.lines() {
        let Some((seq, at)) = stamp(line) else {
            continue;
        };
        if line.contains("echo request") {
            requests.insert(seq, at);
        } else if let Some(request) = requests.get(&seq) {
            trips.insert(seq, at - request);
        }
    }
    trips
}

/// Sequence number and microseconds within the hour: whole seconds would take the digits that matter.
fn stamp(line: &str) -> Option<(u64, f64)> {
    let (seconds, nanos) = line.split_whitespace().next()?.split_once('.')?;
    let seconds = u32::try_from(seconds.parse::<u64>().ok()? % 3600).ok()?;
    let nanos: u32 = nanos.parse().ok()?;
    let seq = line.split("seq ").nth(1)?.split(',').next()?.parse().ok()?;
    Some((seq, f64::from(seconds) * 1e6 + f64::from(nanos) / 1e3))
}
