//! Names of users, and command lines of processes, each read once.

use std::{collections::HashMap, fs};

/// Entries a cache may hold before it starts anew.
const CACHE: usize = 8192;
/// Bytes of a command line that are kept.
const LONGEST: usize = 1024;

/// Looked up when first asked for.
#[derive(Default)]
pub struct Users {
    names: Option<HashMap<u32, String>>,
    commands: HashMap<u32, Option<String>>,
}

impl Users {
    /// The name of /etc/passwd, else the number.
    pub fn name(&mut self, uid: u32) -> &str {
        let names = self.names.get_or_insert_with(read);
        if names.len() >= CACHE {
            names.clear();
        }
        names.entry(uid).or_insert_with(|| uid.to_string())
    }

    /// The words a process was started with, spaces between them.
    pub fn command(&mut self, pid: u32) -> Option<&str> {
        if self.commands.len() >= CACHE {
            self.commands.clear();
        }
        let known = self.commands.entry(pid).or_insert_with(|| {
            let mut bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            bytes.truncate(LONGEST);
            let words = bytes
                .split(|byte| *byte == 0)
                .filter(|word| !word.is_empty());
            let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
            (!words.is_empty()).then(|| words.join(" "))
        });
        known.as_deref()
    }
}

fn read() -> HashMap<u32, String> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let users = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some((uid, name.to_owned()))
    });
    users.take(CACHE / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_nobody_in_particular() {
        let mut users = Users::default();
        assert_eq!(users.name(0), "root");
        assert_eq!(users.name(4_000_000_000), "4000000000");
        assert!(
            users
                .command(std::process::id())
                .is_some_and(|c| c.contains("netobs"))
        );
        assert_eq!(users.command(u32::MAX), None);
    }
}
