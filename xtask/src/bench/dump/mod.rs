//! `cargo xtask bench dump`: `netobs dump` beside tcpdump, as packets pass and on files.
mod capture;
mod read;

use anyhow::{Result, ensure};
use nix::unistd::geteuid;

use super::options::DumpOptions;
use super::tools;

pub fn run(options: &DumpOptions) -> Result<()> {
    let netobs = tools::netobs();
    ensure!(
        netobs.is_file(),
        "{} is not there: run cargo xtask release, or set NETOBS_BIN",
        netobs.display()
    );
    let netobs = netobs.to_string_lossy();
    if options.part("capture") {
        ensure!(
            geteuid().is_root(),
            "need root to capture; --only read does not"
        );
        capture::run(&netobs, options)?;
    }
    if options.part("read") {
        read::run(&netobs, options)?;
    }
    Ok(())
}
