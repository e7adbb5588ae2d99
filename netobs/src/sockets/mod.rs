//! Where rows of sockets come from: one place that chooses the source, and what every source can be asked.

pub mod filter;
mod kernel;
pub mod ports;
mod proc_net;
pub mod processes;
pub mod select;
pub mod summary;

pub use kernel::Kernel;

use crate::{
    netlink::sock_diag::DiagError,
    netns::{Netns, NetnsError},
    socket::{Flow, Row, Table, Want},
};
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

/// The cheapest source for what is wanted of a namespace; `None`: our own.
///
/// This is the only place that chooses. BPF iterators (`crate::bpf::iterate`) go first here when the engine is `Bpf`, or
/// `Auto` and `want.holders` of a machine with so many open files that a walk over /proc costs more than loading programs.
pub fn open(
    engine: Engine,
    netns: Option<Arc<Netns>>,
    _want: &Want,
) -> Result<Box<dyn Source>, SourceError> {
    match engine {
        Engine::Bpf => Err(SourceError::Unavailable(
            "BPF iterators are not built into this program: leave out --engine bpf".to_owned(),
        )),
        Engine::Auto | Engine::Netlink => Ok(Box::new(Kernel::open(netns, true)?)),
        Engine::Proc => Ok(Box::new(Kernel::open(netns, false)?)),
    }
}
