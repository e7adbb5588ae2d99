//! The project's own tasks: build, test, bench, virtual machines, release.
#![expect(clippy::print_stdout, reason = "a task runner talks to the person at the terminal")]

mod apt;
mod bench;
mod clock;
mod cmd;
mod ebpf;
mod paths;
mod rustc;

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
        Task::Ebpf(args) => ebpf::run(&args).map(|_| ExitCode::SUCCESS),
        Task::Bench { args } => bench::run(args).map(|()| ExitCode::SUCCESS),
    }
}
