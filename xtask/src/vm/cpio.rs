//! The initramfs format (cpio "newc"), written so that everything in it belongs to root.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// An archive under construction. Finished ones may be concatenated: the kernel unpacks one after the other.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    known: std::collections::BTreeSet<String>,
}

impl Archive {
    /// Adds a host file under `name`, with its mode and the folders above it.
    pub fn file(&mut self, name: &str, from: &Path) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
        let mode = fs::metadata(from)?.permissions().mode() & 0o777;
        self.content(name, mode, &content);
        Ok(())
    }

    /// Adds bytes as a file.
    pub fn content(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.parents(name);
        self.entry(name, REGULAR | mode, content);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, name: &str, to: &Path) {
        self.parents(name);
        self.entry(name, SYMLINK | 0o777, to.as_os_str().as_bytes());
    }

    /// Adds everything below a host folder under `prefix`.
    pub fn tree(&mut self, from: &Path, prefix: &str) -> Result<()> {
        let mut entries: Vec<_> = fs::read_dir(from)
            .with_context(|| format!("read {}", from.display()))?
            .flatten()
            .collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.tree(&entry.path(), &name)?;
            } else if kind.is_symlink() {
                self.link(&name, &fs::read_link(entry.path())?);
            } else {
                self.file(&name, &entry.path())?;
            }
        }
        Ok(())
    }

    /// Closes the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn parents(&mut self, name: &str) {
        for (at, _) in name.match_indices('/') {
            let parent = name.get(..at).unwrap_or_default().to_owned();
            if !parent.is_empty() && self.known.insert(parent.clone()) {
                self.entry(&parent, DIRECTORY | 0o755, &[]);
            }
        }
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.inode += 1;
        let (size, name_size) = (content.len(), name.len() + 1);
        // magic, inode, mode, uid, gid, links, mtime, size, device and rdevice (major, minor each), name size, checksum
        let header = format!(
            "070701{:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}{size:08x}{:08x}{:08x}{:08x}{:08x}{name_size:08x}{:08x}",
            self.inode, 0, 0, 1, 0, 0, 0, 0, 0, 0
        );
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_110_bytes_and_entries_aligned() {
        let mut archive = Archive::default();
        archive.content("a/b", 0o755, b"xyz");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(
            &bytes[110..112],
            b"a\0",
            "the folder comes first, its name right after the header"
        );
        assert_eq!(&bytes[112..118], b"070701");
        assert_eq!(
            &bytes[112 + 14..112 + 22],
            b"000081ed",
            "mode of a regular file, 0755"
        );
    }
}
