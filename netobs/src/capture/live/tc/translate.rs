//! A filter as eBPF, to stand in front of a program of TC: a packet that it refuses ends with it, one that it wants goes on behind it.
//!
//! One instruction becomes one or few. Bytes are loaded where they stand, or, where a packet is in pieces, by what they are loaded
//! with in classic BPF (`BPF_LD_ABS`), a call of ten times the cost, behind a look at the length: alone it would end the program
//! with a verdict that keeps other programs from the packet.

use super::ebpf::{
    ADD, ADD_CONSTANT, EXIT, FROM_NETWORK, GO, IF_ABOVE, IF_ABOVE_CONSTANT, IF_AT_MOST_CONSTANT,
    IF_BELOW, IF_BELOW_CONSTANT, IF_WORD_ABOVE_CONSTANT, IF_ZERO, LOAD_BYTE, LOAD_HALF, LOAD_WORD,
    MOVE, MOVE_CONSTANT, MOVE_WORD, MOVE_WORD_CONSTANT, Made, STORE_CONSTANT, STORE_WORD, To, low,
};
use crate::capture::filter::{
    Insn, Program,
    code::{
        self, ABS, ALU, ANCILLARY, B, H, IND, INTERFACE, JA, JMP, LD, LDX, LEN, MEM, MEMWORDS,
        MISC, MSH, PACKET_TYPE, PROTOCOL, RET, ST, STX, TAX, VLAN_PRESENT, VLAN_TCI, class, mode,
        op, size, takes_x,
    },
};

/// Registers: both of the filter's, one between, the packet's length, its context, the stack, and those of a moment.
const A: u8 = 0;
const FIRST: u8 = 1;
const DATA: u8 = 1;
const DATA_END: u8 = 2;
const BEHIND: u8 = 3;
const CONTEXT: u8 = 6;
const X: u8 = 7;
const BETWEEN: u8 = 8;
const LENGTH: u8 = 9;
const STACK: u8 = 10;
/// Where `struct __sk_buff` has what the kernel knows of a packet.
const SKB_LEN: i16 = 0;
const SKB_KIND: i16 = 4;
const SKB_PROTOCOL: i16 = 16;
const SKB_TAGGED: i16 = 20;
const SKB_TAG: i16 = 24;
const SKB_INTERFACE: i16 = 40;
const SKB_DATA: i16 = 76;
const SKB_DATA_END: i16 = 80;
/// Bytes up to here are loaded where they stand, of filters of so many instructions: longer ones would make jumps too long.
const NEAR: i32 = 4096;
const SHORT: usize = 1024;
/// Comparisons of words; and the opposite of each that has one.
const WORDS: u8 = 0x06;
const NOT_EQUAL: u8 = 0x50;
const AT_MOST: u8 = 0xb0;
const BELOW: u8 = 0xa0;
/// `TC_ACT_UNSPEC`: as if we were not there.
const NEXT: i32 = -1;

/// Where packets of a program come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Came,
    /// The kernel's word for it stands in no packet yet.
    Left,
}

/// None: the filter goes in circles, or asks for what TC does not know.
pub fn translate(filter: &Program, side: Side) -> Option<Vec<u8>> {
    let mut made = Made::default();
    made.near = filter.insns.len() <= SHORT;
    made.put(MOVE, CONTEXT, FIRST, 0, 0);
    made.put(LOAD_WORD, LENGTH, CONTEXT, SKB_LEN, 0);
    made.put(MOVE_CONSTANT, A, 0, 0, 0);
    made.put(MOVE_CONSTANT, X, 0, 0, 0);
    for word in scratch(filter) {
        made.put(STORE_CONSTANT, STACK, 0, place(word), 0);
    }
    // The verifier wants no instruction that nothing leads to, such as what stands behind a filter that refuses all.
    let takes = |insn: &Insn| class(insn.code) == RET && insn.k != 0;
    if !filter.insns.iter().any(takes) {
        made.jump(IF_ABOVE_CONSTANT, LENGTH, 0, i32::MAX, To::Take);
    }
    let mut starts = Vec::with_capacity(filter.insns.len());
    for (at, insn) in filter.insns.iter().enumerate() {
        starts.push(made.at());
        made.insn(at, *insn, side)?;
    }
    let refuse = made.at();
    if made.leads_to(To::Refuse) {
        made.put(MOVE_CONSTANT, A, 0, 0, NEXT);
        made.put(EXIT, 0, 0, 0, 0);
    }
    let take = made.at();
    made.put(MOVE, FIRST, CONTEXT, 0, 0);
    made.finished(|to| match to {
        To::Insn(number) => starts.get(number).copied(),
        To::Refuse => Some(refuse),
        To::Take => Some(take),
    })
}

