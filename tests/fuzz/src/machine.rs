//! The packet filter machine a second time, as plainly as its specification, to judge the one that is fast.
//!
//! Numbers are those of `linux/filter.h`, written out: what is wrong in ours must not be wrong here too.

use netobs::capture::filter::{Beside, Insn, Program};

/// What a program makes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Kept(u32),
    /// A load beyond the end, a division by zero, or round in circles: the packet is refused.
    Fault,
}

/// More than any program without a loop has.
const STEPS: usize = 100_000;

pub fn run(program: &Program, packet: &[u8], wire: u32, beside: Option<Beside>) -> Verdict {
    let mut machine = Machine {
        packet,
        wire,
        beside,
        a: 0,
        x: 0,
        memory: [0; 16],
    };
    machine
        .all(&program.insns)
        .map_or(Verdict::Fault, Verdict::Kept)
}

struct Machine<'a> {
    packet: &'a [u8],
    wire: u32,
    beside: Option<Beside>,
    a: u32,
    x: u32,
    memory: [u32; 16],
}

impl Machine<'_> {
    fn all(&mut self, insns: &[Insn]) -> Option<u32> {
        let mut at = 0_i64;
        for _ in 0..STEPS {
            let insn = insns[usize::try_from(at).expect("a jump leads before the program")];
            at += 1;
            match insn.code {
                0x06 => return Some(insn.k),
                0x16 => return Some(self.a),
                0x05 => at += i64::from(insn.k.cast_signed()),
                code if code & 7 == 5 => {
                    at += i64::from(if self.holds(insn) { insn.jt } else { insn.jf });
                }
                _ => self.step(insn)?,
            }
        }
        None
    }

    fn step(&mut self, insn: Insn) -> Option<()> {
        let k = insn.k;
        let slot = k as usize & 15;
        match insn.code {
            0x00 => self.a = k,
            0x01 => self.x = k,
            0x20 => self.a = self.load(u64::from(k), 4)?,
            0x28 => self.a = self.load(u64::from(k), 2)?,
            0x30 => self.a = self.load(u64::from(k), 1)?,
            0x40 => self.a = self.load(u64::from(k) + u64::from(self.x), 4)?,
            0x48 => self.a = self.load(u64::from(k) + u64::from(self.x), 2)?,
            0x50 => self.a = self.load(u64::from(k) + u64::from(self.x), 1)?,
            0xb1 => self.x = (self.bytes(u64::from(k), 1)? & 15) * 4,
            0x80 => self.a = self.wire,
            0x81 => self.x = self.wire,
            0x60 => self.a = self.memory[slot],
            0x61 => self.x = self.memory[slot],
            0x02 => self.memory[slot] = self.a,
            0x03 => self.memory[slot] = self.x,
            0x07 => self.x = self.a,
            0x87 => self.a = self.x,
            code if code & 7 == 4 => self.a = self.compute(insn)?,
            code => panic!("{code:#x} is no instruction"),
        }
        Some(())
    }

    /// What stands beyond all packets is told beside them.
    fn load(&self, at: u64, length: usize) -> Option<u32> {
        let Some(beside) = at.checked_sub(0xffff_f000).filter(|at| *at < 0x1000) else {
            return self.bytes(at, length);
        };
        let known = self.beside?;
        match beside {
            0 => Some(known.protocol.into()),
            4 => Some(known.kind.into()),
            8 => Some(known.interface),
            44 => Some(known.tag.unwrap_or(0).into()),
            48 => Some(known.tag.is_some().into()),
            _ => None,
        }
    }

    fn bytes(&self, at: u64, length: usize) -> Option<u32> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.packet.get(at..)?.get(..length)?;
        Some(bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
    }

    fn operand(&self, insn: Insn) -> u32 {
        if insn.code & 8 == 0 { insn.k } else { self.x }
    }

    fn holds(&self, insn: Insn) -> bool {
        let (a, b) = (self.a, self.operand(insn));
        match insn.code & 0xf0 {
            0x10 => a == b,
            0x20 => a > b,
            0x30 => a >= b,
            0x40 => a & b != 0,
            _ => panic!("{:#x} is no jump", insn.code),
        }
    }

    fn compute(&self, insn: Insn) -> Option<u32> {
        let (a, b) = (self.a, self.operand(insn));
        Some(match insn.code & 0xf0 {
            0x00 => a.wrapping_add(b),
            0x10 => a.wrapping_sub(b),
            0x20 => a.wrapping_mul(b),
            0x30 => (b != 0).then(|| a / b)?,
            0x40 => a | b,
            0x50 => a & b,
            0x60 => u32::try_from(u64::from(a) << b.min(32) & 0xffff_ffff).ok()?,
            0x70 => u32::try_from(u64::from(a) >> b.min(32)).ok()?,
            0x80 => 0_u32.wrapping_sub(a),
            0x90 => (b != 0).then(|| a % b)?,
            0xa0 => a ^ b,
            _ => panic!("{:#x} is no arithmetic", insn.code),
        })
    }
}
