//! Loads relative to a header, and comparisons of what they load.

use super::{Lower, Lowered};
use crate::capture::filter::{
    code::{ABS, ADD, ALU, AND, B, H, IND, JEQ, K, LD, LDX, LSH, MEM, MISC, MSH, Stmt, TAX, W, X},
    graph::Test,
};

/// A place in the packet: a constant, and what a register adds to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offset {
    pub constant: u32,
    pub varies: bool,
    pub register: Option<usize>,
}

impl Offset {
    pub fn at(constant: u32) -> Self {
        Self {
            constant,
            varies: false,
            register: None,
        }
    }
}

/// What an offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The link-layer header.
    Header,
    /// Its field that names the next protocol.
    Kind,
    /// What follows the link-layer header: the LLC header of 802.3.
    Llc,
    /// The network header.
    Payload,
    PayloadPlain,
    /// The MPLS label before the network header.
    Label,
    /// The header after one of IPv4, of any length.
    Ipv4Next,
    /// The header after one of IPv6 without extensions.
    Ipv6Next,
}

/// Length of an IPv6 header.
const IPV6: u32 = 40;

impl Lower<'_> {
    /// Puts into X what an offset adds at run time; nothing if it is constant.
    pub(super) fn varying(&mut self, offset: Offset) -> Lowered<Option<Stmt>> {
        if !offset.varies {
            return Ok(None);
        }
        match offset.register {
            Some(register) => Ok(Some(recall_x(register))),
            None => self.refuse("a header of varying length stands before this"),
        }
    }

    pub(super) fn load(&mut self, base: Base, at: u32, size: u16) -> Lowered<Vec<Stmt>> {
        let network = self.network;
        let (offset, at) = match base {
            Base::Header => (self.header, at),
            Base::Kind => match self.kind {
                Some(kind) => (kind, at),
                None => return self.refuse("raw IP has no link-layer header"),
            },
            Base::Llc => (self.payload, at),
            Base::Payload => (self.payload, at.wrapping_add(network)),
            Base::PayloadPlain => (self.payload, at.wrapping_add(self.network_plain)),
            Base::Label => (self.payload, at.wrapping_add(network).wrapping_sub(4)),
            Base::Ipv6Next => (self.payload, at.wrapping_add(network + IPV6)),
            Base::Ipv4Next => {
                let mut stmts = self.ipv4_length()?;
                let at = self.payload.constant + network + at;
                stmts.push(Stmt::new(LD | IND | size, at));
                return Ok(stmts);
            }
        };
        let at = offset.constant.wrapping_add(at);
        Ok(match self.varying(offset)? {
            Some(x) => vec![x, Stmt::new(LD | IND | size, at)],
            None => vec![Stmt::new(LD | ABS | size, at)],
        })
    }

    /// Puts the length of the IPv4 header into X, with what the payload's offset adds.
    pub(super) fn ipv4_length(&mut self) -> Lowered<Vec<Stmt>> {
        let at = self.payload.constant + self.network;
        Ok(match self.varying(self.payload)? {
            None => vec![Stmt::new(LDX | MSH | B, at)],
            Some(x) => vec![
                x,
                Stmt::new(LD | IND | B, at),
                Stmt::new(ALU | AND | K, 0x0f),
                Stmt::new(ALU | LSH | K, 2),
                Stmt::new(ALU | ADD | X, 0),
                Stmt::new(MISC | TAX, 0),
            ],
        })
    }

    pub(super) fn compare(
        &mut self,
        base: Base,
        at: u32,
        size: u16,
        jump: u16,
        n: u32,
    ) -> Lowered<Test> {
        let load = self.load(base, at, size)?;
        Ok(self.graph.test(load, jump | K, n))
    }

    pub(super) fn equal(&mut self, base: Base, at: u32, size: u16, n: u32) -> Lowered<Test> {
        self.compare(base, at, size, JEQ, n)
    }

    pub(super) fn masked(
        &mut self,
        base: Base,
        at: u32,
        size: u16,
        n: u32,
        mask: u32,
    ) -> Lowered<Test> {
        let mut load = self.load(base, at, size)?;
        if mask != u32::MAX {
            load.push(Stmt::new(ALU | AND | K, mask));
        }
        Ok(self.graph.test(load, JEQ | K, n))
    }

    /// Bytes that must be these, compared from the end in words as wide as they go.
    pub(super) fn bytes(&mut self, base: Base, at: u32, bytes: &[u8]) -> Lowered<Test> {
        let mut test = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (width, size) = match rest.len() {
                4.. => (4, W),
                2..4 => (2, H),
                _ => (1, B),
            };
            let (before, word) = rest.split_at(rest.len() - width);
            let n = word.iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
            let offset = u32::try_from(before.len()).unwrap_or(0);
            let next = self.equal(base, at + offset, size, n)?;
            test = Some(self.after(test, next));
            rest = before;
        }
        match test {
            Some(test) => Ok(test),
            None => self.refuse("nothing to compare"),
        }
    }
}

pub(super) fn recall_x(register: usize) -> Stmt {
    Stmt::new(LDX | MEM, u32::try_from(register).unwrap_or(0))
}

pub(super) fn recall(register: usize) -> Stmt {
    Stmt::new(LD | MEM, u32::try_from(register).unwrap_or(0))
}
