//! A capture that runs beside a lab, and a pair of namespaces with a link between them.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use netobs_tests::captures::Folder;
use netobs_tests::netns::Netns;
use netobs_tests::{netobs::binary, sys, tool, wait};

/// Ways to take packets of one interface; the first takes those of all, too.
pub const ENGINES: [&str; 2] = ["packet", "bpf"];

/// Two namespaces and the link between them: `v0` of `a` has the addresses that end with 1.
pub struct Pair {
    pub a: Netns,
    pub b: Netns,
}

impl Pair {
    pub fn new() -> Result<Self> {
        let (a, b) = (Netns::new("dump-a")?, Netns::new("dump-b")?);
        a.ip(&format!(
            "link add v0 type veth peer name v1 netns {}\naddr add 10.9.0.1/24 dev v0\naddr add fd09::1/64 dev v0\nlink set v0 up",
            b.path()
        ))?;
        b.ip("addr add 10.9.0.2/24 dev v1\naddr add fd09::2/64 dev v1\nlink set v1 up")?;
        // A neighbour that is not asked for would be asked for five seconds later, in the midst of a lab.
        for (ns, device) in [(&a, "v0"), (&b, "v1")] {
            for family in ["ipv4", "ipv6"] {
                let key = format!("net/{family}/neigh/{device}/delay_first_probe_time");
                ns.sysctl(&key, "600")?;
            }
        }
        wait::until("the link to carry packets", || {
            let up = a.tool("ping", &["-c", "1", "-W", "1", "10.9.0.2"], "");
            Ok(up.is_ok().then_some(()))
        })?;
        Ok(Self { a, b })
    }

    /// Datagrams of so many bytes from `a` to a port of `b`.
    pub fn send(&self, port: u16, count: u64, length: usize) -> Result<()> {
        let socket = self
            .a
            .run(|| UdpSocket::bind("10.9.0.1:0").context("bind"))?;
        let payload = vec![b'x'; length];
        for _ in 0..count {
            // An ICMP error of the peer is an error of the next send, which then is to be done again.
            while socket.send_to(&payload, ("10.9.0.2", port)).is_err() {}
        }
        Ok(())
    }
}

/// What a capture says at its end.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    pub captured: u64,
    pub received: u64,
    pub lost: u64,
}

impl End {
    fn read(said: &str) -> Result<Self> {
        let line = said
            .lines()
            .rfind(|line| line.contains(" captured, "))
            .with_context(|| format!("no figures: {said}"))?;
        let before = |word: &str| {
            let text = line.split(word).next().unwrap_or_default();
            let number = text.rsplit([' ', ',']).find(|part| !part.is_empty());
            let number = number.and_then(|number| number.parse().ok());
            number.with_context(|| format!("no number before '{word}': {line}"))
        };
        Ok(Self {
            captured: before(" packet")?,
            received: before(" received by filter")?,
            lost: before(" lost by the kernel")?,
        })
    }
}

/// What a capture has to do without.
#[derive(Clone, Copy)]
pub enum Without {
    /// By their numbers.
    Capabilities(&'static [i32]),
    /// What the kernel tells of its types.
    Types,
}

/// A capture in the background.
pub struct Capture {
    child: Child,
    folder: Folder,
    is_ours: bool,
}

impl Capture {
    pub fn tcpdump(ns: &Netns, args: &[&str]) -> Result<Self> {
        // What waits in its buffer when it ends is lost without --immediate-mode, which then has room for eight packets, unless
        // they are short.
        let args = [&["-U", "--immediate-mode", "-s", "2000"], args].concat();
        Self::start(ns, &Command::new("tcpdump"), &args, false)
    }

    pub fn netobs(ns: &Netns, args: &[&str]) -> Result<Self> {
        let args = [&["dump"], args].concat();
        Self::start(ns, &binary::command()?, &args, true)
    }

    /// With less than root of the machine has.
    pub fn netobs_without(ns: &Netns, without: Without, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary::path()?);
        sys::enter_net(&mut command, ns.fd());
        match without {
            Without::Capabilities(numbers) => sys::take_capabilities(&mut command, numbers),
            Without::Types => sys::hide(&mut command, c"/sys/kernel/btf"),
        }
        Self::run(command, &[&["dump"], args].concat(), true)
    }

