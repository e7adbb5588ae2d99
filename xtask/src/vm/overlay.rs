//! Programs of the host that labs call, copied with their libraries into an archive for the machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::cpio::Archive;
use crate::cmd;

/// What labs may call beside busybox's own programs.
const PROGRAMS: [&str; 19] = [
    "ip",
    "ss",
    "tc",
    "bridge",
    "nstat",
    "nft",
    "ping",
    "iptables",
    "ip6tables",
    "iptables-legacy",
    "iptables-legacy-save",
    "iptables-legacy-restore",
    "ip6tables-legacy-save",
    "ip6tables-legacy-restore",
    "ipset",
    "conntrack",
    "ethtool",
    "nc.openbsd",
    "dash",
];
/// Plugins that iptables loads by name.
const XTABLES: &str = "/usr/lib/x86_64-linux-gnu/xtables";

/// Names of protocols, which iptables prints where it has them.
const PROTOCOLS: &str = "/etc/protocols";

/// Builds the archive from what is installed here.
pub fn build() -> Result<Vec<u8>> {
    let missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|name| cmd::find(name).is_none())
        .copied()
        .collect();
    ensure!(
        missing.is_empty(),
        "missing for the virtual machines: {}; run `cargo xtask setup` as root",
        missing.join(" ")
    );
    let mut files = BTreeSet::new();
    let mut archive = Archive::default();
    for program in PROGRAMS.iter().filter_map(|name| cmd::find(name)) {
        files.extend(libraries(&program));
        archive.file(&format!("usr/sbin/{}", name_of(&program)), &program)?;
    }
    for plugin in fs::read_dir(XTABLES).into_iter().flatten().flatten() {
        files.extend(libraries(&plugin.path()));
        files.insert(plugin.path());
    }
    for file in files {
        archive.file(file.to_string_lossy().trim_start_matches('/'), &file)?;
    }
    if Path::new(PROTOCOLS).is_file() {
        archive.file(PROTOCOLS.trim_start_matches('/'), Path::new(PROTOCOLS))?;
    }
    archive.link("bin/sh", Path::new("/usr/sbin/dash"));
    archive.link("usr/sbin/nc", Path::new("/usr/sbin/nc.openbsd"));
    Ok(archive.finish())
}

/// Absolute paths that the loader names for a program; none for a static one.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = cmd::output(Command::new("ldd").arg(program)).unwrap_or_default();
    listed
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .filter(|file| file.is_file())
        .collect()
}

fn name_of(program: &Path) -> String {
    program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
