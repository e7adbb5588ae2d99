//! The ladder: each hook takes the first rung that this kernel accepts, and remembers why the others were not.

use super::{
    btf::KernelTypes,
    object::Programs,
    perf,
    spec::{Hook, Part, Rung},
    sys::{self, LoadError, ProgType, RunStats},
    tracefs,
};
use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

/// A rung that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub rung: Rung,
    pub target: &'static str,
    pub reason: String,
}

/// Each reason once, behind the names of the rungs that it holds for.
pub fn by_reason<'a>(refused: impl IntoIterator<Item = &'a Refusal>) -> Vec<(String, &'a str)> {
    let mut reasons: Vec<(String, &str)> = Vec::new();
    for refusal in refused {
        let rung = refusal.rung.name();
        match reasons.iter_mut().find(|(_, why)| *why == refusal.reason) {
            Some((rungs, _)) if rungs.split(", ").any(|known| known == rung) => {}
            Some((rungs, _)) => *rungs = format!("{rungs}, {rung}"),
            None => reasons.push((rung.to_owned(), &refusal.reason)),
        }
    }
    reasons
}

/// `tp_btf, raw_tp: why; fentry: why`
pub fn in_one_line(reasons: &[(String, &str)]) -> String {
    let each = reasons.iter().map(|(rungs, why)| format!("{rungs}: {why}"));
    each.collect::<Vec<_>>().join("; ")
}

/// A hook after its ladder was tried; dropping it detaches.
pub struct Attached {
    pub hook: Hook,
    /// `None`: no rung worked.
    pub taken: Option<Taken>,
    pub refused: Vec<Refusal>,
}

/// The rung taken, with what keeps it alive.
pub struct Taken {
    pub rung: Rung,
    programs: Vec<OwnedFd>,
    links: Vec<OwnedFd>,
    /// The last program looks again at what the first may have been skipped for.
    again: bool,
}

impl Taken {
    /// The kernel's number of the first program.
    pub(super) fn program_id(&self) -> Option<u32> {
        sys::program_id(self.programs.first()?.as_fd()).ok()
    }

    /// Asks a program that is polled to look now.
    pub fn ask(&self) -> io::Result<()> {
        if self.rung != Rung::Poll {
            return Ok(());
        }
        self.links
            .iter()
            .try_for_each(|iterator| sys::walk_through(sys::walk(iterator.as_fd())?))
    }

    /// Run statistics over all programs of the rung.
    pub fn run_stats(&self) -> RunStats {
        let mut each: Vec<_> = self
            .programs
            .iter()
            .filter_map(|program| sys::run_stats(program.as_fd()).ok())
            .collect();
        let again = each.pop_if(|_| self.again);
        let sum = each
            .into_iter()
            .fold(RunStats::default(), |sum, one| RunStats {
                ns: sum.ns + one.ns,
                runs: sum.runs + one.runs,
                skipped: sum.skipped + one.skipped,
            });
        match again {
            // What both were skipped for is gone.
            Some(again) => RunStats {
                ns: sum.ns + again.ns,
                runs: sum.runs,
                skipped: sum.skipped.min(again.skipped),
            },
            None => sum,
        }
    }
}

/// How far to go down a ladder.
#[derive(Clone, Copy)]
pub struct Climb<'a> {
    /// Keeps only the rungs that answer to this.
    pub only: Option<&'a str>,
    /// Also tries the rungs below the one taken, to tell whether they would do.
    pub all: bool,
}

/// Tries the ladder of `hook`.
pub fn attach(programs: &Programs, types: &KernelTypes, hook: Hook, climb: Climb<'_>) -> Attached {
    let mut refused = Vec::new();
    let mut best = None;
    for step in hook.ladder {
        let Some(first) = step.first() else { continue };
        if climb
            .only
            .is_some_and(|wanted| !first.rung.answers_to(wanted))
        {
            let reason = "not asked for (--rung)".to_owned();
            refused.push(Refusal {
                rung: first.rung,
                target: first.target,
                reason,
            });
            continue;
        }
        match attach_step(programs, types, step, hook.again) {
            Ok(taken) if best.is_none() => best = Some(taken),
            Ok(_) => {
                let reason = "would do, but costs more".to_owned();
                refused.push(Refusal {
                    rung: first.rung,
                    target: first.target,
                    reason,
                });
            }
            Err(refusal) => refused.push(refusal),
        }
        if best.is_some() && !climb.all {
            break;
        }
    }
    Attached {
        hook,
        taken: best,
        refused,
    }
}

fn attach_step(
    programs: &Programs,
    types: &KernelTypes,
    step: &'static [Part],
    again: Option<&'static str>,
) -> Result<Taken, Refusal> {
    let mut taken = Taken {
        rung: step[0].rung,
        programs: Vec::new(),
        links: Vec::new(),
        again: false,
    };
    for part in step {
        let refuse = |reason| Refusal {
            rung: part.rung,
            target: part.target,
            reason,
        };
        let program = load_part(programs, types, part).map_err(refuse)?;
        let link =
            attach_part(programs, program.as_fd(), part).map_err(|e| refuse(in_words(&e)))?;
        taken.programs.push(program);
        taken.links.push(link);
    }
    if let (Some(again), true) = (again, programs.kernel().is_preempted()) {
        look_again(programs, types, &mut taken, &step[0], again);
    }
    Ok(taken)
}

