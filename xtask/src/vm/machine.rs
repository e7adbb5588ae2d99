//! One boot of one kernel: an initramfs in, output and exit status back through four serial ports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

use super::cpio::Archive;
use super::kernels::Kernel;
use crate::{cmd, paths};

const INIT: &str = include_str!("init.sh");
const MEMORY_MB: u32 = 1024;
/// Room for the files of /out.
const DISK_BYTES: u64 = 256 << 20;
const CONSOLE_TAIL: usize = 60;

/// What to run, and in what.
pub struct Job<'a> {
    pub kernel: &'a Kernel,
    /// A finished archive whose files lie below `payload/`.
    pub payload: &'a [u8],
    /// A finished archive of programs.
    pub overlay: &'a [u8],
    pub env: Vec<(String, String)>,
    pub command: &'a [String],
    pub timeout_s: u32,
    /// Where the files of /out go.
    pub out: Option<&'a Path>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exited(u8),
    /// No status: the kernel panicked, or the emulator stopped.
    Died,
    TimedOut,
}

/// What came back.
pub struct Outcome {
    pub end: End,
    pub stdout: String,
    pub stderr: String,
    pub console: String,
    kernel: String,
}

impl Outcome {
    /// Why there is no exit status, with the console's last lines.
    pub fn obituary(&self) -> String {
        let lines: Vec<&str> = self.console.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(CONSOLE_TAIL)..)
            .unwrap_or_default()
            .join("\n");
        let how = match self.end {
            End::Exited(status) => format!("ended with status {status}"),
            End::Died => "died".to_owned(),
            End::TimedOut => "timed out".to_owned(),
        };
        format!(
            "the machine with Linux {} {how}; its console:\n{tail}",
            self.kernel
        )
    }
}

impl Job<'_> {
    /// Boots, waits, collects.
    pub fn run(&self) -> Result<Outcome> {
        let dir = WorkDir::new()?;
        fs::write(dir.0.join("initrd"), self.initrd()?).context("write the initramfs")?;
        if self.out.is_some() {
            fs::File::create(dir.0.join("disk"))?.set_len(DISK_BYTES)?;
        }
        let mut qemu = self.qemu(&dir.0)?;
        let log = fs::File::create(dir.0.join("qemu"))?;
        let status = qemu
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status();
        let status = status.with_context(|| format!("start {}", cmd::show(&qemu)))?;
        let end = match (text(&dir.0.join("status")).trim().parse(), status.code()) {
            (Ok(code), _) => End::Exited(code),
            (Err(_), Some(124 | 137)) => End::TimedOut,
            (Err(_), _) => End::Died,
        };
        if let (Some(out), End::Exited(_)) = (self.out, end) {
            fs::create_dir_all(out)?;
            cmd::run(
                Command::new("tar")
                    .arg("-xmf")
                    .arg(dir.0.join("disk"))
                    .arg("-C")
                    .arg(out),
            )
            .context("unpack /out")?;
        }
        Ok(Outcome {
            end,
            stdout: text(&dir.0.join("stdout")),
            stderr: text(&dir.0.join("stderr")),
            console: text(&dir.0.join("console")) + &text(&dir.0.join("qemu")),
            kernel: self.kernel.release.clone(),
        })
    }

    fn initrd(&self) -> Result<Vec<u8>> {
        let busybox = cmd::find("busybox").context("busybox is missing: install busybox-static")?;
        let mut base = Archive::default();
        base.content("init", 0o755, INIT.as_bytes());
        base.file("bin/busybox", &busybox)?;
        let words: Vec<String> = self.command.iter().map(|word| quote(word)).collect();
        base.content(
            "job/command",
            0o644,
            format!("{}\n", words.join(" ")).as_bytes(),
        );
        let exports = self
            .env
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", quote(value)));
        base.content(
            "job/environment",
            0o644,
            exports.collect::<String>().as_bytes(),
        );
        if self.out.is_some() {
            base.content("job/wants-files", 0o644, b"");
        }
        let modules = fs::read(self.kernel.dir.join("modules.cpio")).context("read the modules")?;
        Ok([
            base.finish().as_slice(),
            &modules,
            self.overlay,
            self.payload,
        ]
        .concat())
    }

    /// Under `timeout`, which ends when this process does: no machine outlives its test.
    fn qemu(&self, dir: &Path) -> Result<Command> {
        let program = cmd::find("qemu-system-x86_64")
            .context("qemu-system-x86_64 is missing: install qemu-system-x86")?;
        let mut qemu = Command::new("setpriv");
        qemu.args(["--pdeathsig", "TERM", "timeout", "--foreground", "-k", "2"])
            .arg(self.timeout_s.to_string())
            .arg(program);
        qemu.args([
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "1",
        ]);
        qemu.args([
            "-m",
            &MEMORY_MB.to_string(),
            "-display",
            "none",
            "-no-reboot",
            "-nodefaults",
            "-monitor",
            "none",
        ]);
        for port in ["console", "stdout", "stderr", "status"] {
            qemu.arg("-chardev")
                .arg(format!("file,id={port},path={}", dir.join(port).display()));
            qemu.arg("-serial").arg(format!("chardev:{port}"));
        }
        if self.out.is_some() {
            qemu.arg("-drive").arg(format!(
                "file={},if=virtio,format=raw,cache=unsafe",
                dir.join("disk").display()
            ));
        }
        qemu.arg("-kernel")
            .arg(self.kernel.dir.join("vmlinuz"))
            .arg("-initrd")
            .arg(dir.join("initrd"));
        qemu.args(["-append", "console=ttyS0 quiet panic=-1 8250.nr_uarts=4"]);
        Ok(qemu)
    }
}

/// A folder of this run's own, gone with it.
struct WorkDir(PathBuf);

impl WorkDir {
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "run-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = paths::target().join("vm").join(name);
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("{} stays behind: {error}", self.0.display());
        }
    }
}

fn text(file: &Path) -> String {
    fs::read(file)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quote("it's $x"), r"'it'\''s $x'");
    }
}
