//! Name resolution: /etc/netns/NAME for a named namespace, a process's own root for a process.

use std::fs;
use std::os::unix::fs::{chroot, symlink};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::tool;
use netobs_tests::traffic::process::Process;
use serde_json::Value;

use super::{lines, text};

fn resolver(netns: &str) -> Result<Vec<Value>> {
    let output = binary::run(&["show", "resolver", "--json", "--netns", netns])?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    lines(&output.stdout)
}

fn values(facts: &[Value], kind: &str) -> Vec<String> {
    facts
        .iter()
        .filter(|f| f["kind"] == kind)
        .map(|f| text(&f["value"]))
        .collect()
}

/// A namespace with a name, and its own /etc.
struct Named(String);

impl Named {
    fn new() -> Result<Self> {
        let named = Self(format!("netobs-lab-{}", std::process::id()));
        tool::run("ip", &["netns", "add", &named.0], "")?;
        Ok(named)
    }

    fn etc(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.0)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // Both may be gone already.
        drop(tool::run("ip", &["netns", "del", &self.0], ""));
        drop(fs::remove_dir_all(self.etc()));
    }
}

#[test]
fn of_a_named_namespace() -> Result<()> {
    let named = Named::new()?;
    fs::create_dir_all(named.etc())?;
    fs::write(
        named.etc().join("resolv.conf"),
        "nameserver 10.0.0.53\nsearch a.example b.example\noptions ndots:5\n",
    )?;
    for which in [named.0.clone(), format!("/run/netns/{}", named.0)] {
        let facts = resolver(&which)?;
        ensure!(values(&facts, "server") == ["10.0.0.53"], "{facts:#?}");
        ensure!(
            values(&facts, "search") == ["a.example", "b.example"],
            "{facts:#?}"
        );
        ensure!(values(&facts, "option") == ["ndots:5"], "{facts:#?}");
        // What is not covered comes from /etc.
        let own = fs::read_to_string("/etc/hosts").unwrap_or_default();
        let first = own
            .split_ascii_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned();
        ensure!(
            own.is_empty() || values(&facts, "host").contains(&first),
            "{facts:#?}"
        );
    }
    Ok(())
}

/// A root directory with its own /etc, removed on drop.
struct Root(PathBuf);

impl Root {
    fn new() -> Result<Self> {
        let root = PathBuf::from(format!("/tmp/netobs-lab-root-{}", std::process::id()));
        fs::create_dir_all(root.join("etc"))?;
        fs::create_dir_all(root.join("run"))?;
        Ok(Self(root))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // In /tmp: what cannot be removed harms nobody.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A process's own files; a link with an absolute path leads within its root, and what is no file is not read.
#[test]
fn of_a_process_in_its_own_root() -> Result<()> {
    let (ns, root) = (Netns::new("jail")?, Root::new()?);
    fs::write(root.0.join("run/resolv.conf"), "nameserver 10.9.9.9\n")?;
    symlink("/run/resolv.conf", root.0.join("etc/resolv.conf"))?;
    fs::write(root.0.join("etc/hosts"), "10.1.2.3 inside \u{1b}[31mred\n")?;
    tool::run(
        "mkfifo",
        &[&root.0.join("etc/nsswitch.conf").to_string_lossy()],
        "",
    )?;
    let path = root.0.clone();
    let mut jailed = Process::spawn(&ns, "jailed", move |link| {
        chroot(&path)?;
        std::env::set_current_dir("/")?;
        link.say(1)?;
        link.hear().map(drop)
    })?;
    jailed.hear()?;
    let pid = jailed.pid().to_string();
    for which in [pid.clone(), format!("/proc/{pid}/ns/net")] {
        let facts = resolver(&which)?;
        ensure!(values(&facts, "server") == ["10.9.9.9"], "{facts:#?}");
        ensure!(values(&facts, "host") == ["10.1.2.3"], "{facts:#?}");
        ensure!(values(&facts, "missing") == ["nsswitch.conf"], "{facts:#?}");
    }
    let output = binary::run(&["show", "resolver", "--netns", &pid])?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        said.contains("inside") && !said.contains('\u{1b}'),
        "{said}"
    );
    jailed.kill()
}
