//! `cargo xtask bench ss`: CPU time and memory of `netobs ss` beside a bare kernel dump and ss, at tables of several sizes.
//!
//! All commands of a part run one after the other, round by round, so that the machine's other work spoils all alike. CPU is
//! user and system time of the command from exec to exit; medians.
mod churn;
pub mod dump;
pub mod hold;
mod once;
mod parts;
mod report;

use std::fs;
use std::io::{self, Write};

use anyhow::{Result, ensure};
use nix::unistd::geteuid;

use super::cost::scratch;
use super::options::SsOptions;
use super::tools;
pub use once::{measure, run as once};
use report::Report;

pub fn run(options: &SsOptions) -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "need root: the bench makes network namespaces and looks at other processes"
    );
    let netobs = tools::netobs();
    ensure!(
        netobs.is_file(),
        "{} is not there: run cargo xtask release, or set NETOBS_BIN",
        netobs.display()
    );
    let mut report = Report {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
            .trim()
            .to_owned(),
        rounds: options.rounds,
        ..Report::default()
    };
    let netobs = netobs.to_string_lossy().into_owned();
    for part in parts::ALL {
        if options.only.is_empty() || options.only.iter().any(|name| part.name.contains(name)) {
            writeln!(io::stderr(), "bench: {}", part.name)?;
            report.parts.push((part.run)(part.name, &netobs, options)?);
        }
    }
    report.print(&mut io::stdout().lock())?;
    let file = scratch("ss.json")?;
    fs::write(&file, serde_json::to_vec_pretty(&report)?)?;
    writeln!(io::stdout(), "written: {}", file.display())?;
    Ok(())
}
