//! Rows of sockets to text as ss prints it, to chosen columns, and to JSON.

pub mod address;
mod columns;
mod details;
mod figures;
pub mod json;
mod layout;
pub mod names;
mod tcp;
pub mod text;
mod upper;

pub use columns::{Columns, Needs};
pub use figures::milliseconds;
pub use layout::{Align, Layout};
pub use names::SocketNames;

use crate::{
    enrich::About,
    socket::{Holder, Row},
};

/// A socket and what is known of its surroundings.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub row: &'a Row,
    pub holders: &'a [Holder],
    pub about: Option<&'a About>,
    /// Name of the network namespace, where it has one.
    pub netns: Option<&'a str>,
    /// What changed since the last look.
    pub change: Option<&'a Change>,
}

/// Growth of a socket's counters between two looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Not there at the last look.
    pub new: bool,
    /// Bytes a second sent and received; where the source tells bytes.
    pub tx_rate: Option<f64>,
    pub rx_rate: Option<f64>,
    /// Segments sent again since the last look.
    pub retrans: Option<u32>,
    pub old_state: Option<crate::socket::State>,
    pub recvq: i64,
    pub sendq: i64,
}

/// What of each socket is shown: ss's flags, and ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag of the command line each"
)]
pub struct Options {
    pub header: bool,
    pub netid: bool,
    pub state: bool,
    pub timer: bool,
    pub details: bool,
    pub memory: bool,
    pub info: bool,
    pub tos: bool,
    pub cgroup: bool,
    pub sockopt: bool,
    pub bpf: bool,
    pub oneline: bool,
    pub processes: bool,
    pub threads: bool,
    /// `-Z`.
    pub context: bool,
    pub netns: bool,
    pub container: bool,
    pub pod: bool,
    pub user: bool,
    pub command: bool,
}
