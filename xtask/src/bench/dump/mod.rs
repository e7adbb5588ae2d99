//! `cargo xtask bench dump`: `netobs dump` beside tcpdump, as packets pass and on files.
mod capture;
mod read;
mod running;
mod start;
mod stream;

use std::time::Duration;

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use nix::unistd::geteuid;

use super::clock::Deadline;
use super::options::DumpOptions;
use super::tools;

/// Where the load goes, and where one packet of a thousand goes.
const PORT: u16 = 9;
const RARE: u16 = 10;

pub fn run(options: &DumpOptions) -> Result<()> {
    let netobs = tools::netobs();
    ensure!(
        netobs.is_file(),
        "{} is not there: run cargo xtask release, or set NETOBS_BIN",
        netobs.display()
    );
    let netobs = netobs.to_string_lossy();
    if ["capture", "stream", "start"].map(|part| options.part(part)) != [false; 3] {
        ensure!(
            geteuid().is_root(),
            "need root to capture; --only read does not"
        );
        let pair = Pair::new()?;
        if options.part("capture") {
            capture::run(&netobs, &pair.a, options)?;
        }
        if options.part("stream") {
            stream::run(&netobs, &pair)?;
        }
        if options.part("start") {
            start::run(&netobs, &pair, options.rounds)?;
        }
    }
    if options.part("read") {
        read::run(&netobs, options)?;
    }
    Ok(())
}

/// Two namespaces and the link between them: `v0` of `a` has the address that ends with 1.
struct Pair {
    a: Netns,
    b: Netns,
}

impl Pair {
    fn new() -> Result<Self> {
        let (a, b) = (Netns::new("bench-a")?, Netns::new("bench-b")?);
        a.ip(&format!(
            "link add v0 type veth peer name v1 netns {}\naddr add 10.9.0.1/24 dev v0\nlink set v0 up",
            b.path()
        ))?;
        b.ip("addr add 10.9.0.2/24 dev v1\nlink set v1 up")?;
        // Nobody answers: errors would be packets of their own.
        let rules = "table ip bench {\nchain pre {\ntype filter hook prerouting priority -400\nudp dport 9-10 drop\n}\n}\n";
        b.tool("nft", &["-f", "-"], rules)?;
        Ok(Self { a, b })
    }

    /// Until somebody listens to a TCP port of `b`.
    fn wait_for(&self, port: &str) -> Result<()> {
        let filter = format!("sport = :{port}");
        let listens =
            Deadline::after(Duration::from_secs(5)).poll(Duration::from_millis(20), || {
                Ok(!self
                    .b
                    .tool("ss", &["-Hltn", &filter], "")?
                    .trim()
                    .is_empty())
            })?;
        ensure!(listens, "nobody listens to port {port}");
        Ok(())
    }
}
