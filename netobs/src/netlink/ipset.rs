//! Names of the sets of ipset: rules know them by number.

use super::{
    attrs::{Attr, behind},
    socket::{NETFILTER, Request, Socket},
};
use std::{cell::RefCell, collections::HashMap};

/// `NFNL_SUBSYS_IPSET`, in the upper byte of a message's number.
const GET_BY_NUMBER: u16 = 6 << 8 | 15;
/// `struct nfgenmsg`, of IPv4.
const HEADER: [u8; 4] = [2, 0, 0, 0];
const PROTOCOL: u16 = 1;
const NAME: u16 = 2;
const NUMBER: u16 = 11;
/// The version that has this request (4.20).
const VERSION: u8 = 7;
/// `NLA_F_NET_BYTEORDER`.
const BIG_ENDIAN: u16 = 1 << 14;

/// Asks the kernel when a rule names a set, and only then: asking loads the module.
#[derive(Default)]
pub struct IpSets {
    socket: RefCell<Option<Socket>>,
    known: RefCell<HashMap<u16, Option<String>>>,
}

impl IpSets {
    /// The name of a set of the thread's network namespace; `None`: the kernel does not tell.
    pub fn name(&self, number: u16) -> Option<String> {
        let mut known = self.known.borrow_mut();
        known
            .entry(number)
            .or_insert_with(|| self.ask(number))
            .clone()
    }

    fn ask(&self, number: u16) -> Option<String> {
        let mut socket = self.socket.borrow_mut();
        if socket.is_none() {
            *socket = Socket::open(NETFILTER).ok();
        }
        let request = Request::get("ask ipset for the name of a set", GET_BY_NUMBER, &HEADER)
            .attr(PROTOCOL, &[VERSION])
            .attr(NUMBER | BIG_ENDIAN, &number.to_be_bytes());
        let answer = socket.as_mut()?.one(&request).ok()??;
        behind(&answer, HEADER.len())
            .find(|attr| attr.kind == NAME)
            .map(Attr::text)
    }
}
