//! A namespace with sockets of every kind and TCP state, which stay as they are for a minute.

use std::io::Write;
use std::net::{Ipv6Addr, Shutdown, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self as unix, UnixDatagram, UnixListener, UnixStream};

use anyhow::{Context, Result};

use super::tcp::{self, Dial};
use crate::netns::Netns;
use crate::{machine, sys, wait};

/// What keeps handshakes and endings from completing: what is lost on its way in.
const LOSSES: &str = "table inet zoo {
 chain input {
  type filter hook input priority 0; policy accept;
  tcp dport 7001 drop
  tcp sport 7002 tcp flags & (syn|ack) == (syn|ack) drop
  tcp dport 7003 tcp flags & fin == fin drop
  tcp sport 7004 tcp flags & fin == fin drop
  tcp dport 7005 tcp flags & fin == fin drop
 }
}
";

/// Established connections of each family; an emulated processor shows them for ten times as long.
const MANY: usize = 1000;
const MANY_OF_FEW: usize = 150;

fn many() -> usize {
    if machine::is_bare() {
        MANY_OF_FEW
    } else {
        MANY
    }
}

/// Connections in each state that is hard to hold.
const SOME: usize = 40;

const LOCAL4: [u8; 4] = [127, 0, 0, 1];

/// Held open: dropping it ends the namespace.
pub struct Zoo {
    pub ns: Netns,
    _held: Held,
}

#[derive(Default)]
struct Held {
    fds: Vec<OwnedFd>,
}

impl Held {
    fn keep(&mut self, socket: impl Into<OwnedFd>) {
        self.fds.push(socket.into());
    }
}

/// Whether this kernel is built with MPTCP.
pub fn has_mptcp() -> bool {
    std::path::Path::new("/proc/sys/net/mptcp").exists()
}

fn v4(port: u16) -> SocketAddr {
    SocketAddr::from((LOCAL4, port))
}

fn v6(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::LOCALHOST, port))
}

impl Zoo {
    /// So many rows of a listing, of the whole zoo; a proportionate part of a small one.
    pub fn rows(whole: usize) -> usize {
        whole * many() / MANY
    }

    pub fn new() -> Result<Self> {
        sys::raise_file_limit().context("raise the limit of open files")?;
        let ns = Netns::new("zoo")?;
        ns.ip("link add d0 type veth peer name d1\nlink set dev d0 up\nlink set dev d1 up\naddr add fe80::1/64 dev d0 nodad\naddr add 10.9.0.1/24 dev d0\n")?;
        ns.sysctl("net/ipv4/ping_group_range", "0 0")?;
        ns.tool("nft", &["-f", "-"], LOSSES)?;
        let held = ns.run(|| {
            let mut held = Held::default();
            held.listeners().context("listeners")?;
            held.established().context("established connections")?;
            held.link_local().context("link-local connections")?;
            held.states().context("states of TCP")?;
            held.datagrams().context("datagram sockets")?;
            held.local().context("UNIX sockets")?;
            held.others().context("raw, packet and MPTCP sockets")?;
            Ok(held)
        })?;
        // An acknowledgement that was lost with a FIN is sent again.
        wait::until("every connection to come to rest", || {
            let words = ["-tnH", "state", "fin-wait-1", "dport", "=", ":7004"];
            Ok(ns.tool("ss", &words, "")?.is_empty().then_some(()))
        })?;
        Ok(Self { ns, _held: held })
    }
}

