//! The holder: established loopback connections, both ends in this process, until its standard input ends.
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::super::netns;
use super::super::options::HoldOptions;

/// Connections of one process: both ends have to fit under its file limit.
const EACH: usize = 8_000;
const PORT: u16 = 9000;

/// What the hidden subcommand does.
pub fn run(options: &HoldOptions) -> Result<()> {
    netns::enter(&options.netns)?;
    let address = SocketAddr::from(([127, 1, 0, options.host], PORT));
    let listener = TcpListener::bind(address).context("bind the holder's listener")?;
    let mut held = Vec::new();
    for _ in 0..options.connections {
        held.push(TcpStream::connect(address).context("connect")?);
        held.push(listener.accept().context("accept")?.0);
    }
    writeln!(io::stdout(), "ready")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Leaves so many entries in TIME-WAIT in the namespace of this thread.
pub fn wait(entries: usize) -> Result<()> {
    let listener = TcpListener::bind(("127.2.0.1", PORT)).context("bind a listener")?;
    let address = listener.local_addr()?;
    for _ in 0..entries {
        // Who closes first waits.
        drop(TcpStream::connect(address).context("connect")?);
        drop(listener.accept().context("accept")?);
    }
    Ok(())
}

/// How many there are now.
pub fn waiting() -> Result<usize> {
    let text = fs::read_to_string("/proc/thread-self/net/sockstat")?;
    let mut words = text.split_whitespace().skip_while(|word| *word != "tw");
    let count = words.nth(1).context("sockstat tells no TIME-WAIT")?;
    Ok(count.parse()?)
}

/// Processes that hold connections; they end when this is dropped, however that comes about.
pub struct Holders {
    children: Vec<(Child, ChildStdin)>,
}

impl Holders {
    pub fn start(netns: &Path, connections: usize) -> Result<Self> {
        let mut holders = Self {
            children: Vec::new(),
        };
        let mut left = connections;
        while left > 0 {
            let some = left.min(EACH);
            holders.add(netns, some)?;
            left -= some;
        }
        Ok(holders)
    }

    fn add(&mut self, netns: &Path, connections: usize) -> Result<()> {
        let host = u8::try_from(self.children.len() + 1)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "hold", "--connections", &connections.to_string()])
            .args(["--host", &host.to_string(), "--netns"])
            .arg(netns)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a holder of connections")?;
        let stdin = child.stdin.take().context("standard input is piped")?;
        let mut stdout = child.stdout.take().context("standard output is piped")?;
        self.children.push((child, stdin));
        let mut word = [0; 5];
        stdout
            .read_exact(&mut word)
            .context("a holder ended early")?;
        ensure!(&word == b"ready", "a holder says something else");
        Ok(())
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        for (mut child, stdin) in self.children.drain(..) {
            drop(stdin);
            // It ends by itself; nobody waits for its status.
            child.wait().ok();
        }
    }
}