/// Words of scratch memory that the filter uses.
fn scratch(filter: &Program) -> Vec<usize> {
    let uses = |insn: &&Insn| match class(insn.code) {
        ST | STX => true,
        LD | LDX => mode(insn.code) == MEM,
        _ => false,
    };
    let words = filter.insns.iter().filter(uses);
    let mut words: Vec<usize> = words.map(|insn| word(insn.k)).collect();
    words.sort_unstable();
    words.dedup();
    words
}

const fn word(k: u32) -> usize {
    k as usize % MEMWORDS
}

/// Of a word of scratch memory on the stack.
fn place(word: usize) -> i16 {
    -4 * i16::try_from(word + 1).unwrap_or(1)
}

/// Bytes of a load.
const fn width(code: u16) -> u32 {
    match size(code) {
        B => 1,
        H => 2,
        _ => 4,
    }
}

impl Made {
    /// A load that no packet is long enough for, in words that the verifier does not see through.
    fn refuse(&mut self) {
        self.jump(IF_AT_MOST_CONSTANT, LENGTH, 0, i32::MAX, To::Refuse);
        self.put(MOVE_CONSTANT, A, 0, 0, 0);
    }

    fn insn(&mut self, at: usize, insn: Insn, side: Side) -> Option<()> {
        let constant = insn.k.cast_signed();
        match class(insn.code) {
            LD => self.load(insn, side)?,
            LDX => self.load_x(insn),
            ST => self.put(STORE_WORD, STACK, A, place(word(insn.k)), 0),
            STX => self.put(STORE_WORD, STACK, X, place(word(insn.k)), 0),
            ALU => self.compute(insn),
            JMP if op(insn.code) == JA => {
                let skipped = usize::try_from(constant).ok()?;
                self.go(To::Insn(at + 1 + skipped));
            }
            JMP => self.branch(at, insn),
            RET if insn.code != RET => return None,
            RET if insn.k == 0 => self.go(To::Refuse),
            RET => self.go(To::Take),
            MISC if insn.code & 0xf8 == TAX => self.put(MOVE_WORD, X, A, 0, 0),
            _ => self.put(MOVE_WORD, A, X, 0, 0),
        }
        Some(())
    }

    fn load(&mut self, insn: Insn, side: Side) -> Option<()> {
        match mode(insn.code) {
            ABS if insn.k >= ANCILLARY => self.beside(insn.k, side)?,
            ABS => self.bytes(insn),
            IND => self.bytes_at_x(insn),
            LEN => self.put(MOVE_WORD, A, LENGTH, 0, 0),
            MEM => self.put(LOAD_WORD, A, STACK, place(word(insn.k)), 0),
            _ => self.put(MOVE_WORD_CONSTANT, A, 0, 0, insn.k.cast_signed()),
        }
        Some(())
    }

    fn load_x(&mut self, insn: Insn) {
        match mode(insn.code) {
            LEN => self.put(MOVE_WORD, X, LENGTH, 0, 0),
            MEM => self.put(LOAD_WORD, X, STACK, place(word(insn.k)), 0),
            MSH => {
                self.put(MOVE, BETWEEN, A, 0, 0);
                self.bytes(Insn {
                    code: LD | ABS | B,
                    ..insn
                });
                self.put(low(ALU | code::AND), A, 0, 0, 0x0f);
                self.put(low(ALU | code::LSH), A, 0, 0, 2);
                self.put(MOVE_WORD, X, A, 0, 0);
                self.put(MOVE, A, BETWEEN, 0, 0);
            }
            _ => self.put(MOVE_WORD_CONSTANT, X, 0, 0, insn.k.cast_signed()),
        }
    }

    /// What the kernel knows of the packet.
    fn beside(&mut self, what: u32, side: Side) -> Option<()> {
        let field = match what {
            PROTOCOL => SKB_PROTOCOL,
            INTERFACE => SKB_INTERFACE,
            VLAN_TCI => SKB_TAG,
            VLAN_PRESENT => SKB_TAGGED,
            PACKET_TYPE if side == Side::Came => SKB_KIND,
            PACKET_TYPE => {
                let outgoing = i32::from(crate::capture::live::OUTGOING);
                self.put(MOVE_WORD_CONSTANT, A, 0, 0, outgoing);
                return Some(());
            }
            _ => return None,
        };
        self.put(LOAD_WORD, A, CONTEXT, field, 0);
        if what == PROTOCOL {
            self.put(FROM_NETWORK, A, 0, 0, 16);
        }
        Some(())
    }