/// Has `again` follow the first program on its tracepoint; without it, skipped runs are counted only.
fn look_again(
    programs: &Programs,
    types: &KernelTypes,
    taken: &mut Taken,
    first: &Part,
    again: &'static str,
) {
    if first.rung != Rung::TpBtf {
        return;
    }
    let part = Part {
        program: again,
        ..*first
    };
    if let Ok(program) = load_part(programs, types, &part)
        && let Ok(link) = attach_part(programs, program.as_fd(), &part)
    {
        taken.programs.push(program);
        taken.links.push(link);
        taken.again = true;
    }
}

fn load_part(programs: &Programs, types: &KernelTypes, part: &Part) -> Result<OwnedFd, String> {
    if types.is_absent() && !works_without_btf(part) {
        return Err("this kernel has no BTF".to_owned());
    }
    let missing = |what: &str| format!("this kernel has no {what} {}", part.target);
    let args = types
        .tracepoints
        .get(part.target)
        .map_or(0, |tracepoint| tracepoint.args);
    if args < part.min_args {
        return Err(format!(
            "this kernel's tracepoint {} shows only some",
            part.target
        ));
    }
    let (ty, id) = match part.rung {
        Rung::TpBtf => {
            let tracepoint = types.tracepoints.get(part.target);
            (
                ProgType::TpBtf,
                tracepoint.ok_or_else(|| missing("BTF for tracepoint"))?.id,
            )
        }
        Rung::Fentry | Rung::Fexit => {
            let ty = if part.rung == Rung::Fentry {
                ProgType::Fentry
            } else {
                ProgType::Fexit
            };
            let function = types.functions.get(part.target);
            (ty, function.ok_or_else(|| missing("BTF for function"))?.id)
        }
        Rung::RawTp => (ProgType::RawTracepoint, 0),
        Rung::Tracepoint => (ProgType::Tracepoint, 0),
        Rung::Kprobe | Rung::Kretprobe => {
            kprobe_pmu()?;
            (ProgType::Kprobe, 0)
        }
        Rung::Poll => {
            let function = types.functions.get(part.target);
            (
                ProgType::Iter,
                function.ok_or_else(|| missing("iterator"))?.id,
            )
        }
    };
    programs
        .load(part.program, ty, id)
        .map_err(|e| load_reason(part, &e))
}

/// A classic tracepoint hands its fields over in a record that tracefs describes.
fn works_without_btf(part: &Part) -> bool {
    part.rung == Rung::Tracepoint && part.target.starts_with("sock/")
}

fn load_reason(part: &Part, error: &LoadError) -> String {
    if matches!(part.rung, Rung::Fentry | Rung::Fexit)
        && error.errno.raw_os_error() == Some(libc::EPERM)
    {
        return "the kernel refuses trampolines".to_owned();
    }
    error.to_string()
}

fn attach_part(programs: &Programs, program: BorrowedFd<'_>, part: &Part) -> io::Result<OwnedFd> {
    match part.rung {
        Rung::TpBtf | Rung::Fentry | Rung::Fexit => sys::attach_raw(program, None),
        Rung::RawTp => sys::attach_raw(program, Some(part.target)),
        Rung::Tracepoint => perf::attach_tracepoint(program, tracefs::event_id(part.target)?),
        Rung::Kprobe | Rung::Kretprobe => {
            let pmu = kprobe_pmu().map_err(io::Error::other)?;
            perf::attach_kprobe(program, pmu, part.target, part.rung == Rung::Kretprobe)
        }
        Rung::Poll => sys::attach_iterator(program, part.map.and_then(|name| programs.map(name))),
    }
}

/// Number of the dynamic PMU for kprobes.
fn kprobe_pmu() -> Result<u32, String> {
    let text = std::fs::read_to_string("/sys/bus/event_source/devices/kprobe/type")
        .map_err(|_| "this kernel is built without kprobes".to_owned())?;
    text.trim()
        .parse()
        .map_err(|_| "the kprobe PMU has no number".to_owned())
}

/// `ENOTSUPP`, the kernel's own: before 6.7 a trampoline takes functions of at most six arguments.
const NOT_SUPPORTED: i32 = 524;

/// `EPERM`-like errors without the number.
pub(super) fn in_words(error: &io::Error) -> String {
    if error.raw_os_error() == Some(NOT_SUPPORTED) {
        return "not supported".to_owned();
    }
    let text = error.to_string();
    if error.raw_os_error().is_none() {
        return text; // words of our own
    }
    text.split(" (os error")
        .next()
        .unwrap_or(&text)
        .to_lowercase()
}

impl Attached {
    /// Detaches now; what the programs did stays readable.
    pub fn detach(&mut self) {
        if let Some(taken) = &mut self.taken {
            taken.links.clear();
        }
    }
}
