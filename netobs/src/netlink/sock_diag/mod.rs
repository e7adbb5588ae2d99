//! Sockets by `sock_diag`: one request and one stream of answers for each table.

mod attributes;
pub mod bytecode;
mod congestion;
mod destroy;
mod dump;
mod inet;
mod once;
mod others;
mod packet;
mod unix;
mod wire;

pub use dump::SockDiag;

use std::io;

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DiagError {
    #[error("open a sock_diag socket: {0}")]
    Open(io::Error),
    #[error("send a request to sock_diag: {0}")]
    Send(io::Error),
    #[error("read from sock_diag: {0}")]
    Read(io::Error),
    /// The module is not built, or a container may not load it.
    #[error("this kernel has no sock_diag for {0} sockets")]
    NotThere(&'static str),
    #[error("sock_diag refuses to list {what} sockets: {source}")]
    Refused {
        what: &'static str,
        source: io::Error,
    },
    #[error("sock_diag answers with what is no netlink message")]
    Malformed,
}

impl DiagError {
    /// Whether the table may still be had from /proc.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::NotThere(_) | Self::Open(_) => true,
            Self::Send(_) | Self::Read(_) | Self::Refused { .. } | Self::Malformed => false,
        }
    }
}

#[cfg(test)]
mod noise;

/// What a socket could not be closed for.
#[derive(Debug, thiserror::Error)]
pub enum DestroyError {
    #[error(
        "this kernel cannot close sockets of others: CONFIG_INET_DIAG_DESTROY is not set, or the protocol has no such call"
    )]
    Unsupported,
    #[error("need CAP_NET_ADMIN to close sockets: run as root")]
    Denied,
    /// It was closed while we looked.
    #[error("the socket is gone")]
    Gone,
    #[error("close a socket: {0}")]
    Other(io::Error),
}
