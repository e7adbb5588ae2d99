//! `cargo xtask test`: every check and every test, closed by one line that counts them.

mod checks;
mod examples;
pub mod packages;
mod steps;
mod tests;
mod tools;

use std::process::ExitCode;

use crate::count::Count;
use crate::ebpf::{self, Outcome};
use crate::{deploy, fuzz, release, vm};
use steps::Steps;
use tests::Runner;

#[derive(clap::Args)]
pub struct Args {
    /// Only what needs neither root nor a virtual machine: fmt, clippy, layers, unit tests
    #[arg(long, conflicts_with = "no_vm")]
    quick: bool,
    /// Everything but the kernel matrix
    #[arg(long)]
    no_vm: bool,
    /// Only unit tests and labs whose name contains one of these; no checks, no virtual machines
    #[arg(conflicts_with_all = ["quick", "no_vm"])]
    filter: Vec<String>,
}

/// Runs in CI's order and goes on after a failure, so that one run tells all.
pub fn run(args: &Args) -> ExitCode {
    let mut steps = Steps::default();
    if !args.filter.is_empty() {
        return filtered(steps, &args.filter);
    }
    if args.quick {
        checks::quick(&mut steps);
        steps.test("unit tests", || Runner::find(None)?.units(&[]));
        println!(
            "left out by --quick: typos, deny, machete, the BPF object, fuzz targets, labs, kernel matrix"
        );
        return steps.close();
    }
    if !steps.check("packages", packages::install) {
        println!("what is missing makes the steps below fail");
    }
    checks::all(&mut steps);
    steps.check("ebpf --lint", ebpf::lint);
    let mut object = None;
    steps.check("ebpf --check", || {
        if let Outcome::Fresh(fresh) = ebpf::check()? {
            object = Some(fresh);
        }
        Ok(())
    });
    steps.test("unit tests", || Runner::find(object.as_deref())?.units(&[]));
    steps.test("fuzz targets", fuzz::test);
    steps.test("labs", || Runner::find(object.as_deref())?.labs(&[]));
    steps.test("deploy", deploy_tests);
    if args.no_vm {
        println!("left out by --no-vm: kernel matrix");
    } else {
        steps.test("kernel matrix", || {
            vm::matrix::run(&[], None, object.as_deref())
        });
    }
    steps.close()
}

/// The container image, run with the capabilities of the manifest.
fn deploy_tests() -> anyhow::Result<Count> {
    release::run()?;
    let counts = deploy::test()?;
    Ok(Count {
        passed: counts.passed,
        failed: counts.failed,
    })
}

fn filtered(mut steps: Steps, filter: &[String]) -> ExitCode {
    steps.test("unit tests", || Runner::find(None)?.units(filter));
    steps.test("labs", || Runner::find(None)?.labs(filter));
    if steps.count() == Count::default() {
        println!("no test has a name containing {}", filter.join(" or "));
        steps.check("filter", || anyhow::bail!("nothing was tested"));
    }
    steps.close()
}