impl Held {
    fn listeners(&mut self) -> Result<()> {
        for port in [22, 80, 443, 8080] {
            self.keep(tcp::listen(v4(port), 64)?);
        }
        // One that takes both families, one that takes IPv6 only.
        self.keep(tcp::listen(
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 9001)),
            7,
        )?);
        let only = sys::socket(libc::AF_INET6, libc::SOCK_STREAM, 0)?;
        sys::setsockopt(only.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1i32)?;
        sys::bind(
            only.as_fd(),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 9002)),
        )?;
        sys::listen(only.as_fd(), 9)?;
        self.keep(only);
        for _ in 0..3 {
            self.keep(tcp::listen_shared(v4(9003), 4)?);
        }
        // Two wait in its queue.
        self.keep(tcp::listen(v4(9004), 8)?);
        for _ in 0..2 {
            self.keep(Dial::to(v4(9004)).connect()?);
        }
        Ok(())
    }

    fn established(&mut self) -> Result<()> {
        let dual = tcp::listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 9010)), 64)?;
        let four = tcp::listen(v4(9011), 64)?;
        for place in 0..many() {
            let (listener, to) = match place % 4 {
                0 => (&four, v4(9011)),
                1 => (&dual, v4(9010)),
                2 => (&dual, v6(9010)),
                _ => (&dual, tcp::mapped(v4(9010))),
            };
            let (mut client, server) = pair(listener, to)?;
            if place % 10 == 0 {
                client.write_all(&vec![b'x'; place + 1])?;
                tcp::wait_unread(&server)?;
            }
            if place % 50 == 0 {
                let mark = i32::try_from(place / 50 + 1)?;
                sys::setsockopt(client.as_fd(), libc::SOL_SOCKET, libc::SO_MARK, mark)?;
            }
            self.keep(client);
            self.keep(server);
        }
        let bound = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        let device = *b"lo\0\0";
        sys::setsockopt(
            bound.as_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            device,
        )?;
        sys::bind(bound.as_fd(), v4(9012))?;
        sys::listen(bound.as_fd(), 5)?;
        self.keep(bound);
        self.keep(dual);
        self.keep(four);
        Ok(())
    }

    fn link_local(&mut self) -> Result<()> {
        let scope = u32::try_from(sys::ifindex(c"d0")?)?;
        let ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let at = SocketAddr::V6(SocketAddrV6::new(ip, 9020, 0, scope));
        let listener = tcp::listen(at, 16)?;
        for _ in 0..10 {
            let (client, server) = pair(&listener, at)?;
            self.keep(client);
            self.keep(server);
        }
        self.keep(listener);
        let datagrams = UdpSocket::bind(SocketAddr::V6(SocketAddrV6::new(ip, 9021, 0, scope)))?;
        self.keep(datagrams);
        Ok(())
    }

    fn states(&mut self) -> Result<()> {
        for address in [v4, v6] {
            self.keep(tcp::listen(address(7002), 256)?);
            for _ in 0..SOME / 2 {
                self.keep(Dial::to(address(7001)).start()?); // syn-sent
                self.keep(Dial::to(address(7002)).start()?); // syn-recv, and syn-sent at its client
            }
        }
        self.endings()
    }

    fn endings(&mut self) -> Result<()> {
        for address in [v4, v6] {
            for number in [7003, 7004, 7005, 7006, 7007] {
                let at = address(number);
                let listener = tcp::listen(at, 64)?;
                for _ in 0..SOME / 2 {
                    let (client, server) = pair(&listener, at)?;
                    self.end(number, client, server)?;
                }
                self.keep(listener);
            }
        }
        Ok(())
    }

    fn end(&mut self, number: u16, client: TcpStream, server: TcpStream) -> Result<()> {
        match number {
            // Its FIN is lost: fin-wait-1.
            7003 => client.shutdown(Shutdown::Write)?,
            // The server's FIN is lost: last-ack, and fin-wait-2 at the client.
            7004 => {
                client.shutdown(Shutdown::Write)?;
                ended(&server)?;
                drop(server);
                self.keep(client);
                return Ok(());
            }
            // Both end, and one FIN is lost: closing.
            7005 => {
                client.shutdown(Shutdown::Write)?;
                server.shutdown(Shutdown::Write)?;
                ended(&client)?;
            }
            // close-wait and fin-wait-2.
            7006 => {
                client.shutdown(Shutdown::Write)?;
                ended(&server)?;
            }
            // time-wait.
            _ => {
                client.shutdown(Shutdown::Write)?;
                ended(&server)?;
                drop(server);
                ended(&client)?;
                drop(client);
                return Ok(());
            }
        }
        self.keep(client);
        self.keep(server);
        Ok(())
    }

    fn datagrams(&mut self) -> Result<()> {
        for port in [53, 123, 5353] {
            self.keep(UdpSocket::bind(v4(port))?);
        }
        self.keep(UdpSocket::bind(v6(53))?);
        self.keep(UdpSocket::bind(SocketAddr::from((
            Ipv6Addr::UNSPECIFIED,
            5354,
        )))?);
        self.keep(UdpSocket::bind(SocketAddr::from(([0, 0, 0, 0], 5355)))?);
        let full = UdpSocket::bind(v4(5356))?;
        for place in 0..many() {
            let address = if place % 2 == 0 { v4(0) } else { v6(0) };
            let socket = UdpSocket::bind(address)?;
            let to = if place % 2 == 0 { v4(5356) } else { v6(53) };
            socket.connect(to)?;
            if place < 10 {
                socket.send(&[0; 100])?;
            }
            self.keep(socket);
        }
        self.keep(full);
        Ok(())
    }

    fn local(&mut self) -> Result<()> {
        let inode = std::process::id();
        for place in 0..50 {
            let name = format!("zoo/{inode}/{place}");
            let address = unix::SocketAddr::from_abstract_name(name.as_bytes())?;
            let listener = UnixListener::bind_addr(&address)?;
            let client = UnixStream::connect_addr(&address)?;
            let (server, _) = listener.accept()?;
            (&client).write_all(&[0; 10])?;
            self.keep(listener);
            self.keep(client);
            self.keep(server);
            let (a, b) = UnixDatagram::pair()?;
            self.keep(a);
            self.keep(b);
            let dgram = UnixDatagram::bind_addr(&unix::SocketAddr::from_abstract_name(
                format!("zoo/{inode}/d{place}").as_bytes(),
            )?)?;
            self.keep(dgram);
            self.keep(sys::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0)?);
        }
        let path = format!("/tmp/netobs-zoo-{inode}-{self:p}");
        let listener = UnixListener::bind(&path)?;
        let waiting = UnixStream::connect(&path)?;
        std::fs::remove_file(&path)?;
        self.keep(listener);
        self.keep(waiting);
        Ok(())
    }

    fn others(&mut self) -> Result<()> {
        const IPPROTO_MPTCP: i32 = 262;
        for protocol in [libc::IPPROTO_ICMP, 89] {
            self.keep(sys::socket(libc::AF_INET, libc::SOCK_RAW, protocol)?);
        }
        self.keep(sys::socket(
            libc::AF_INET6,
            libc::SOCK_RAW,
            libc::IPPROTO_ICMPV6,
        )?);
        let all = i32::from(3u16.to_be());
        self.keep(sys::socket(libc::AF_PACKET, libc::SOCK_RAW, all)?);
        self.keep(sys::socket(
            libc::AF_PACKET,
            libc::SOCK_DGRAM,
            i32::from(0x800u16.to_be()),
        )?);
        if !has_mptcp() {
            return Ok(());
        }
        let listener = sys::socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP)?;
        sys::bind(listener.as_fd(), v4(9030))?;
        sys::listen(listener.as_fd(), 4)?;
        let client = sys::socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP)?;
        sys::connect(client.as_fd(), v4(9030))?;
        self.keep(listener);
        self.keep(client);
        Ok(())
    }
}

fn pair(listener: &TcpListener, to: SocketAddr) -> Result<(TcpStream, TcpStream)> {
    let client = Dial::to(to).connect()?;
    Ok((client, listener.accept()?.0))
}

/// Waits for the other side's FIN.
fn ended(stream: &TcpStream) -> Result<()> {
    wait::until("the other side's end", || {
        Ok((stream.peek(&mut [0])? == 0).then_some(()))
    })
}
