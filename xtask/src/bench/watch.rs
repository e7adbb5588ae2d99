//! `cargo xtask bench watch`: the order of the parts, and what decides success.
use std::fs;
use std::io::{self, Write};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;

use super::cost::{self, Case, DROPS, FIN, RST, scratch};
use super::options::WatchOptions;
use super::report::Report;
use super::{latency, startup, tools};

pub fn run(mut options: WatchOptions) -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "need root: the bench makes network namespaces and runs BPF tools"
    );
    if options.quick {
        options.pairs = options.pairs.min(2);
        options.seconds = options.seconds.min(0.5);
    }
    let mut report = Report {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
            .trim()
            .to_owned(),
        cpus: std::thread::available_parallelism()?.get(),
        pairs: options.pairs,
        seconds: options.seconds,
        ..Report::default()
    };
    if options.part("cost") {
        report.connections = costs(FIN, &options, &mut report.left_out)?;
        report
            .connections
            .extend(costs(RST, &options, &mut report.left_out)?);
    }
    if options.part("drops") {
        report.drops = costs(DROPS, &options, &mut report.left_out)?;
    }
    times(&options, &mut report)?;
    report.print(&mut io::stdout().lock())?;
    let file = scratch("watch.json")?;
    fs::write(&file, serde_json::to_vec_pretty(&report)?)?;
    writeln!(io::stdout(), "written: {}", file.display())?;
    ensure!(
        report.problems().is_empty(),
        "events are unaccounted for: see PROBLEM above"
    );
    Ok(())
}

fn costs(case: Case, options: &WatchOptions, left_out: &mut Vec<String>) -> Result<Vec<cost::Row>> {
    let mut rows = Vec::new();
    for index in chosen(&(case.tools)(0), options, left_out)? {
        let spec = (case.tools)(0).swap_remove(index);
        note(&format!("{}: {}", case.mode, spec.name));
        rows.extend(excuse(
            &spec,
            cost::measure(case, index, options).map(Some),
            left_out,
        )?);
    }
    Ok(rows)
}

fn times(options: &WatchOptions, report: &mut Report) -> Result<()> {
    let (starts, closes) = if options.quick { (3, 30) } else { (15, 300) };
    for index in chosen(&tools::connections(0), options, &mut report.left_out)? {
        let spec = tools::connections(0).swap_remove(index);
        if options.part("startup") {
            note(&format!("startup: {}", spec.name));
            let row = startup::measure(index, starts);
            report
                .startup
                .extend(excuse(&spec, row, &mut report.left_out)?);
        }
        if options.part("latency") {
            note(&format!("latency: {}", spec.name));
            let row = latency::measure(index, closes);
            report
                .latency
                .extend(excuse(&spec, row, &mut report.left_out)?);
        }
    }
    Ok(())
}

/// A peer that does not run here is left out with its reason; netobs that does not run is an error.
fn excuse<T>(
    spec: &tools::Spec,
    result: Result<Option<T>>,
    left_out: &mut Vec<String>,
) -> Result<Option<T>> {
    match result {
        Err(error) if !spec.ours => {
            left_out.push(format!("{}: {error:#}", spec.name));
            Ok(None)
        }
        other => other.with_context(|| spec.name),
    }
}

/// Places of the tools that are asked for and installed; a peer may be missing, netobs may not.
fn chosen(
    tools: &[tools::Spec],
    options: &WatchOptions,
    left_out: &mut Vec<String>,
) -> Result<Vec<usize>> {
    let mut places = Vec::new();
    for (place, spec) in tools
        .iter()
        .enumerate()
        .filter(|(_, spec)| options.tool(spec.name))
    {
        if tools::installed(spec) {
            places.push(place);
            continue;
        }
        ensure!(
            !spec.ours,
            "{} is not there: run cargo xtask release, or set NETOBS_BIN",
            spec.argv[0]
        );
        let line = format!("{}: {} is not there", spec.name, spec.argv[0]);
        if !left_out.contains(&line) {
            left_out.push(line);
        }
    }
    Ok(places)
}

fn note(what: &str) {
    // Progress is no result: a closed stderr is nothing to fail for.
    writeln!(io::stderr(), "bench: {what}").ok();
}
