//! What a BPF object was made with: enough to know whether a rebuild must give the same bytes.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::rustc::Rustc;

/// Committed beside the object; holds no date and no path.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// `1.95.0`
    pub rustc: String,
    pub rustc_commit: String,
    /// `22.1.2`
    pub llvm: String,
    pub bpf_linker: String,
    /// Registers of this architecture are what kprobes read.
    pub target_arch: String,
    /// Of the object.
    pub sha256: String,
}

impl Stamp {
    pub fn of(rustc: &Rustc, bpf_linker: &str, object: &[u8]) -> Self {
        Self {
            rustc: rustc.release.clone(),
            rustc_commit: rustc.commit_hash.clone(),
            llvm: rustc.llvm.clone(),
            bpf_linker: bpf_linker.to_owned(),
            target_arch: rustc.host_arch().to_owned(),
            sha256: format!("{:x}", Sha256::digest(object)),
        }
    }

    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("understand {}", file.display()))
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("write {}", file.display()))
    }

    /// Would the same source give the same bytes?
    pub fn same_tools(&self, other: &Self) -> bool {
        let tools = |stamp: &Self| {
            (
                stamp.rustc_commit.clone(),
                stamp.llvm.clone(),
                stamp.bpf_linker.clone(),
                stamp.target_arch.clone(),
            )
        };
        tools(self) == tools(other)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self.rustc_commit.get(..9).unwrap_or(&self.rustc_commit);
        let Self {
            rustc,
            llvm,
            bpf_linker,
            target_arch,
            ..
        } = self;
        write!(
            f,
            "rustc {rustc} ({commit}), LLVM {llvm}, bpf-linker {bpf_linker}, {target_arch}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(commit: &str, sha256: &str) -> Stamp {
        Stamp {
            rustc: "1.95.0".into(),
            rustc_commit: commit.into(),
            llvm: "22.1.2".into(),
            bpf_linker: "0.10.4".into(),
            target_arch: "x86_64".into(),
            sha256: sha256.into(),
        }
    }

    #[test]
    fn bytes_do_not_tell_the_tools_apart_but_the_compiler_does() {
        assert!(stamp("a", "1").same_tools(&stamp("a", "2")));
        assert!(!stamp("a", "1").same_tools(&stamp("b", "1")));
    }
}
