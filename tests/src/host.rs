//! A namespace with a name, its own files in /etc, and servers that run in it: what a resolver's lab needs.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::netobs::binary;
use crate::{sys, tool, wait};

/// Gone when dropped, with its servers and files.
pub struct Host {
    pub name: String,
    dir: PathBuf,
    children: Mutex<Vec<Child>>,
}

impl Host {
    /// Loopback up; `resolv` is its resolv.conf.
    pub fn new(resolv: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        ensure!(sys::is_root(), "labs make network namespaces: run as root");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("netobs-host-{}-{number}", std::process::id());
        let host = Self {
            dir: PathBuf::from("/tmp").join(&name),
            name,
            children: Mutex::default(),
        };
        tool::run("ip", &["netns", "add", &host.name], "")?;
        tool::run("ip", &["-n", &host.name, "link", "set", "lo", "up"], "")?;
        fs::create_dir_all(&host.dir)?;
        fs::create_dir_all(host.etc_dir())?;
        host.etc("resolv.conf", resolv)?;
        host.etc("hosts", "127.0.0.1 localhost\n")?;
        host.etc("nsswitch.conf", "hosts: files dns\n")?;
        Ok(host)
    }

    fn etc_dir(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }

    /// A file that covers one in /etc.
    pub fn etc(&self, file: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.etc_dir().join(file), text)?)
    }

    /// A file in the directory where servers and tools run; its path.
    pub fn file(&self, file: &str, bytes: impl AsRef<[u8]>) -> Result<String> {
        let path = self.dir.join(file);
        fs::write(&path, bytes)?;
        Ok(path.to_string_lossy().into_owned())
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs `work` in the namespace, on a thread of its own.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let ns = File::open(Path::new("/run/netns").join(&self.name))?;
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                sys::setns_net(ns.as_fd()).context("setns")?;
                work()
            });
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    fn command(&self, program: &str, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command.args(args).current_dir(&self.dir);
        sys::end_with_parent(&mut command);
        command
    }

    /// Starts a server and waits until it listens on these TCP ports.
    pub fn serve(&self, program: &str, args: &[&str], listens: &[SocketAddr]) -> Result<()> {
        let log = self.dir.join(format!("{program}.log"));
        let into = File::create(&log)?;
        let mut child = self
            .command(program, args)
            .stdin(Stdio::null())
            .stdout(into.try_clone()?)
            .stderr(into)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        let said = || {
            let mut text = String::new();
            let read = File::open(&log).and_then(|mut log| log.read_to_string(&mut text));
            read.map_or_else(|error| error.to_string(), |_| text)
        };
        let ready = wait::until(&format!("{program} to listen"), || {
            if let Some(status) = child.try_wait()? {
                bail!("{program} ended with {status}: {}", said());
            }
            let up = |addr: &SocketAddr| TcpStream::connect(addr).is_ok();
            let all = self.run(|| Ok(listens.iter().all(up)))?;
            Ok(all.then_some(()))
        });
        let mut children = self
            .children
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        children.push(child);
        ready.with_context(said)
    }

    /// Runs a tool to its end, whatever it says.
    pub fn tool(&self, program: &str, args: &[&str], input: &str) -> Result<Output> {
        let mut child = self
            .command(program, args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {program}"))?;
        let mut stdin = child.stdin.take().context("standard input is piped")?;
        // A tool that does not read its input is none the worse.
        drop(stdin.write_all(input.as_bytes()));
        drop(stdin);
        Ok(child.wait_with_output()?)
    }

    /// Runs `netobs COMMAND ARGS` in the namespace, by `--netns`.
    pub fn netobs(&self, command: &str, args: &[&str]) -> Result<Output> {
        let own = [command, "--netns", &self.name];
        let output = binary::command()?
            .args(own)
            .args(args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .output();
        output.context("run netobs")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let children = self
            .children
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for child in children {
            // It may have ended.
            drop(child.kill());
            drop(child.wait());
        }
        // All of it may be gone already.
        drop(tool::run("ip", &["netns", "del", &self.name], ""));
        drop(fs::remove_dir_all(self.etc_dir()));
        drop(fs::remove_dir_all(&self.dir));
    }
}
