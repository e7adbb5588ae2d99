//! Every kernel times every rung: doctor must answer, and the labs must see what they cause.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};

use super::cpio::Archive;
use super::kernels::{self, Kernel};
use super::machine::{End, Job, Outcome};
use super::overlay;
use crate::clock::Watch;
use crate::count::Count;
use crate::rustc::Rustc;
use crate::{cmd, paths, release};

/// Emulated machines at a time; each keeps one core busy.
const PARALLEL: usize = 2;
const TIMEOUT_S: u32 = 900;
/// How long a lab waits for what must come; an emulated processor is ten times slower.
const PATIENCE_S: &str = "60";

/// What runs in one boot: the labs, with the rung forced that is named; without one, doctor before them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Task(Option<&'static str>);

/// The longest first, so that no processor idles at the end.
const TASKS: [Task; 3] = [Task(None), Task(Some("fentry")), Task(Some("kprobe"))];

/// What every boot shares.
struct Bench {
    payload: Vec<u8>,
    overlay: Vec<u8>,
    filter: Vec<String>,
    env: Vec<(String, String)>,
}

/// One boot: the names of labs that failed, if the machine lived to tell.
struct Attempt {
    doctor: Count,
    labs: Count,
    failed: Vec<String>,
    report: String,
}

/// More failures than this are no accident.
const MOST_AGAIN: usize = 5;

/// Runs all; `object` is loaded instead of the one inside netobs.
pub fn run(filter: &[String], only: Option<&str>, object: Option<&Path>) -> Result<Count> {
    let mut payload = Archive::default();
    payload.file("payload/netobs", &release::build()?)?;
    payload.file("payload/labs", &labs()?)?;
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut env = vec![
        set("NETOBS_BIN", "/payload/netobs"),
        set("NETOBS_LAB_PATIENCE", PATIENCE_S),
        // No name servers, web servers and the like: what they test does not depend on the kernel.
        set("NETOBS_LAB_BARE", "1"),
        // Labs wait more than they work: two at a time fit one processor.
        set("RUST_TEST_THREADS", "2"),
        set("RUST_BACKTRACE", "0"),
    ];
    if let Some(object) = object {
        payload.file("payload/netobs.bpf.o", object)?;
        env.push(set("NETOBS_BPF_OBJECT", "/payload/netobs.bpf.o"));
    }
    let bench = Bench {
        payload: payload.finish(),
        overlay: overlay::build()?,
        filter: filter.to_vec(),
        env,
    };
    let kernels = kernels::fetch_all()?;
    let chosen: Vec<&Kernel> = kernels
        .iter()
        .filter(|kernel| only.is_none_or(|part| kernel.release.contains(part)))
        .collect();
    if chosen.is_empty() {
        bail!(
            "no kernel has `{}` in its release",
            only.unwrap_or_default()
        );
    }
    // Newer kernels check programs for longer.
    let newest_first = || chosen.iter().rev();
    let jobs = TASKS
        .into_iter()
        .flat_map(|task| newest_first().map(move |kernel| (*kernel, task)));
    let queue = Mutex::new(jobs.collect::<Vec<_>>().into_iter());
    let total = Mutex::new(Count::default());
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some((kernel, task)) = next(&queue) {
                    let count = bench.one(kernel, task);
                    *total
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner) += count;
                }
            });
        }
    });
    total
        .into_inner()
        .map_err(|_| anyhow!("a thread of the matrix panicked"))
}

fn next<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .next()
}

impl Bench {
    /// Boots, tells one line, and the output when it failed. Labs that failed get a second boot of their own: where a process loses
    /// the processor in the middle of a program, newer kernels skip the program for others (`skipped`), and an emulated processor
    /// is lost often. What is broken fails twice.
    fn one(&self, kernel: &Kernel, task: Task) -> Count {
        let first = self.attempt(kernel, task, &task.command(&self.filter));
        let mut count = first.doctor;
        if (1..=MOST_AGAIN).contains(&first.failed.len()) {
            let again = first.failed;
            println!("{:<32} once more: {}", kernel.release, again.join(" "));
            let mut only = vec![LABS.to_owned(), "--exact".to_owned()];
            only.extend(again);
            let second = self.attempt(kernel, task, &only).labs;
            count.passed += first.labs.passed + second.passed;
            count.failed += second.failed;
        } else {
            count += first.labs;
        }
        count
    }

    fn attempt(&self, kernel: &Kernel, task: Task, command: &[String]) -> Attempt {
        let watch = Watch::start();
        let attempt = self
            .boot(kernel, task, command)
            .unwrap_or_else(|error| Attempt {
                doctor: Count::default(),
                labs: Count::failure(),
                failed: Vec::new(),
                report: format!("\n{error:#}"),
            });
        let (name, seconds) = (task.name(), watch.elapsed().as_secs_f32());
        let report = &attempt.report;
        let mut count = attempt.doctor;
        count += attempt.labs;
        println!(
            "{:<32} {name:<12} {count} ({seconds:.1} s){report}",
            kernel.release
        );
        attempt
    }

