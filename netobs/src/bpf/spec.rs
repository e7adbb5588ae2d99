//! What a hook wants: the ways to attach it, cheapest first.

use std::fmt;

/// One way into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// BTF-typed tracepoint (5.5).
    TpBtf,
    /// The same tracepoint without types: fields cost a helper call each.
    RawTp,
    /// Trampoline at a function's entry (5.5), refused by some kernels.
    Fentry,
    /// Trampoline at its exit.
    Fexit,
    /// Breakpoint at a function's entry; needs `CONFIG_KPROBES`.
    Kprobe,
    /// At its exit.
    Kretprobe,
    /// Classic tracepoint through perf, as for system calls.
    Tracepoint,
    /// No hook: a BPF iterator asked at intervals.
    Poll,
}

impl Rung {
    /// What `--rung` takes beside the name of a rung.
    pub const FAMILIES: [&str; 1] = ["tp"];
    pub const ALL: [Self; 8] = [
        Self::TpBtf,
        Self::RawTp,
        Self::Fentry,
        Self::Fexit,
        Self::Kprobe,
        Self::Kretprobe,
        Self::Tracepoint,
        Self::Poll,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::TpBtf => "tp_btf",
            Self::RawTp => "raw_tp",
            Self::Fentry => "fentry",
            Self::Fexit => "fexit",
            Self::Kprobe => "kprobe",
            Self::Kretprobe => "kretprobe",
            Self::Tracepoint => "tracepoint",
            Self::Poll => "poll",
        }
    }

    /// What `--rung` asks for: a rung by name, or its family (`tp`, `fentry`, `kprobe`).
    pub fn answers_to(self, wanted: &str) -> bool {
        self.name() == wanted
            || match wanted {
                // What is left where there are tracepoints only.
                "tp" => matches!(
                    self,
                    Self::TpBtf | Self::RawTp | Self::Tracepoint | Self::Poll
                ),
                "fentry" => self == Self::Fexit,
                "kprobe" => self == Self::Kretprobe,
                _ => false,
            }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One program of a rung, and the tracepoint or function it goes to.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub rung: Rung,
    pub program: &'static str,
    pub target: &'static str,
    /// Fewer arguments of the tracepoint mean that it does not show all it should.
    pub min_args: u32,
    /// The map that an iterator walks.
    pub map: Option<&'static str>,
}

/// One hook: a number for its counters, and its ladder. A step attaches all of its parts or none.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    pub number: u32,
    pub name: &'static str,
    pub ladder: &'static [&'static [Part]],
    /// A program for the tracepoint of a `tp_btf` rung that makes up for skipped runs, where they are to be expected.
    pub again: Option<&'static str>,
}

/// A part in one line.
pub const fn part(rung: Rung, program: &'static str, target: &'static str) -> Part {
    part_from(0, rung, program, target)
}

/// A tracepoint that is of use from a number of arguments on.
pub const fn part_from(
    min_args: u32,
    rung: Rung,
    program: &'static str,
    target: &'static str,
) -> Part {
    Part {
        rung,
        program,
        target,
        min_args,
        map: None,
    }
}

/// An iterator over the entries of `map`, asked at intervals.
pub const fn poll(program: &'static str, map: &'static str) -> Part {
    Part {
        rung: Rung::Poll,
        program,
        target: MAP_ITERATOR,
        min_args: 0,
        map: Some(map),
    }
}

/// Name of the iterator over map entries in kernel BTF (5.9).
pub const MAP_ITERATOR: &str = "bpf_iter_bpf_map_elem";
