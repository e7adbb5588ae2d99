//! ss's filter language: `( dport = :ssh or sport = :ssh ) and not src 10.0.0.0/8`, on rows and as byte code for the kernel.

mod compile;
mod evaluate;
mod hosts;
mod parse;
mod pattern;
mod words;

pub use parse::parse;

use super::ports::Services;
use crate::socket::{Family, Tables};
use std::net::IpAddr;

/// Which end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Local,
    Remote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    And,
    Or,
}

/// A condition on a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Read from left to right, as ss does: `a or b and c` is `( a or b ) and c`.
    Chain(Box<Expression>, Vec<(Joint, Expression)>),
    Not(Box<Expression>),
    Host(Side, Host),
    AtLeast(Side, i64),
    AtMost(Side, i64),
    Device(u32),
    Mark {
        value: u32,
        mask: u32,
    },
    Cgroup(u64),
    /// The port was chosen by the kernel.
    Autobound,
}

/// An address condition, of whatever kind of socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Alternatives: a name may stand for several; empty: any.
    pub prefixes: Vec<(IpAddr, u8)>,
    pub port: Option<i64>,
    /// Of a UNIX socket: a pattern of its path. `Some` makes this a condition on UNIX sockets.
    pub path: Option<String>,
    /// Protocol of a packet or netlink socket.
    pub protocol: Option<u32>,
}

/// A filter, and the family that an address in it was written for (`unix:`, `inet6:`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub expression: Option<Expression>,
    pub family: Option<Family>,
    /// Ports the kernel chooses from, for `autobound`.
    pub ephemeral: (u32, u32),
}

/// What a filter is read with: names stand for numbers in it.
pub struct Context<'a> {
    /// Tables that are shown: they decide which services a port name is looked for in.
    pub tables: Tables,
    /// The family the command line asks for.
    pub family: Option<Family>,
    pub services: &'a Services,
    /// The index of an interface by name.
    pub interface: &'a dyn Fn(&str) -> Option<u32>,
    /// Addresses of a host.
    pub resolve: &'a dyn Fn(&str) -> Vec<IpAddr>,
    /// Id of the cgroup at a path.
    pub cgroup: &'a dyn Fn(&str) -> Result<u64, String>,
}

/// A filter that cannot be read: where, and what stands there instead of what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.show())]
pub struct FilterError {
    pub text: String,
    /// Bytes of `text`.
    pub at: usize,
    pub expected: String,
    pub found: String,
}

impl FilterError {
    fn show(&self) -> String {
        let column = self.text[..self.at.min(self.text.len())].chars().count();
        format!(
            "filter, column {}: expected {}, found {}\n  {}\n  {}^",
            column + 1,
            self.expected,
            self.found,
            self.text,
            " ".repeat(column)
        )
    }
}
