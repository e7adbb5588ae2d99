//! eBPF as bytes: instructions that classic BPF does not have, and jumps, whose targets are known when all is there.

/// Instructions that classic BPF does not have (`uapi/linux/bpf.h`).
pub const MOVE: u8 = 0xbf;
pub const MOVE_CONSTANT: u8 = 0xb7;
pub const MOVE_WORD: u8 = 0xbc;
pub const MOVE_WORD_CONSTANT: u8 = 0xb4;
pub const ADD_CONSTANT: u8 = 0x07;
pub const ADD: u8 = 0x0f;
pub const LOAD_BYTE: u8 = 0x71;
pub const LOAD_HALF: u8 = 0x69;
pub const LOAD_WORD: u8 = 0x61;
pub const STORE_WORD: u8 = 0x63;
pub const STORE_CONSTANT: u8 = 0x62;
pub const FROM_NETWORK: u8 = 0xdc;
pub const IF_BELOW_CONSTANT: u8 = 0xa5;
pub const IF_AT_MOST_CONSTANT: u8 = 0xb5;
pub const IF_ABOVE_CONSTANT: u8 = 0x25;
pub const IF_BELOW: u8 = 0xad;
pub const IF_ABOVE: u8 = 0x2d;
pub const IF_ZERO: u8 = 0x15;
pub const IF_WORD_ABOVE_CONSTANT: u8 = 0x26;
pub const GO: u8 = 0x05;
pub const EXIT: u8 = 0x95;

/// Where a jump leads: to an instruction of the filter, or to one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    Insn(usize),
    Refuse,
    Take,
}

/// A program in the making.
#[derive(Default)]
pub struct Made {
    /// Packet bytes are loaded where they stand, if they can be.
    pub near: bool,
    insns: Vec<[u8; 8]>,
    /// Jumps, and where they lead.
    jumps: Vec<(usize, To)>,
}

impl Made {
    pub fn put(&mut self, code: u8, to: u8, from: u8, offset: i16, constant: i32) {
        let mut insn = [0; 8];
        insn[0] = code;
        insn[1] = if cfg!(target_endian = "little") {
            to | from << 4
        } else {
            to << 4 | from
        };
        insn[2..4].copy_from_slice(&offset.to_ne_bytes());
        insn[4..].copy_from_slice(&constant.to_ne_bytes());
        self.insns.push(insn);
    }

    pub fn go(&mut self, to: To) {
        self.jump(GO, 0, 0, 0, to);
    }

    pub fn jump(&mut self, code: u8, left: u8, right: u8, constant: i32, to: To) {
        self.jumps.push((self.insns.len(), to));
        self.put(code, left, right, 0, constant);
    }

    /// Number of the next instruction.
    pub fn at(&self) -> usize {
        self.insns.len()
    }

    pub fn leads_to(&self, wanted: To) -> bool {
        self.jumps.iter().any(|(_, to)| *to == wanted)
    }

    /// None: a jump leads nowhere, back, or further than one can.
    pub fn finished(mut self, place: impl Fn(To) -> Option<usize>) -> Option<Vec<u8>> {
        for (at, to) in self.jumps {
            let distance = place(to)?.checked_sub(at + 1)?;
            let distance = i16::try_from(distance).ok()?;
            self.insns[at][2..4].copy_from_slice(&distance.to_ne_bytes());
        }
        Some(self.insns.concat())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "classic BPF's codes fill the lower byte"
)]
pub const fn low(code: u16) -> u8 {
    code as u8
}
