//! Reads what a file refers to, and holds it against the table.

use super::Breach;
use super::table::{self, UNSAFE_FILES, UNSAFE_FOLDERS};
use super::tokens::Token;

/// Words that reach through a kernel pointer.
const KERNEL_READS: [&str; 4] = [
    "bpf_probe_read_kernel",
    "bpf_probe_read_kernel_buf",
    "bpf_probe_read_kernel_str_bytes",
    "bpf_probe_read",
];

/// References from one module of netobs to another that the table forbids.
pub fn stages(file: &str, tokens: &[Token]) -> Vec<Breach> {
    let Some(place) = file.strip_prefix("netobs/src/") else {
        return Vec::new();
    };
    let module = module_path(place);
    let from = module
        .first()
        .cloned()
        .unwrap_or_else(|| place.trim_end_matches(".rs").to_owned());
    let refers = references(&module, tokens).into_iter();
    refers
        .filter_map(|(line, to)| {
            table::may_import(&from, &to)
                .err()
                .map(|what| Breach { line, what })
        })
        .collect()
}

/// aya has one importer, so that another loader stays one folder away.
pub fn aya(file: &str, tokens: &[Token]) -> Vec<Breach> {
    if !file.starts_with("netobs/src/") || file.starts_with("netobs/src/bpf/") {
        return Vec::new();
    }
    let foreign = |at: usize| {
        at == 0
            || tokens
                .get(at - 1)
                .is_none_or(|before| !["::", "."].contains(&before.text.as_str()))
    };
    let is_path =
        |at: usize| text(tokens, at + 1) == "::" || ["use", "crate"].contains(&before(tokens, at));
    let found = tokens.iter().enumerate().filter(|(at, token)| {
        ["aya", "aya_obj", "aya_log"].contains(&token.text.as_str()) && foreign(*at) && is_path(*at)
    });
    found
        .map(|(_, token)| Breach {
            line: token.line,
            what: format!("uses {}; only netobs/src/bpf may", token.text),
        })
        .collect()
}

/// In the BPF programs, only netobs-ebpf/src/kernel follows pointers of the kernel. A heuristic: it knows the helpers by name.
pub fn kernel_pointers(file: &str, tokens: &[Token]) -> Vec<Breach> {
    if !file.starts_with("netobs-ebpf/src/") || file.starts_with("netobs-ebpf/src/kernel/") {
        return Vec::new();
    }
    let reads = tokens
        .iter()
        .filter(|token| KERNEL_READS.contains(&token.text.as_str()));
    reads
        .map(|token| Breach {
            line: token.line,
            what: format!(
                "{}: only netobs-ebpf/src/kernel walks kernel pointers",
                token.text
            ),
        })
        .collect()
}

/// `unsafe` outside of its folders and of the files listed with a reason.
pub fn unsafe_code(file: &str, tokens: &[Token]) -> Vec<Breach> {
    let listed = UNSAFE_FILES.iter().any(|(name, _)| *name == file);
    if listed || UNSAFE_FOLDERS.iter().any(|folder| file.starts_with(folder)) {
        return Vec::new();
    }
    let mut found = tokens.iter().filter(|token| token.text == "unsafe");
    let first = found.next().map(|token| Breach {
        line: token.line,
        what: format!(
            "unsafe, {} times; only in netobs-ebpf, netobs/src/bpf and files listed with a reason",
            1 + found.count()
        ),
    });
    first.into_iter().collect()
}

/// `collectors/drop.rs` is [collectors, drop]; `collectors/mod.rs` is [collectors]; the crate roots are [].
fn module_path(place: &str) -> Vec<String> {
    let mut parts: Vec<String> = place
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if matches!(parts.last().map(String::as_str), Some("mod"))
        || ["main", "lib"].contains(&parts.join("/").as_str())
    {
        parts.pop();
    }
    parts
}

/// Top-level modules named by `crate::x`, `crate::{x, y}`, or enough `super`s; with their lines.
fn references(module: &[String], tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inline: Vec<usize> = Vec::new(); // depths of braces at which inline modules opened
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => {
                depth += 1;
                if at >= 2 && text(tokens, at - 2) == "mod" {
                    inline.push(depth);
                }
            }
            "}" => {
                inline.retain(|opened| *opened != depth);
                depth -= 1;
            }
            "crate" if text(tokens, at + 1) == "::" => found.extend(named(tokens, at + 2)),
            "super" if before(tokens, at) != "::" => {
                let (ups, next) = climb(tokens, at);
                if ups == module.len() + inline.len() {
                    found.extend(named(tokens, next));
                }
            }
            _ => {}
        }
    }
    found
}

/// Counts `super::super::`; returns the count and where the path goes on.
fn climb(tokens: &[Token], mut at: usize) -> (usize, usize) {
    let mut ups = 0;
    while text(tokens, at) == "super" && text(tokens, at + 1) == "::" {
        ups += 1;
        at += 2;
    }
    (ups, at)
}

/// The name at `at`, or the first names of each branch of the group there.
fn named(tokens: &[Token], at: usize) -> Vec<(usize, String)> {
    let Some(first) = tokens.get(at) else {
        return Vec::new();
    };
    if first.text != "{" {
        return vec![(first.line, first.text.clone())];
    }
    let mut names = Vec::new();
    let mut depth = 0;
    for index in at..tokens.len() {
        match text(tokens, index) {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let begins = depth == 1 && ["{", ","].contains(&text(tokens, index));
        names.extend(
            tokens
                .get(index + 1)
                .filter(|_| begins)
                .map(|token| (token.line, token.text.clone())),
        );
    }
    names
}

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

fn before(tokens: &[Token], at: usize) -> &str {
    at.checked_sub(1).map_or("", |at| text(tokens, at))
}
