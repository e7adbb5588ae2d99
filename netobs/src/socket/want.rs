//! What a reader wants of a source: which tables, families and states, and how much of each socket.

use super::{Family, State, States, Table};

/// A set of tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables(u32);

impl Tables {
    pub const fn one(table: Table) -> Self {
        Self(1 << table as u32)
    }

    #[must_use]
    pub const fn with(self, table: Table) -> Self {
        Self(self.0 | 1 << table as u32)
    }

    #[must_use]
    pub const fn without(self, table: Table) -> Self {
        Self(self.0 & !(1 << table as u32))
    }

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn has(self, table: Table) -> bool {
        self.0 & (1 << table as u32) != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }
}

/// What a source is asked for. It may tell more of a socket than was wanted, and never other sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent parts of a row")]
pub struct Want {
    pub tables: Tables,
    /// Of inet sockets.
    pub ipv4: bool,
    pub ipv6: bool,
    pub states: States,
    /// `tcp_info`, congestion control, upper layer protocol.
    pub info: bool,
    pub memory: bool,
    /// Type of service and traffic class.
    pub tos: bool,
    /// Device and inode of UNIX paths, sockets that wait to be accepted; filters of packet sockets.
    pub details: bool,
    /// User, inode, cookie, mark, cgroup, shutdown and timer of TCP sockets: a source that has to look for them does so only
    /// if asked.
    pub identity: bool,
    /// Processes, if the source knows them at no great cost; others are found in /proc.
    pub holders: bool,
    /// Threads told apart, where they do not share their process's descriptors.
    pub threads: bool,
    /// A filter for the kernel, in the byte code of `inet_diag`; empty: none. Sources that cannot use it ignore it: rows are
    /// looked at again by the reader.
    pub bytecode: Vec<u8>,
}

impl Want {
    pub const fn family(&self, family: Family) -> bool {
        match family {
            Family::Inet => self.ipv4,
            Family::Inet6 => self.ipv6,
            Family::Unix
            | Family::Packet
            | Family::Netlink
            | Family::Vsock
            | Family::Tipc
            | Family::Xdp => true,
        }
    }

    pub const fn state(&self, state: State) -> bool {
        self.states.has(state)
    }
}

/// Whether the reader of a source wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    More,
    Enough,
}
