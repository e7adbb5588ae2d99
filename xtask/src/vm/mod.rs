//! Real Debian kernels in throw-away virtual machines: fetch them, run a command in one, run the tests in all.

mod cpio;
mod kernels;
mod machine;
pub mod matrix;
mod modules;
mod overlay;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::release;
use kernels::Kernel;
use machine::{End, Job};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Download and unpack the newest kernel of each suite
    Fetch,
    /// Run a command as root inside one kernel; /payload holds netobs
    Run(RunArgs),
    /// Run doctor and the labs inside every kernel, for every rung
    Matrix {
        /// Only lab tests whose name contains one of these
        filter: Vec<String>,
        /// Only kernels whose release contains this
        #[arg(long, short)]
        kernel: Option<String>,
    },
}

#[derive(clap::Args)]
struct RunArgs {
    /// Part of the kernel's release, such as 6.1; else the first fetched
    #[arg(long, short, default_value = "")]
    kernel: String,
    /// A folder whose files are added to /payload
    #[arg(long, short)]
    payload: Option<PathBuf>,
    /// A folder for the files that the command leaves in /out
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// NAME=VALUE for the command
    #[arg(long, short)]
    env: Vec<String>,
    /// Seconds until the machine is stopped
    #[arg(long, short, default_value_t = 120)]
    timeout: u32,
    /// Do not build netobs, run what is in the payload
    #[arg(long)]
    no_build: bool,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.task {
        Task::Fetch => {
            for kernel in kernels::fetch_all()? {
                println!("{:<20} {}", kernel.suite, kernel.release);
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Run(args) => run_one(args),
        Task::Matrix { filter, kernel } => {
            let count = matrix::run(filter, kernel.as_deref(), None)?;
            println!("{count}");
            Ok(if count.failed == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

fn run_one(args: &RunArgs) -> Result<ExitCode> {
    let kernels = kernels::fetch_all()?;
    let kernel = kernels
        .iter()
        .find(|kernel| kernel.release.contains(&args.kernel));
    let kernel: &Kernel = kernel
        .with_context(|| format!("no kernel fetched has `{}` in its release", args.kernel))?;
    let mut payload = cpio::Archive::default();
    if !args.no_build {
        payload.file("payload/netobs", &release::build()?)?;
    }
    if let Some(dir) = &args.payload {
        payload.tree(dir, "payload")?;
    }
    let outcome = Job {
        kernel,
        payload: &payload.finish(),
        overlay: &overlay::build()?,
        env: args
            .env
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.into(), v.into()))
            .collect(),
        command: &args.command,
        timeout_s: args.timeout,
        out: args.out.as_deref(),
    }
    .run()?;
    print!("{}", outcome.stdout);
    print!("{}", outcome.stderr);
    match outcome.end {
        End::Exited(status) => Ok(ExitCode::from(status)),
        End::Died | End::TimedOut => {
            println!("{}", outcome.obituary());
            Ok(ExitCode::FAILURE)
        }
    }
}