    fn boot(&self, kernel: &Kernel, task: Task, command: &[String]) -> Result<Attempt> {
        let mut env = self.env.clone();
        if let Some(rung) = task.0 {
            env.push(("NETOBS_RUNG".to_owned(), rung.to_owned()));
        }
        let job = Job {
            kernel,
            payload: &self.payload,
            overlay: &self.overlay,
            env,
            command,
            timeout_s: TIMEOUT_S,
            out: None,
        };
        let outcome = job.run()?;
        keep(kernel, task, &outcome)?;
        let (doctor, labs) = (doctor_verdict(command, &outcome), verdict(&outcome));
        let report = match (doctor.failed + labs.failed, outcome.end) {
            (0, _) => String::new(),
            (_, End::Exited(_)) => format!("\n{}{}", outcome.stdout, outcome.stderr),
            (_, End::Died | End::TimedOut) => format!(
                "\n{}{}{}",
                outcome.stdout,
                outcome.stderr,
                outcome.obituary()
            ),
        };
        let failed = match outcome.end {
            End::Exited(_) => failed_labs(&outcome.stdout),
            End::Died | End::TimedOut => Vec::new(),
        };
        Ok(Attempt {
            doctor,
            labs,
            failed,
            report,
        })
    }
}

/// Labs of what is observed: how the command behaves does not depend on the rung.
const OBSERVATIONS: [&str; 13] = [
    "connect::",
    "accept::",
    "close::",
    "connect_failed::",
    "existing::",
    "retransmit",
    "drop::",
    "reset::",
    "icmp::",
    "route::",
    "neigh::",
    "udp_drop::",
    "listen_overflow::",
];

/// Long labs of what is the same on every kernel: the filter language, views, words. They run on the host.
const OF_THE_TOOL: [&str; 29] = [
    "ss_filters::",
    "ss_views::",
    "ss_input::",
    "ss_churn::",
    "show::bad::nobody",
    "show::bad::what",
    "show::extensions::",
    "show::firewall::",
    "dns::bad::",
    "ping::bad_input",
    // What runs before the labs.
    "doctor::text_names_every_collector",
    "mtr::",
    "scan::",
    "scan_services::",
    "trace::",
    "trace_ends::",
    "trace_protocols::",
    "connect_command::",
    "tcping::",
    "hostile::",
    "interrupts::",
    "probe_ways::",
    "dump::bad",
    "dump::files",
    "dump::filters",
    "dump::lines",
    "dump::live",
    "dump::snaplen",
    "http::",
];

impl Task {
    fn name(self) -> String {
        match self.0 {
            None => "doctor, labs".to_owned(),
            Some(rung) => format!("labs-{rung}"),
        }
    }

    fn command(self, filter: &[String]) -> Vec<String> {
        let skips = || OF_THE_TOOL.into_iter().flat_map(|lab| ["--skip", lab]);
        let words: Vec<&str> = match (self.0, filter) {
            (Some(_), []) => OBSERVATIONS.into(),
            (None, []) => skips().collect(),
            _ => filter.iter().map(String::as_str).collect(),
        };
        let before: &[&str] = match self.0 {
            None => &["/bin/sh", "-c", DOCTOR_FIRST, "sh"],
            Some(_) => &[],
        };
        let words = before.iter().chain(&[LABS]).chain(&words);
        words.map(|word| (*word).to_owned()).collect()
    }
}

const LABS: &str = "/payload/labs";
/// A boot of its own for doctor would take as long as doctor.
const DOCTOR_FIRST: &str = r#"/payload/netobs doctor; echo "doctor ended with $?"; exec "$@""#;

/// What became of doctor, where it was to run.
fn doctor_verdict(command: &[String], outcome: &Outcome) -> Count {
    if !command.iter().any(|word| word == DOCTOR_FIRST) {
        return Count::default();
    }
    Count::one(
        outcome
            .stdout
            .lines()
            .any(|line| line == "doctor ended with 0"),
    )
}

/// From lines as `test lost::name ... FAILED`.
fn failed_labs(stdout: &str) -> Vec<String> {
    let lines = stdout.lines().filter_map(|line| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.to_owned())
    });
    lines.collect()
}

/// A machine without a status, or labs without a closing line, count as one failure.
fn verdict(outcome: &Outcome) -> Count {
    let clean = outcome.end == End::Exited(0);
    match Count::of_libtest(&outcome.stdout) {
        Some(count) if clean || (count.failed > 0 && outcome.end == End::Exited(101)) => count,
        Some(count) => Count {
            failed: count.failed + 1,
            ..count
        },
        None => Count::failure(),
    }
}

/// Keeps what came out under target/vm/results/KERNEL/.
fn keep(kernel: &Kernel, task: Task, outcome: &Outcome) -> Result<()> {
    let dir = paths::target().join("vm/results").join(&kernel.release);
    fs::create_dir_all(&dir)?;
    let name = task.name().replace(", ", "-");
    fs::write(dir.join(format!("{name}.out")), &outcome.stdout)?;
    fs::write(dir.join(format!("{name}.err")), &outcome.stderr)?;
    fs::write(dir.join(format!("{name}.console")), &outcome.console).context("keep the console")
}

/// The lab tests as one static executable.
fn labs() -> Result<PathBuf> {
    let mut cargo = Rustc::find()?.cargo();
    cargo.args(["test", "--quiet", "--locked", "--no-run"]);
    cargo.args(["--package", "netobs-tests", "--test", "labs"]);
    cargo.args(["--message-format", "json"]);
    let messages = cmd::output(release::static_labs(&mut cargo)).context("build the labs")?;
    let binary = executable(&messages).context("cargo named no executable for the labs")?;
    release::ensure_static(&binary)?;
    Ok(binary)
}

fn executable(messages: &str) -> Option<PathBuf> {
    let parsed = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut labs = parsed.filter(|message| message["target"]["name"] == "labs");
    labs.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}