    fn start(ns: &Netns, command: &Command, args: &[&str], is_ours: bool) -> Result<Self> {
        // Not from a thread that ends: its children would end with it.
        let program = command.get_program().to_owned();
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", ns.path())).arg(program);
        Self::run(command, args, is_ours)
    }

    fn run(mut command: Command, args: &[&str], is_ours: bool) -> Result<Self> {
        let folder = Folder::new()?;
        let open = |name: &str| File::create(folder.path(name)).context("create a file");
        command.args(args).stdin(Stdio::null());
        command.stdout(open("out")?).stderr(open("err")?);
        sys::end_with_parent(&mut command);
        let child = command.spawn().context("start a capture")?;
        let mut capture = Self {
            child,
            folder,
            is_ours,
        };
        capture.says("listening on")?;
        Ok(capture)
    }

    fn read(&self, name: &str) -> Result<String> {
        let mut text = String::new();
        let path = PathBuf::from(self.folder.path(name));
        File::open(path)?.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Waits until it says this.
    pub fn says(&mut self, words: &str) -> Result<()> {
        wait::until(words, || {
            let said = self.read("err")?;
            if said.contains(words) {
                return Ok(Some(()));
            }
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none(), "the capture ended: {said}");
            Ok(None)
        })
    }

    pub fn wait_for_lines(&self, lines: usize) -> Result<()> {
        wait::until("lines", || {
            Ok((self.read("out")?.lines().count() >= lines).then_some(()))
        })
    }

    pub fn signal(&self, signal: i32) -> Result<()> {
        sys::kill(self.child.id().cast_signed(), signal).context("send a signal")
    }

    /// Ends it as Ctrl-C does; what it said then.
    pub fn end(self) -> Result<End> {
        Ok(self.end_with_text()?.0)
    }

    pub fn end_with_text(self) -> Result<(End, String)> {
        const SIGINT: i32 = 2;
        if !self.is_ours {
            self.wait_for_sleep()?;
        }
        self.signal(SIGINT)?;
        self.figures()
    }

    /// A packet wakes tcpdump, and what it has not read when it ends is lost to it: on a busy machine all of a short lab.
    fn wait_for_sleep(&self) -> Result<()> {
        let stat = format!("/proc/{}/stat", self.child.id());
        wait::until("tcpdump to read what waits", || {
            let stat = fs::read_to_string(&stat).context("read the state of tcpdump")?;
            let (_, state) = stat.rsplit_once(") ").context("a state behind the name")?;
            Ok((!state.starts_with(['R', 'D'])).then_some(()))
        })
    }

    /// Waits until it ends by itself.
    pub fn ended(self) -> Result<End> {
        Ok(self.figures()?.0)
    }

    fn figures(mut self) -> Result<(End, String)> {
        let status: ExitStatus =
            wait::until("the capture to end", || Ok(self.child.try_wait()?))?;
        let said = self.read("err")?;
        ensure!(status.success(), "ended with {status}: {said}");
        let end = if self.is_ours {
            End::read(&said)?
        } else {
            End {
                captured: 0,
                received: 0,
                lost: 0,
            }
        };
        Ok((end, self.read("out")?))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // One that has ended is what we want.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The packets of a file as tcpdump reads them: all bytes, without the time, which each capture takes itself.
pub fn packets(file: &str) -> Result<Vec<String>> {
    let text = tool::run("tcpdump", &["-t", "-n", "-e", "-xx", "-r", file], "")?;
    let mut packets: Vec<String> = Vec::new();
    for line in text.lines() {
        match packets.last_mut() {
            Some(packet) if line.starts_with('\t') => {
                packet.push('\n');
                packet.push_str(line);
            }
            _ => packets.push(line.to_owned()),
        }
    }
    Ok(packets)
}

/// tcpdump ends without what it has not read yet: waits until it has written so many packets.
pub fn wait_for_packets(file: &str, number: usize) -> Result<()> {
    wait::until(&format!("{number} packets in {file}"), || {
        let there = packets(file).is_ok_and(|packets| packets.len() >= number);
        Ok(there.then_some(()))
    })
}
