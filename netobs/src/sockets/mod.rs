//! Where rows of sockets come from: one place that chooses the source, and what every source can be asked.

pub mod doctor;
pub mod filter;
mod iterators;
mod kernel;
pub mod ports;
mod proc_net;
pub mod processes;
pub mod select;
pub mod summary;

pub use iterators::Iterators;
pub use kernel::Kernel;

use crate::{
    netlink::sock_diag::DiagError,
    netns::{Netns, NetnsError},
    socket::{Family, Flow, Row, Table, Want},
};
use processes::Processes;
use std::{io, sync::Arc};

/// Tables in the order in which they are told, which is that of ss.
pub const ORDER: [Table; 18] = [
    Table::Netlink,
    Table::PacketRaw,
    Table::PacketDgram,
    Table::UnixStream,
    Table::UnixDgram,
    Table::UnixSeqpacket,
    Table::Raw,
    Table::Ping,
    Table::Udp,
    Table::UdpLite,
    Table::Tcp,
    Table::Dccp,
    Table::Sctp,
    Table::VsockStream,
    Table::VsockDgram,
    Table::Tipc,
    Table::Xdp,
    Table::Mptcp,
];

/// Families whose sockets a table has, each of which is asked for by itself.
fn families(table: Table) -> &'static [Family] {
    match table {
        Table::UnixStream | Table::UnixDgram | Table::UnixSeqpacket => &[Family::Unix],
        Table::PacketRaw | Table::PacketDgram => &[Family::Packet],
        Table::VsockStream | Table::VsockDgram => &[Family::Vsock],
        Table::Netlink => &[Family::Netlink],
        Table::Tipc => &[Family::Tipc],
        Table::Xdp => &[Family::Xdp],
        Table::Tcp
        | Table::Udp
        | Table::UdpLite
        | Table::Raw
        | Table::Ping
        | Table::Mptcp
        | Table::Sctp
        | Table::Dccp => &[Family::Inet, Family::Inet6],
    }
}

/// By what a table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// BPF iterators.
    Iterator,
    SockDiag,
    Proc,
    /// Nothing tells this table here.
    None,
}

impl Path {
    pub fn name(self) -> &'static str {
        match self {
            Self::Iterator => "iterator",
            Self::SockDiag => "sock_diag",
            Self::Proc => "proc",
            Self::None => "none",
        }
    }
}

/// What the user allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// The cheapest that tells all that is asked
    #[default]
    Auto,
    /// BPF iterators
    Bpf,
    /// sock_diag, and /proc where the kernel has no diag module
    Netlink,
    /// /proc alone
    Proc,
}

/// What stands beside the rows once all are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// By what each table was read.
    pub paths: Vec<(Table, Path)>,
    /// Sockets the kernel told twice, left out.
    pub repeated: u64,
    /// Tables that changed under the reader so that the kernel said so.
    pub interrupted: u64,
    /// Lines of /proc that could not be understood.
    pub malformed: u64,
}

impl Told {
    pub fn add(&mut self, other: &Self) {
        for path in &other.paths {
            if !self.paths.contains(path) {
                self.paths.push(*path);
            }
        }
        self.repeated += other.repeated;
        self.interrupted += other.interrupted;
        self.malformed += other.malformed;
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Diag(#[from] DiagError),
    #[error("read {path}: {source}")]
    Proc { path: String, source: io::Error },
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error("{0}")]
    Unavailable(String),
}

/// A way to the sockets of one network namespace.
pub trait Source {
    /// Tells every socket that is wanted, once, until the visitor has enough. The row lives for the call.
    fn read(
        &mut self,
        want: &Want,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Told, SourceError>;

    /// Whether its rows say who holds them, so that nobody has to look.
    fn tells_holders(&self) -> bool {
        false
    }
}

/// From so many TCP sockets on, telling them by iterators costs less than asking `sock_diag` for them.
const ROWS_FROM: u64 = 3_000;
/// Loading an iterator and walking all files costs as much as a walk over /proc of so many microseconds.
const HOLDERS_FROM_US: u64 = 8_000;

/// The cheapest source for what is wanted of a namespace; `None`: our own.
///
/// With [`holders`] the only place that chooses.
pub fn open(
    engine: Engine,
    netns: Option<Arc<Netns>>,
    want: &Want,
) -> Result<Box<dyn Source>, SourceError> {
    match engine {
        Engine::Bpf => Ok(Box::new(Iterators::open(netns, want, true)?)),
        Engine::Auto if iterators::is_worth(want, netns.as_deref(), ROWS_FROM) => {
            match Iterators::open(netns.clone(), want, false) {
                Ok(source) => Ok(Box::new(source)),
                Err(_) => Ok(Box::new(Kernel::open(netns, true)?)),
            }
        }
        Engine::Auto | Engine::Netlink => Ok(Box::new(Kernel::open(netns, true)?)),
        Engine::Proc => Ok(Box::new(Kernel::open(netns, false)?)),
    }
}

/// Who holds the sockets of all namespaces, for sources that do not tell.
pub fn holders(engine: Engine, want: &Want) -> Result<Processes, SourceError> {
    let iterate = match engine {
        Engine::Bpf => true,
        Engine::Auto => processes::walk_us() >= HOLDERS_FROM_US,
        Engine::Netlink | Engine::Proc => false,
    };
    if iterate && let Ok(found) = iterators::holders(want) {
        return Ok(found);
    }
    Processes::read(want.threads).map_err(|source| SourceError::Proc {
        path: "/proc".to_owned(),
        source,
    })
}
