//! Instructions of the classic packet filter machine: their numbers, and single statements of a program under construction.

// Classes.
pub const LD: u16 = 0x00;
pub const LDX: u16 = 0x01;
pub const ST: u16 = 0x02;
pub const STX: u16 = 0x03;
pub const ALU: u16 = 0x04;
pub const JMP: u16 = 0x05;
pub const RET: u16 = 0x06;
pub const MISC: u16 = 0x07;
// Widths of loads.
pub const W: u16 = 0x00;
pub const H: u16 = 0x08;
pub const B: u16 = 0x10;
// Where loads find their value.
pub const IMM: u16 = 0x00;
pub const ABS: u16 = 0x20;
pub const IND: u16 = 0x40;
pub const MEM: u16 = 0x60;
pub const LEN: u16 = 0x80;
pub const MSH: u16 = 0xa0;
// Arithmetic.
pub const ADD: u16 = 0x00;
pub const SUB: u16 = 0x10;
pub const MUL: u16 = 0x20;
pub const DIV: u16 = 0x30;
pub const OR: u16 = 0x40;
pub const AND: u16 = 0x50;
pub const LSH: u16 = 0x60;
pub const RSH: u16 = 0x70;
pub const NEG: u16 = 0x80;
pub const MOD: u16 = 0x90;
pub const XOR: u16 = 0xa0;
// Jumps.
pub const JA: u16 = 0x00;
pub const JEQ: u16 = 0x10;
pub const JGT: u16 = 0x20;
pub const JGE: u16 = 0x30;
pub const JSET: u16 = 0x40;
// The second operand: a constant or X.
pub const K: u16 = 0x00;
pub const X: u16 = 0x08;
// Copies between A and X.
pub const TAX: u16 = 0x00;
pub const TXA: u16 = 0x80;

/// Words of scratch memory.
pub const MEMWORDS: usize = 16;
/// Scratch words and the two registers: all that a statement can read or write.
pub const A_ATOM: usize = MEMWORDS;
pub const X_ATOM: usize = MEMWORDS + 1;
pub const ATOMS: usize = MEMWORDS + 2;
/// A set of atoms, one bit each.
pub type Atoms = u32;

pub const fn class(code: u16) -> u16 {
    code & 0x07
}

pub const fn mode(code: u16) -> u16 {
    code & 0xe0
}

pub const fn size(code: u16) -> u16 {
    code & 0x18
}

pub const fn op(code: u16) -> u16 {
    code & 0xf0
}

pub const fn takes_x(code: u16) -> bool {
    code & X != 0
}

/// Loads from there on address what the kernel knows of a packet beside its bytes (`SKF_AD_OFF`).
pub const ANCILLARY: u32 = 0xffff_f000;
/// Type of the network packet (`SKF_AD_PROTOCOL`).
pub const PROTOCOL: u32 = ANCILLARY;
/// Was the packet sent by this host? (`SKF_AD_PKTTYPE`)
pub const PACKET_TYPE: u32 = ANCILLARY + 4;
pub const INTERFACE: u32 = ANCILLARY + 8;
pub const VLAN_TCI: u32 = ANCILLARY + 44;
pub const VLAN_PRESENT: u32 = ANCILLARY + 48;

/// One statement; `None` was optimised away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stmt {
    pub code: Option<u16>,
    pub k: u32,
    /// Statements to skip by a jump inside of a block.
    pub jump: (u8, u8),
}

impl Stmt {
    pub const fn new(code: u16, k: u32) -> Self {
        Self {
            code: Some(code),
            k,
            jump: (0, 0),
        }
    }

    pub const fn jump(code: u16, k: u32, yes: u8, no: u8) -> Self {
        Self {
            code: Some(JMP | code | K),
            k,
            jump: (yes, no),
        }
    }

    pub fn is(&self, code: u16) -> bool {
        self.code == Some(code)
    }

    pub fn erase(&mut self) {
        self.code = None;
    }

    /// The atoms it reads.
    pub fn uses(&self) -> Atoms {
        let bit = |atom: usize| 1 << atom;
        let Some(code) = self.code else { return 0 };
        match class(code) {
            LD | LDX if mode(code) == MEM => bit(self.word()),
            LD | LDX if mode(code) != IND => 0,
            RET => 0, // ours return constants
            JMP | ALU if takes_x(code) => bit(A_ATOM) | bit(X_ATOM),
            MISC if code & 0xf8 != TXA => bit(A_ATOM),
            LD | LDX | STX | MISC => bit(X_ATOM),
            _ => bit(A_ATOM),
        }
    }

    /// The atom it writes.
    pub fn defines(&self) -> Option<usize> {
        let code = self.code?;
        match class(code) {
            ST | STX => Some(self.word()),
            MISC if code & 0xf8 != TAX => Some(A_ATOM),
            LD | ALU => Some(A_ATOM),
            LDX | MISC => Some(X_ATOM),
            _ => None,
        }
    }

    /// The scratch word of a load or store.
    pub fn word(&self) -> usize {
        self.k as usize % MEMWORDS
    }
}
