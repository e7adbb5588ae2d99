//! Arithmetic: values in scratch memory, and the protocol checks that loads bring with them.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a primitive does not name is refused"
)]

use super::{
    Lower, Lowered, link,
    load::{Base, recall, recall_x},
    proto::ICMP6,
    store,
};
use crate::capture::filter::{
    ast::{Arith, Proto, Relation},
    code::{
        self, ADD, ALU, B, H, IMM, IND, JEQ, JGE, JGT, K, LD, LEN, MISC, NEG, SUB, Stmt, TAX, W, X,
    },
    error::Span,
    graph::Test,
};

/// A value: the code that puts it into a register.
struct Computed {
    stmts: Vec<Stmt>,
    register: usize,
    /// What must hold for the value to mean anything.
    check: Option<Test>,
}

impl Lower<'_> {
    pub(super) fn relation(
        &mut self,
        relation: Relation,
        left: &Arith,
        right: &Arith,
    ) -> Lowered<Test> {
        let left = self.compute(left)?;
        let right = self.compute(right)?;
        let (jump, reversed) = match relation {
            Relation::Greater => (JGT, false),
            Relation::AtLeast => (JGE, false),
            Relation::Equal => (JEQ, false),
            Relation::AtMost => (JGT, true),
            Relation::Less => (JGE, true),
            Relation::Unequal => (JEQ, true),
        };
        let mut stmts = left.stmts;
        stmts.extend(right.stmts);
        stmts.extend([recall_x(right.register), recall(left.register)]);
        let test = if jump == JEQ {
            stmts.push(Stmt::new(ALU | SUB | X, 0));
            self.graph.test(stmts, JEQ | K, 0)
        } else {
            self.graph.test(stmts, jump | X, 0)
        };
        let test = if reversed { test.not() } else { test };
        self.release(left.register);
        self.release(right.register);
        let check = match (left.check, right.check) {
            (Some(left), Some(right)) => Some(self.graph.and(left, right)),
            (left, right) => left.or(right),
        };
        Ok(self.after(check, test))
    }

    fn compute(&mut self, arith: &Arith) -> Lowered<Computed> {
        match arith {
            Arith::Number(n) => self.loaded(Stmt::new(LD | IMM, *n)),
            Arith::Length => self.loaded(Stmt::new(LD | LEN, 0)),
            Arith::Negative(inner) => {
                let mut value = self.compute(inner)?;
                let register = value.register;
                value
                    .stmts
                    .extend([recall(register), Stmt::new(ALU | NEG, 0), store(register)]);
                Ok(value)
            }
            Arith::Binary(op, left, right, span) => self.binary(*op, left, right, *span),
            Arith::Load {
                proto,
                at,
                size,
                span,
            } => {
                let at = self.compute(at)?;
                self.at = *span;
                self.fetch(*proto, at, *size)
            }
        }
    }

    fn loaded(&mut self, stmt: Stmt) -> Lowered<Computed> {
        let register = self.register()?;
        Ok(Computed {
            stmts: vec![stmt, store(register)],
            register,
            check: None,
        })
    }

    fn binary(&mut self, op: u16, left: &Arith, right: &Arith, span: Span) -> Lowered<Computed> {
        let left = self.compute(left)?;
        let right = self.compute(right)?;
        self.at = span;
        let first = right.stmts[0];
        let constant = first.is(LD | IMM);
        match op {
            code::DIV | code::MOD if constant && first.k == 0 => {
                return self.refuse("division by zero");
            }
            code::LSH | code::RSH if constant && first.k > 31 => {
                return self.refuse("a shift by more than 31 bits");
            }
            _ => {}
        }
        let mut stmts = left.stmts;
        stmts.extend(right.stmts);
        stmts.extend([
            recall_x(right.register),
            recall(left.register),
            Stmt::new(ALU | X | op, 0),
        ]);
        self.release(left.register);
        self.release(right.register);
        let register = self.register()?;
        stmts.push(store(register));
        // As in libpcap, what the right side needs is not asked for.
        Ok(Computed {
            stmts,
            register,
            check: left.check,
        })
    }

    /// Bytes of a header, at an offset that was computed.
    fn fetch(&mut self, proto: Proto, at: Computed, size: u32) -> Lowered<Computed> {
        let register = self.register()?;
        self.release(at.register);
        let size = match size {
            1 => B,
            2 => H,
            4 => W,
            _ => return self.refuse("1, 2 or 4 bytes can be loaded"),
        };
        let mut value = match proto {
            Proto::Link => {
                let (offset, constant) = (self.header, self.header.constant);
                self.indexed(at, offset, constant, size)?
            }
            Proto::Ip
            | Proto::Arp
            | Proto::Rarp
            | Proto::Atalk
            | Proto::Decnet
            | Proto::Sca
            | Proto::Lat
            | Proto::Moprc
            | Proto::Mopdl
            | Proto::Ip6 => {
                let constant = self.payload.constant + self.network;
                let value = self.indexed(at, self.payload, constant, size)?;
                let carried = self.proto_name(proto)?;
                self.also(value, carried)
            }
            Proto::Sctp
            | Proto::Tcp
            | Proto::Udp
            | Proto::Icmp
            | Proto::Igmp
            | Proto::Igrp
            | Proto::Pim
            | Proto::Vrrp
            | Proto::Carp => self.transport(proto, at, size)?,
            Proto::Icmp6 => {
                let ip = self.link_type(link::IP6)?;
                let at = self.also(at, ip);
                let next = self.equal(Base::Payload, 6, B, ICMP6)?;
                let at = self.also(at, next);
                let constant = self.payload.constant + self.network + 40;
                self.indexed(at, self.payload, constant, size)?
            }
            Proto::Radio => return self.refuse("not supported: radio headers"),
            _ => return self.refuse("bytes of this protocol cannot be loaded"),
        };
        value.register = register;
        value.stmts.push(store(register));
        Ok(value)
    }

    /// One more thing must hold; it is asked after what there is.
    fn also(&mut self, mut value: Computed, test: Test) -> Computed {
        value.check = Some(match value.check.take() {
            Some(check) => self.graph.and(check, test),
            None => test,
        });
        value
    }

    fn indexed(
        &mut self,
        mut at: Computed,
        offset: super::Offset,
        constant: u32,
        size: u16,
    ) -> Lowered<Computed> {
        match self.varying(offset)? {
            Some(x) => at.stmts.extend([
                x,
                recall(at.register),
                Stmt::new(ALU | ADD | X, 0),
                Stmt::new(MISC | TAX, 0),
            ]),
            None => at.stmts.push(recall_x(at.register)),
        }
        at.stmts.push(Stmt::new(LD | IND | size, constant));
        Ok(at)
    }

    /// Bytes after an IPv4 header of any length, of first fragments.
    fn transport(&mut self, proto: Proto, mut at: Computed, size: u16) -> Lowered<Computed> {
        let length = self.ipv4_length()?;
        at.stmts.extend(length);
        let constant = self.payload.constant + self.network;
        at.stmts.extend([
            recall(at.register),
            Stmt::new(ALU | ADD | X, 0),
            Stmt::new(MISC | TAX, 0),
            Stmt::new(LD | IND | size, constant),
        ]);
        let carried = self.proto_name(proto)?;
        let first = self.first_fragment()?;
        let test = self.graph.and(carried, first);
        let at = self.also(at, test);
        let ip = self.link_type(link::IP)?;
        let check = match at.check {
            Some(check) => Some(self.graph.and(ip, check)),
            None => Some(ip),
        };
        Ok(Computed { check, ..at })
    }
}
