//! UNIX sockets as the iterator writes them: rows, and names of those that have one, in memory that the reader shares.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One socket.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct UnixRow {
    pub sk: u64,
    /// Inode number of the socket file; 0: none.
    pub ino: u64,
    /// That of the socket it is connected to.
    pub peer: u64,
    /// As `unix_diag` counts them.
    pub rqueue: u32,
    pub wqueue: u32,
    /// One more than the place of its name; 0: none.
    pub name: u32,
    /// `sk_type`.
    pub kind: u16,
    pub state: u8,
    pub name_len: u8,
}

/// A path, or an abstract name that begins with NUL.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct UnixName(pub [u64; 16]);

/// What there was, with or without room for it.
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct UnixCounts {
    pub rows: u32,
    pub names: u32,
    /// 1: the queue of one was too long to be added up.
    pub unsure: u32,
    pub _pad: u32,
}
