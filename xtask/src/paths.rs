//! Where things lie in the checkout and under its target directory.

use std::path::{Path, PathBuf};

/// The workspace root.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The target directory that cargo uses, as an absolute path.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) if !dir.is_empty() => {
            std::path::absolute(&dir).unwrap_or_else(|_| PathBuf::from(dir))
        }
        _ => root().join("target"),
    }
}

/// Cargo's home: registry sources lie below it.
pub fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    let dir = std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from);
    std::path::absolute(&dir).unwrap_or(dir)
}

/// The committed BPF object.
pub fn committed_object() -> PathBuf {
    root().join("netobs/bpf/netobs.bpf.o")
}

/// The part of it that probes load.
pub fn committed_probes() -> PathBuf {
    root().join("netobs/bpf/probes.bpf.o")
}

/// The stamp beside it: what it was made with.
pub fn committed_stamp() -> PathBuf {
    root().join("netobs/bpf/netobs.bpf.json")
}

/// The object just built, for tests under a compiler that the committed one was not made with.
pub fn fresh_object() -> PathBuf {
    target().join("bpf/netobs.bpf.o")
}
