//! Who has each open socket, without eBPF: the kernel's lists of sockets, joined with the files of processes in /proc.

use super::flow;
use crate::{
    bpf::holders::Holding,
    netns::{self, Netns},
    socket::{End, Family, Flow, Row, States, Table, Tables, Want},
    sockets::{Kernel, Source as _, SourceError, processes::Processes},
};
use std::{net::IpAddr, sync::Arc};

/// What was not to be had at the last look.
#[derive(Default)]
pub struct Files {
    /// Processes whose files may not be read.
    refused: usize,
    /// Other network namespaces that may not be entered: which addresses they have is not known.
    closed: usize,
}

/// Sockets that packets have, but for those that no process holds any more, or not yet.
fn want() -> Want {
    let tables = [Table::Tcp, Table::Udp, Table::Raw, Table::Ping];
    Want {
        tables: tables.into_iter().fold(Tables::default(), Tables::with),
        ipv4: true,
        ipv6: true,
        states: States::BIG,
        identity: true,
        ..Want::default()
    }
}

impl Files {
    /// Hands over every open socket of every process that we may look at.
    pub fn open(&mut self, mut take: impl FnMut(&Holding)) -> Result<(), SourceError> {
        let found = Processes::read(false).map_err(|source| SourceError::Proc {
            path: "/proc".to_owned(),
            source,
        })?;
        (self.refused, self.closed) = (found.refused, 0);
        let want = want();
        let mut visit = |row: &Row| {
            if let Some(holding) = holding(row, &found) {
                take(&holding);
            }
            Flow::More
        };
        Kernel::open(None, true)?.read(&want, &mut visit)?;
        let own = Netns::own()?.inode();
        // Without a list of the others there are our own sockets.
        let machine = netns::machine().unwrap_or_default();
        self.closed += machine.refused.min(1);
        let others = machine.found.into_iter().filter(|one| one.inode() != own);
        for netns in others {
            let netns = Arc::new(netns);
            let entered = Kernel::open(Some(Arc::clone(&netns)), true);
            self.closed += usize::from(entered.is_err());
            // Who may not enter it may still read what /proc shows of it; one that vanishes has no sockets either.
            let kernel = entered.or_else(|_| Kernel::open(Some(netns), false));
            drop(kernel.and_then(|mut kernel| kernel.read(&want, &mut visit)));
        }
        Ok(())
    }

    /// What cannot be told for want of privileges; empty: nothing.
    pub fn missing(&self) -> String {
        let mut told = String::new();
        if self.refused > 0 {
            told += "; files of other processes may not be read (CAP_SYS_PTRACE)";
        }
        if self.closed > 0 {
            told += "; of other network namespaces only connections are told (CAP_SYS_ADMIN)";
        }
        told
    }
}

/// A socket with the first of the processes that hold it; none: nobody does.
fn holding(row: &Row, found: &Processes) -> Option<Holding> {
    let holder = found.of(row.inode).min_by_key(|holder| holder.pid)?;
    let six = row.family == Family::Inet6;
    let lport = port(&row.local);
    let proto = if row.table == Table::Tcp {
        flow::TCP.into()
    } else if row.table == Table::Udp {
        flow::UDP.into()
    } else if row.table == Table::Ping {
        u16::from(if six { flow::ICMP6 } else { flow::ICMP })
    } else {
        // The port of a raw socket is its protocol.
        lport
    };
    Some(Holding {
        closed_ns: 0,
        laddr: words(row.local.ip),
        raddr: words(row.remote.ip),
        cgroup: row.cgroup.unwrap_or(0),
        comm: zerocopy::transmute!(holder.comm.0),
        netns: row.netns,
        pid: holder.pid,
        uid: row.uid.unwrap_or(0),
        lport,
        rport: port(&row.remote),
        family: if six { 10 } else { 2 },
        proto,
        state: row.state.0.into(),
    })
}

fn port(end: &End) -> u16 {
    u16::try_from(end.port).unwrap_or(0)
}

/// As the kernel keeps an address: of IPv4 the first four bytes.
fn words(ip: IpAddr) -> [u64; 2] {
    let mut bytes = [0; 16];
    match ip {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes = v6.octets(),
    }
    zerocopy::transmute!(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    /// Our own sockets, which we know without looking.
    #[test]
    fn own_sockets_are_ours() {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let wanted = [
            (6, listener.local_addr().unwrap(), 0, 10),
            (
                6,
                stream.local_addr().unwrap(),
                stream.peer_addr().unwrap().port(),
                1,
            ),
            (17, datagrams.local_addr().unwrap(), 0, 7),
        ];
        let mut all = Vec::new();
        Files::default().open(|held| all.push(*held)).unwrap();
        for (proto, local, rport, state) in wanted {
            let is_it = |held: &&Holding| {
                (held.proto, held.lport, held.rport) == (proto, local.port(), rport)
                    && held.laddr == words(local.ip())
            };
            let held = all.iter().find(is_it).expect("a socket that we have");
            assert_eq!(
                (held.pid, held.state),
                (std::process::id(), state),
                "{local}"
            );
        }
    }
}
