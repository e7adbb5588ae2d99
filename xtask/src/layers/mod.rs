//! The laws of the source tree, checked: stages import leftwards, unsafe has its places, files stay small.

mod imports;
mod table;
mod tokens;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::paths;

/// Beyond this a file holds more than one concept.
const MAX_LINES: usize = 400;

/// One breach of a law.
#[derive(Debug, PartialEq, Eq)]
pub struct Breach {
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

/// Checks every Rust file of the workspace.
pub fn run() -> Result<()> {
    let mut files = Vec::new();
    for package in ["netobs", "netobs-ebpf", "tests", "xtask"] {
        collect(&paths::root().join(package), &mut files)?;
    }
    files.sort();
    let mut breaches = 0;
    for file in &files {
        let source =
            fs::read_to_string(paths::root().join(file)).with_context(|| format!("read {file}"))?;
        for breach in check(file, &source).with_context(|| format!("parse {file}"))? {
            println!("{file}:{breach}");
            breaches += 1;
        }
    }
    ensure!(
        breaches == 0,
        "{breaches} breaches of the layers; the laws stand in xtask/src/layers/table.rs"
    );
    println!("{} files keep the layers", files.len());
    Ok(())
}

/// Checks one file, named relative to the workspace.
fn check(file: &str, source: &str) -> Result<Vec<Breach>> {
    let tokens = tokens::flatten(source)?;
    let mut breaches = Vec::new();
    let lines = source.lines().count();
    if lines > MAX_LINES {
        breaches.push(Breach {
            line: lines,
            what: format!("{lines} lines; split at {MAX_LINES}"),
        });
    }
    // Tests may look at an event from one end of the pipeline to the other.
    if file.ends_with("_tests.rs") {
        return Ok(breaches);
    }
    breaches.extend(imports::stages(file, &tokens));
    breaches.extend(imports::aya(file, &tokens));
    breaches.extend(imports::kernel_pointers(file, &tokens));
    breaches.extend(imports::unsafe_code(file, &tokens));
    Ok(breaches)
}

fn collect(dir: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let relative = path.strip_prefix(paths::root()).unwrap_or(&path);
            files.push(relative.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(file: &str, source: &str) -> Vec<String> {
        check(file, source)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn clean(file: &str, source: &str) {
        assert_eq!(breaches(file, source), Vec::<String>::new(), "{file}");
    }

    fn one(file: &str, source: &str, line: usize, words: &str) {
        let found = breaches(file, source);
        assert!(
            matches!(found.as_slice(), [only] if only.starts_with(&format!("{line}: ")) && only.contains(words)),
            "{file}: {found:?}"
        );
    }

    #[test]
    fn a_stage_imports_from_its_left() {
        clean(
            "netobs/src/views/table.rs",
            "use crate::state::Rows;\nuse crate::collectors::{self, Column};",
        );
        clean(
            "netobs/src/state/mod.rs",
            "use crate::event::Event;\nuse super::clock::Mono;",
        );
        one(
            "netobs/src/state/conn.rs",
            "use crate::event::E;\nuse crate::views::Row;",
            2,
            "state imports views",
        );
        one(
            "netobs/src/enrich/dns.rs",
            "fn f() { crate::sinks::write() }",
            1,
            "enrich imports sinks",
        );
        one(
            "netobs/src/enrich/dns.rs",
            "fn f() { println!(\"{}\", crate::views::x()) }",
            1,
            "enrich imports views",
        );
    }

    #[test]
    fn groups_and_super_are_seen_through() {
        one(
            "netobs/src/state/conn.rs",
            "use crate::{\n  event::E,\n  cli::{self, Args},\n};",
            3,
            "state imports cli",
        );
        one(
            "netobs/src/state/conn.rs",
            "use super::super::views::Row;",
            1,
            "state imports views",
        );
        one(
            "netobs/src/state/mod.rs",
            "use super::views::Row;",
            1,
            "state imports views",
        );
        one(
            "netobs/src/state/conn.rs",
            "mod inner { use super::super::super::sinks; }",
            1,
            "state imports sinks",
        );
        clean(
            "netobs/src/state/conn.rs",
            "use super::views_of_time::T; use super::{a, b};",
        );
    }

    #[test]
    fn tests_and_comments_are_free() {
        clean(
            "netobs/src/collectors/drop.rs",
            "// use crate::views::Row;\n#[cfg(test)]\nmod tests { use crate::views::Row; }",
        );
        clean(
            "netobs/src/collectors/drop.rs",
            "const A: &str = \"crate::views\";",
        );
    }

    #[test]
    fn plain_modules_import_no_stage() {
        one(
            "netobs/src/event.rs",
            "use crate::state::S;",
            1,
            "event is no stage",
        );
        clean("netobs/src/event.rs", "use crate::collectors::Body;");
        clean(
            "netobs/src/main.rs",
            "use crate::cli::run; use crate::sinks::Out;",
        );
        clean(
            "netobs/src/cli/watch.rs",
            "use crate::{bpf, sinks, diagnose};",
        );
    }

    #[test]
    fn aya_stays_behind_its_door() {
        clean("netobs/src/bpf/load.rs", "use aya::Ebpf;");
        one(
            "netobs/src/collectors/drop.rs",
            "use aya::Ebpf;",
            1,
            "only netobs/src/bpf",
        );
        one(
            "netobs/src/collectors/drop.rs",
            "fn f() { aya_obj::btf::x() }",
            1,
            "only netobs/src/bpf",
        );
    }

    #[test]
    fn unsafe_has_its_places() {
        clean("netobs-ebpf/src/maps.rs", "unsafe fn f() {}");
        one(
            "netobs/src/state/conn.rs",
            "fn f() {\n unsafe { g() } }",
            2,
            "unsafe",
        );
        clean(
            "netobs/src/state/conn.rs",
            "#![forbid(unsafe_code)] // unsafe",
        );
    }

    #[test]
    fn kernel_pointers_are_walked_in_one_place() {
        clean(
            "netobs-ebpf/src/kernel/sock.rs",
            "fn f() { bpf_probe_read_kernel(p) }",
        );
        one(
            "netobs-ebpf/src/drop/hooks.rs",
            "fn f() { bpf_probe_read_kernel(p) }",
            1,
            "netobs-ebpf/src/kernel",
        );
    }

    #[test]
    fn long_files_are_split() {
        one(
            "netobs/src/event.rs",
            &"\n".repeat(401),
            401,
            "split at 400",
        );
    }
}
