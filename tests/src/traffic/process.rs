//! A child process in a namespace, with a name, a pid and a line to its parent: a socket owner one can kill.

use std::ffi::CString;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail, ensure};

use super::tcp;
use crate::netns::Netns;
use crate::{sys, wait};

/// One end of the line between parent and child: numbers, or the child's last words.
pub struct Link(BufReader<UnixStream>);

impl Link {
    fn new(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(wait::patience()))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn say(&mut self, number: u64) -> Result<()> {
        writeln!(self.0.get_mut(), "{number}").context("tell the other process")
    }

    /// Takes the descriptor that the other side passes next.
    pub fn take(&mut self) -> Result<OwnedFd> {
        sys::receive_fd(self.0.get_ref().as_fd()).context("take a descriptor")
    }

    pub fn hear(&mut self) -> Result<u64> {
        let mut line = String::new();
        self.0
            .read_line(&mut line)
            .context("hear from the other process")?;
        let line = line.trim_end();
        line.parse().ok().with_context(|| {
            format!(
                "the other process says: {}",
                if line.is_empty() { "(ended)" } else { line }
            )
        })
    }
}

/// A child process; killed and reaped on drop.
pub struct Process {
    pid: libc::pid_t,
    link: Link,
    status: Option<i32>,
}

impl Process {
    /// Forks `body` into `ns` under the name `comm`.
    ///
    /// The child keeps no descriptor of the parent: `body` opens its own sockets.
    pub fn spawn(
        ns: &Netns,
        comm: &str,
        body: impl FnOnce(&mut Link) -> Result<()>,
    ) -> Result<Self> {
        let comm = CString::new(comm)?;
        let (ours, theirs) = UnixStream::pair()?;
        let pid = sys::fork_into(ns.fd(), theirs.as_fd(), |line| {
            let life = || -> Result<()> {
                sys::die_with_parent()?;
                sys::set_comm(&comm)?;
                let mut link = Link::new(line.into())?;
                let ended = body(&mut link);
                if let Err(error) = &ended {
                    writeln!(
                        link.0.get_mut(),
                        "{}",
                        format!("{error:#}").replace('\n', " ")
                    )?;
                }
                ended
            };
            i32::from(life().is_err())
        })
        .context("fork")?;
        Ok(Self {
            pid,
            link: Link::new(ours)?,
            status: None,
        })
    }

    /// A TCP server on `addr` (port 0: any) that accepts one connection and hands it to `body`; with its port.
    pub fn server(
        ns: &Netns,
        comm: &str,
        addr: SocketAddr,
        body: impl FnOnce(TcpStream, &mut Link) -> Result<()>,
    ) -> Result<(Self, u16)> {
        let mut server = Self::spawn(ns, comm, |link| {
            let listener = tcp::listen(addr, 128)?;
            link.say(listener.local_addr()?.port().into())?;
            body(listener.accept()?.0, link)
        })?;
        let port = u16::try_from(server.hear()?)?;
        Ok((server, port))
    }

    /// A TCP client that connects to `to` and hands the connection to `body`; with its port.
    pub fn client(
        ns: &Netns,
        comm: &str,
        to: SocketAddr,
        body: impl FnOnce(TcpStream, &mut Link) -> Result<()>,
    ) -> Result<(Self, u16)> {
        let mut client = Self::spawn(ns, comm, |link| {
            let stream = tcp::Dial::to(to)
                .connect()
                .with_context(|| format!("connect to {to}"))?;
            link.say(stream.local_addr()?.port().into())?;
            body(stream, link)
        })?;
        let port = u16::try_from(client.hear()?)?;
        Ok((client, port))
    }

    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    pub fn say(&mut self, number: u64) -> Result<()> {
        self.link.say(number)
    }

    pub fn hear(&mut self) -> Result<u64> {
        self.link.hear()
    }

    /// Passes a descriptor to the child, which is to [`Link::take`] it.
    pub fn pass(&self, fd: impl AsFd) -> Result<()> {
        sys::send_fd(self.link.0.get_ref().as_fd(), fd.as_fd()).context("pass a descriptor")
    }

    /// Waits for the child to end well.
    pub fn join(mut self) -> Result<()> {
        let status = wait::until("a child process to end", || Ok(sys::try_wait(self.pid)?))?;
        self.status = Some(status);
        if status != 0 {
            bail!(
                "child process {}: wait status {status}; {:#}",
                self.pid,
                self.link.hear().err().context("no word")?
            );
        }
        Ok(())
    }

    /// Ends the child by SIGKILL and reaps it.
    pub fn kill(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.status.is_some() {
            return Ok(());
        }
        sys::kill(self.pid, libc::SIGKILL)?;
        let status = wait::until("a killed process to end", || Ok(sys::try_wait(self.pid)?))?;
        self.status = Some(status);
        ensure!(
            libc::WIFSIGNALED(status) || status == 0,
            "child process {} had failed: {status}",
            self.pid
        );
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing waits for the answer of a process that its lab has given up.
        drop(self.end());
    }
}
