//! Sockets by /proc/net: less of each, for kernels and containers without sock_diag.

mod inet;
mod others;
mod sctp;
mod words;

use crate::{
    netns::{Netns, NetnsError},
    socket::{Family, Flow, Row, Table, Want},
};
use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    sync::Arc,
};

/// A file of /proc/net and how its lines are read; `false` from `parse`: the line is not understood.
#[derive(Clone, Copy)]
pub struct NetFile {
    pub name: &'static str,
    table: Table,
    family: Family,
    parse: fn(&[u8], &mut Row) -> bool,
}

const fn file(
    name: &'static str,
    table: Table,
    family: Family,
    parse: fn(&[u8], &mut Row) -> bool,
) -> NetFile {
    NetFile {
        name,
        table,
        family,
        parse,
    }
}

const FILES: [NetFile; 15] = [
    file("tcp", Table::Tcp, Family::Inet, inet::tcp),
    file("tcp6", Table::Tcp, Family::Inet6, inet::tcp),
    file("udp", Table::Udp, Family::Inet, inet::datagram),
    file("udp6", Table::Udp, Family::Inet6, inet::datagram),
    file("udplite", Table::UdpLite, Family::Inet, inet::datagram),
    file("udplite6", Table::UdpLite, Family::Inet6, inet::datagram),
    file("raw", Table::Raw, Family::Inet, inet::datagram),
    file("raw6", Table::Raw, Family::Inet6, inet::datagram),
    file("icmp", Table::Ping, Family::Inet, inet::datagram),
    file("icmp6", Table::Ping, Family::Inet6, inet::datagram),
    file("sctp/eps", Table::Sctp, Family::Inet, sctp::endpoint),
    file("sctp/assocs", Table::Sctp, Family::Inet, sctp::association),
    file("unix", Table::UnixStream, Family::Unix, others::unix),
    file("packet", Table::PacketRaw, Family::Packet, others::packet),
    file("netlink", Table::Netlink, Family::Netlink, others::netlink),
];

/// Where a table of a family stands; SCTP's files hold both families.
pub fn files(table: Table, family: Family) -> &'static [NetFile] {
    let first = FILES
        .iter()
        .position(|file| file.family == family && (file.table == table || !is_inet(family)));
    match first {
        Some(at) if table == Table::Sctp => &FILES[at..at + 2],
        Some(at) => &FILES[at..=at],
        None => &[],
    }
}

fn is_inet(family: Family) -> bool {
    matches!(family, Family::Inet | Family::Inet6)
}

/// The files of one network namespace.
pub struct ProcNet {
    netns: Option<Arc<Netns>>,
    inode: u32,
    line: Vec<u8>,
    /// Lines that could not be understood.
    pub malformed: u64,
}

impl ProcNet {
    pub fn new(netns: Option<Arc<Netns>>, inode: u32) -> Self {
        Self {
            netns,
            inode,
            line: Vec::new(),
            malformed: 0,
        }
    }

    /// The file shows the namespace of the thread that opens it.
    fn open(&self, name: &str) -> io::Result<File> {
        let open = || File::open(format!("/proc/thread-self/net/{name}"));
        let Some(netns) = &self.netns else {
            return open();
        };
        match (netns.run(open), netns.pid) {
            // Who may not enter it may read what any process inside shows of it.
            (Err(NetnsError::Enter { .. }), Some(pid)) => {
                File::open(format!("/proc/{pid}/net/{name}"))
            }
            (opened, _) => opened.map_err(io::Error::other)?,
        }
    }

    pub fn read(
        &mut self,
        file: NetFile,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> io::Result<Flow> {
        let mut lines = BufReader::with_capacity(64 * 1024, self.open(file.name)?);
        let mut header = true;
        loop {
            self.line.clear();
            if lines.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(Flow::More);
            }
            if std::mem::take(&mut header) {
                continue;
            }
            row.reset();
            (row.table, row.family, row.netns) = (file.table, file.family, self.inode);
            if !(file.parse)(self.line.trim_ascii_end(), row) {
                self.malformed += 1;
                continue;
            }
            let wanted =
                want.tables.has(row.table) && want.state(row.state) && want.family(row.family);
            if wanted && visit(row) == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
    }
}
