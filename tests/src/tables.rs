//! Listings of sockets as sets of lines, to compare what netobs and ss tell of the same namespace.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::netns::Netns;
use crate::netobs::binary;
use crate::wait;

/// Lines with single spaces, and how often each is there.
pub type Lines = BTreeMap<String, usize>;

pub fn lines(text: &str, keep: impl Fn(&str) -> bool) -> Lines {
    let mut lines = Lines::new();
    for line in text.lines() {
        // Debian's ss lets two titles touch when the ports are short.
        let line = line.replace("PortProcess", "Port Process");
        let mut words: Vec<&str> = line.split_whitespace().filter(|word| keep(word)).collect();
        // Where the kernel has raw_diag, ss names a raw socket by its IP protocol, which mostly has no name.
        if let Some(first @ &mut ("???" | "icmp6")) = words.first_mut() {
            *first = "raw";
        }
        let line = words.join(" ");
        if !line.is_empty() {
            *lines.entry(line).or_default() += 1;
        }
    }
    lines
}

/// What both say to the same arguments; words that `keep` refuses are left out of both.
pub fn same_words(ns: &Netns, args: &[&str], keep: impl Fn(&str) -> bool) -> Result<usize> {
    let with_ss: Vec<&str> = std::iter::once("ss").chain(args.iter().copied()).collect();
    same_lines(ns, args, &with_ss, |text| lines(text, &keep))
}

/// Differences that come and go: the sockets of the programs that start ss and netobs are in the namespace too.
const ATTEMPTS: usize = 8;

/// What ss says to `theirs` and netobs to `ours`, made comparable by `read`; how many lines that is.
///
/// ss is asked before and after netobs: if it changed its mind meanwhile, both are asked again.
pub fn same_lines(
    ns: &Netns,
    theirs: &[&str],
    ours: &[&str],
    read: impl Fn(&str) -> Lines,
) -> Result<usize> {
    let mut differed = 0;
    wait::until(&format!("ss {theirs:?} to say the same twice"), || {
        let before = read(&ns.tool("ss", theirs, "")?);
        let told = read(&binary::run_within(ns, ours)?);
        let after = read(&ns.tool("ss", theirs, "")?);
        if before != after {
            return Ok(None);
        }
        let verdict = differ(theirs, &before, &told);
        if verdict.is_err() && differed + 1 < ATTEMPTS {
            differed += 1;
            return Ok(None);
        }
        verdict.map(|()| Some(before.values().sum()))
    })
}

/// [`same_words`] with all words.
pub fn same(ns: &Netns, args: &[&str]) -> Result<usize> {
    same_words(ns, args, |_| true)
}

fn differ(args: &[&str], theirs: &Lines, ours: &Lines) -> Result<()> {
    if theirs == ours {
        return Ok(());
    }
    let only = |a: &Lines, b: &Lines| -> Vec<String> {
        let more = a
            .iter()
            .filter(|(line, count)| b.get(*line).unwrap_or(&0) < *count);
        more.map(|(line, count)| format!("{count} x {line}"))
            .take(8)
            .collect()
    };
    bail!(
        "{args:?}: ss alone tells\n  {}\nnetobs alone tells\n  {}",
        only(theirs, ours).join("\n  "),
        only(ours, theirs).join("\n  ")
    )
}
