//! The project's own tasks: build, test, bench, virtual machines, release.
#![expect(
    clippy::print_stdout,
    reason = "a task runner talks to the person at the terminal"
)]

mod apt;
mod bench;
mod clock;
mod cmd;
mod count;
mod deploy;
mod ebpf;
mod fuzz;
mod layers;
mod paths;
mod release;
mod rustc;
mod suite;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, test and measure netobs")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the BPF object and its stamp, netobs/bpf/netobs.bpf.{o,json}
    Ebpf(ebpf::Args),
    /// Run every check and test
    Test(suite::Args),
    /// Install the Debian packages that the tests need, or name them when not root
    Setup,
    /// Check who imports whom, where unsafe stands, and the length of files
    Layers,
    /// Kernels in virtual machines
    Vm(vm::Args),
    /// Build the static binary, target/release-static/netobs
    Release,
    /// Build the container image and run it with the DaemonSet's capabilities
    Deploy,
    /// Give filters, capture files and packets bytes of all kinds, and show what breaks them
    Fuzz(fuzz::Args),
    /// Measure the cost of the tool
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Ebpf(args) => ebpf::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Test(args) => Ok(suite::run(&args)),
        Task::Setup => suite::packages::install().map(|()| ExitCode::SUCCESS),
        Task::Layers => layers::run().map(|()| ExitCode::SUCCESS),
        Task::Vm(args) => vm::run(&args),
        Task::Release => release::run().map(|()| ExitCode::SUCCESS),
        Task::Deploy => deploy::run().map(|()| ExitCode::SUCCESS),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Bench { args } => bench::run(args).map(|()| ExitCode::SUCCESS),
    }
}
