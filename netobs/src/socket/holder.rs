//! A process that holds a descriptor of a socket.

pub use crate::event::Comm;

/// One descriptor of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    /// The thread, where threads are told apart; else the same as `pid`.
    pub tid: u32,
    pub fd: u32,
    pub comm: Comm,
}
