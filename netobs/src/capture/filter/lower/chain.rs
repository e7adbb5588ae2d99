//! `protochain`: a loop through extension headers; only interpreters outside of the kernel run it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a primitive does not name is refused"
)]

use super::{Lower, Lowered, link};
use crate::capture::filter::{
    ast::Proto,
    code::{
        ABS, ADD, ALU, B, IMM, IND, JA, JEQ, K, LD, LDX, MEM, MISC, MSH, MUL, ST, Stmt, TAX, TXA, X,
    },
    graph::Test,
};

const NONE: u32 = 59;
const AUTHENTICATION: u32 = 51;
/// Hop by hop, destination, routing, fragment.
const EXTENSIONS: [u32; 4] = [0, 60, 43, 44];

impl Lower<'_> {
    pub(super) fn protochain(&mut self, n: u32, proto: Proto) -> Lowered<Test> {
        let register = self.register()?;
        let test = match proto {
            Proto::Default => {
                let v4 = self.protochain(n, Proto::Ip)?;
                let v6 = self.protochain(n, Proto::Ip6)?;
                return Ok(self.graph.or(v4, v6));
            }
            Proto::Ip | Proto::Ip6 if self.payload.varies => {
                return self.refuse("'protochain' cannot follow a header of varying length");
            }
            Proto::Ip => self.chain_over(n, false, register)?,
            Proto::Ip6 => self.chain_over(n, true, register)?,
            _ => return self.refuse("'protochain' is known of ip and ip6 only"),
        };
        self.release(register);
        Ok(test)
    }

    fn chain_over(&mut self, n: u32, v6: bool, register: usize) -> Lowered<Test> {
        self.optimize = false;
        let carried = self.link_type(if v6 { link::IP6 } else { link::IP })?;
        let base = self.payload.constant + self.network;
        let word = u32::try_from(register).unwrap_or(0);
        let mut stmts = if v6 {
            vec![Stmt::new(LD | ABS | B, base + 6), Stmt::new(LDX | IMM, 40)]
        } else {
            vec![
                Stmt::new(LD | ABS | B, base + 9),
                Stmt::new(LDX | MSH | B, base),
            ]
        };
        let again = stmts.len();
        // What ends the loop jumps behind all that follows.
        let after = if v6 { 4 + 9 } else { 1 };
        let to_end = |passed: usize| u8::try_from(after + 13 - passed).unwrap_or(0);
        stmts.push(Stmt::jump(JEQ, n, to_end(0) + 1, 0));
        stmts.push(Stmt::jump(JEQ, NONE, to_end(0), 0));
        if v6 {
            for (passed, extension) in (0..).zip(EXTENSIONS) {
                let no = if passed == 3 { 9 } else { 0 };
                stmts.push(Stmt::jump(JEQ, extension, 3 - passed, no));
            }
            stmts.extend(advance_v6(base, word));
            back(&mut stmts, again);
        } else {
            stmts.push(Stmt::new(ALU | ADD | K, 0));
        }
        stmts.push(Stmt::jump(JEQ, AUTHENTICATION, 0, 12));
        stmts.extend(advance_ah(base, word));
        back(&mut stmts, again);
        stmts.push(Stmt::new(ALU | ADD | K, 0));
        let last = self.graph.test(stmts, JEQ | K, n);
        Ok(self.graph.and(carried, last))
    }
}

/// Jumps back to statement `to`.
fn back(stmts: &mut Vec<Stmt>, to: usize) {
    let distance = u32::try_from(stmts.len() + 1 - to).unwrap_or(0);
    stmts.push(Stmt::jump(JA, 0_u32.wrapping_sub(distance), 0, 0));
}

/// A: the next protocol, X: behind this extension header, whose length counts 8 bytes without the first 8.
fn advance_v6(base: u32, word: u32) -> [Stmt; 8] {
    [
        Stmt::new(LD | IND | B, base),
        Stmt::new(ST, word),
        Stmt::new(LD | IND | B, base + 1),
        Stmt::new(ALU | ADD | K, 1),
        Stmt::new(ALU | MUL | K, 8),
        Stmt::new(ALU | ADD | X, 0),
        Stmt::new(MISC | TAX, 0),
        Stmt::new(LD | MEM, word),
    ]
}

/// The same for AH as libpcap has it, though that adds no X.
fn advance_ah(base: u32, word: u32) -> [Stmt; 11] {
    [
        Stmt::new(MISC | TXA, 0),
        Stmt::new(LD | IND | B, base),
        Stmt::new(ST, word),
        Stmt::new(MISC | TXA, 0),
        Stmt::new(ALU | ADD | K, 1),
        Stmt::new(MISC | TAX, 0),
        Stmt::new(LD | IND | B, base),
        Stmt::new(ALU | ADD | K, 2),
        Stmt::new(ALU | MUL | K, 4),
        Stmt::new(MISC | TAX, 0),
        Stmt::new(LD | MEM, word),
    ]
}
