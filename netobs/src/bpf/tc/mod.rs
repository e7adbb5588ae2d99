//! Programs at TC, in front of those that are there, which all run: by links, or by filters of a clsact qdisc.

mod clsact;

use super::{
    attach::in_words,
    sys::{self, TcxAt},
};
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Ingress,
    Egress,
}

/// A loaded program and where it belongs.
pub type Program<'a> = (At, BorrowedFd<'a>);

/// How programs get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By links (6.6), which end with us. The kernel waits 8 to 16 ms at each to be attached, and to be taken away.
    Tcx,
    /// By filters of a clsact qdisc, which stay if we are killed, until the next run.
    Clsact,
}

/// Why a program is not there.
#[derive(Debug, thiserror::Error)]
pub enum TcError {
    #[error("attach to tcx: {}", in_words(.0))]
    Link(io::Error),
    #[error(transparent)]
    Netlink(#[from] crate::netlink::socket::Error),
    #[error("attach to clsact: the kernel does not tell where the filter is")]
    Unnamed,
}

/// Programs on a device; dropping it takes them away.
pub enum Attached {
    Links(#[expect(dead_code, reason = "they end when they are dropped")] Vec<OwnedFd>),
    Filters(#[expect(dead_code, reason = "they end when they are dropped")] clsact::Filters),
}

/// `what`: the name of filters, for who lists them.
pub fn attach(
    way: Way,
    device: u32,
    what: &str,
    programs: &[Program<'_>],
) -> Result<Attached, TcError> {
    match way {
        Way::Clsact => clsact::Filters::add(device, what, programs).map(Attached::Filters),
        Way::Tcx => {
            let links = programs.iter().map(|(at, program)| {
                let at = match at {
                    At::Ingress => TcxAt::Ingress,
                    At::Egress => TcxAt::Egress,
                };
                sys::attach_tcx(*program, device, at).map_err(TcError::Link)
            });
            links.collect::<Result<_, _>>().map(Attached::Links)
        }
    }
}