    fn bytes(&mut self, insn: Insn) {
        let end = insn.k.checked_add(width(insn.code));
        let Some(end) = end.and_then(|end| i32::try_from(end).ok()) else {
            return self.refuse();
        };
        self.near(insn, end, 2);
        self.jump(IF_BELOW_CONSTANT, LENGTH, 0, end, To::Refuse);
        self.put(low(insn.code), 0, 0, 0, insn.k.cast_signed());
    }

    fn bytes_at_x(&mut self, insn: Insn) {
        let end = insn.k.checked_add(width(insn.code));
        let Some(end) = end.and_then(|end| i32::try_from(end).ok()) else {
            return self.refuse();
        };
        self.near(insn, end, 4);
        self.put(MOVE, BETWEEN, X, 0, 0);
        self.put(ADD_CONSTANT, BETWEEN, 0, 0, end);
        self.jump(IF_BELOW, LENGTH, BETWEEN, 0, To::Refuse);
        self.put(low(insn.code), 0, X, 0, insn.k.cast_signed());
    }

    /// Loads bytes where they stand, and goes over the `others` that follow; else those load them.
    fn near(&mut self, insn: Insn, end: i32, others: i16) {
        let Some(from) = i16::try_from(insn.k)
            .ok()
            .filter(|_| self.near && end <= NEAR)
        else {
            return;
        };
        let (load, bits) = match width(insn.code) {
            1 => (LOAD_BYTE, 0),
            2 => (LOAD_HALF, 16),
            _ => (LOAD_WORD, 32),
        };
        let at_x = mode(insn.code) == IND;
        // The load, its order of bytes, and the way over the others.
        let rest = if bits == 0 { 2 } else { 3 };
        if at_x {
            self.put(IF_ABOVE_CONSTANT, X, 0, 6 + rest, NEAR);
        }
        self.put(LOAD_WORD, DATA, CONTEXT, SKB_DATA, 0);
        self.put(LOAD_WORD, DATA_END, CONTEXT, SKB_DATA_END, 0);
        if at_x {
            self.put(ADD, DATA, X, 0, 0);
        }
        self.put(MOVE, BEHIND, DATA, 0, 0);
        self.put(ADD_CONSTANT, BEHIND, 0, 0, end);
        self.put(IF_ABOVE, BEHIND, DATA_END, rest, 0);
        self.put(load, A, DATA, from, 0);
        if bits != 0 {
            self.put(FROM_NETWORK, A, 0, 0, bits);
        }
        self.put(GO, 0, 0, others, 0);
    }

    fn compute(&mut self, insn: Insn) {
        let (operation, constant) = (op(insn.code), insn.k.cast_signed());
        let divides = matches!(operation, code::DIV | code::MOD);
        let shifts = matches!(operation, code::LSH | code::RSH);
        if operation == code::NEG {
            return self.put(low(ALU | code::NEG), A, 0, 0, 0);
        }
        if !takes_x(insn.code) {
            match insn.k {
                0 if divides => self.refuse(),
                32.. if shifts => self.put(MOVE_WORD_CONSTANT, A, 0, 0, 0),
                _ => self.put(low(ALU | operation), A, 0, 0, constant),
            }
            return;
        }
        if divides {
            self.jump(IF_ZERO, X, 0, 0, To::Refuse);
        }
        if shifts {
            // Over the two instructions for a shift that leaves something.
            self.put(IF_WORD_ABOVE_CONSTANT, X, 0, 2, 31);
        }
        self.put(low(ALU | operation | code::X), A, X, 0, 0);
        if shifts {
            self.put(GO, 0, 0, 1, 0);
            self.put(MOVE_WORD_CONSTANT, A, 0, 0, 0);
        }
    }

    fn branch(&mut self, at: usize, insn: Insn) {
        let [yes, no] = [insn.jt, insn.jf].map(|skipped| at + 1 + usize::from(skipped));
        let (operand, constant) = if takes_x(insn.code) {
            (X, 0)
        } else {
            (0, insn.k.cast_signed())
        };
        let source = low(insn.code & code::X);
        let opposite = match op(insn.code) {
            code::JEQ => Some(NOT_EQUAL),
            code::JGT => Some(AT_MOST),
            code::JGE => Some(BELOW),
            _ => None,
        };
        if insn.jt == 0
            && let Some(opposite) = opposite
        {
            let code = WORDS | opposite | source;
            return self.jump(code, A, operand, constant, To::Insn(no));
        }
        let code = WORDS | low(op(insn.code)) | source;
        self.jump(code, A, operand, constant, To::Insn(yes));
        if insn.jf != 0 {
            self.go(To::Insn(no));
        }
    }
}
