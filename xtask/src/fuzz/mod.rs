//! Fuzz targets, tests/fuzz: built for coverage by the compiler at hand, run for a bounded time, and what breaks one shown.

mod build;
mod rings;
mod run;
mod seeds;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::{Result, anyhow, bail};

use crate::count::Count;
use run::{Corpus, Job};

#[derive(Clone, Copy)]
struct Target {
    name: &'static str,
    /// The longest input it is given: long enough for all that it can tell apart.
    max_len: u32,
    /// Fewer places where ways part mean that it does not watch what it should.
    least_places: u64,
}

const TARGETS: [Target; 4] = [
    Target {
        name: "filter",
        max_len: 1024,
        least_places: 2000,
    },
    Target {
        name: "files",
        max_len: 4096,
        least_places: 2000,
    },
    Target {
        name: "lines",
        max_len: 2048,
        least_places: 2000,
    },
    Target {
        name: "ring",
        max_len: 2048,
        least_places: 700,
    },
];

/// Of each target in the test command; all run at once.
const SECONDS: u32 = 15;

#[derive(clap::Args)]
pub struct Args {
    /// Seconds for each target; they run at once, and keep what they learnt in target/fuzz/corpus
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Where chance begins; 0 takes another one each time
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Give one target this file, once, instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seconds", "seed"])]
    input: Option<PathBuf>,
    /// filter, files, lines, ring; without one: all
    targets: Vec<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let targets = chosen(&args.targets)?;
    if let Some(input) = &args.input {
        let [target] = targets[..] else {
            bail!("an input is for one target: name it");
        };
        build::targets(&[target])?;
        return run::once(target, input);
    }
    let job = Job {
        seconds: args.seconds,
        seed: args.seed,
        corpus: Corpus::Kept,
    };
    let count = all(&targets, job)?;
    println!("{count}");
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// In the test command: short, and the same each time, so that what fails there is the change that is tested.
pub fn test() -> Result<Count> {
    let job = Job {
        seconds: SECONDS,
        seed: 1,
        corpus: Corpus::Fresh,
    };
    all(&TARGETS, job)
}

fn chosen(names: &[String]) -> Result<Vec<Target>> {
    if names.is_empty() {
        return Ok(TARGETS.to_vec());
    }
    let find = |name: &String| {
        let target = TARGETS.iter().find(|target| target.name == name);
        target.copied().ok_or_else(|| {
            let known = TARGETS.map(|target| target.name).join(", ");
            anyhow!("there is no target {name}, only {known}")
        })
    };
    names.iter().map(find).collect()
}

fn all(targets: &[Target], job: Job) -> Result<Count> {
    build::targets(targets)?;
    seeds::write()?;
    let outcomes = thread::scope(|scope| {
        let spawn = |target: &Target| {
            let target = *target;
            scope.spawn(move || run::target(target, job))
        };
        let threads: Vec<_> = targets.iter().map(spawn).collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("the thread that ran a target panicked")))
            })
            .collect::<Vec<_>>()
    });
    let mut count = Count::default();
    for (target, outcome) in targets.iter().zip(outcomes) {
        match &outcome {
            Ok(told) => println!("{}: {told}", target.name),
            Err(error) => println!("{}: FAILED\n{error:#}", target.name),
        }
        count += Count::one(outcome.is_ok());
    }
    Ok(count)
}
