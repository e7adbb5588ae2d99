//! A program run over the bytes of a packet: bounded, and a load beyond the end refuses the packet.

use super::{
    code::{
        self, ABS, ALU, ANCILLARY, B, H, IND, JA, JMP, LD, LDX, LEN, MEM, MEMWORDS, MISC, MSH, RET,
        ST, STX, TAX, W, class, mode, op, size, takes_x,
    },
    program::{Insn, Program},
};

/// Steps after which a packet that makes `protochain` run in circles is refused.
const STEPS: usize = 100_000;

impl Program {
    /// Does the packet match? `wire` is its length before it was cut off.
    pub fn matches(&self, packet: &[u8], wire: u32) -> bool {
        self.run(packet, wire, None).is_some_and(|kept| kept != 0)
    }

    /// The same, of a packet of which more is known than its bytes.
    pub fn matches_live(&self, packet: &[u8], wire: u32, beside: Beside) -> bool {
        let kept = self.run(packet, wire, Some(beside));
        kept.is_some_and(|kept| kept != 0)
    }

    fn run(&self, packet: &[u8], wire: u32, beside: Option<Beside>) -> Option<u32> {
        let (mut a, mut x) = (0_u32, 0_u32);
        let mut memory = [0_u32; MEMWORDS];
        let mut at = 0_usize;
        for _ in 0..STEPS {
            let insn = *self.insns.get(at)?;
            at += 1;
            match insn.code {
                JEQ_K => at += skip(insn, a == insn.k),
                LDH_ABS if insn.k < ANCILLARY => {
                    a = u32::from(u16::from_be_bytes(*bytes(packet, insn.k)?));
                }
                LDB_ABS if insn.k < ANCILLARY => a = u32::from(bytes::<1>(packet, insn.k)?[0]),
                LD_ABS if insn.k < ANCILLARY => a = u32::from_be_bytes(*bytes(packet, insn.k)?),
                RET => return Some(insn.k),
                _ if is_beside(insn) => a = beside?.value(insn.k)?,
                _ => match class(insn.code) {
                    LD => a = load(insn, packet, x, wire, &memory)?,
                    LDX => x = load_x(insn, packet, wire, &memory)?,
                    ST => memory[insn.k as usize % MEMWORDS] = a,
                    STX => memory[insn.k as usize % MEMWORDS] = x,
                    ALU => a = compute(insn, a, x)?,
                    JMP if op(insn.code) == JA => {
                        at = at.checked_add_signed(isize::try_from(insn.k.cast_signed()).ok()?)?;
                    }
                    JMP => at += skip(insn, holds(insn, a, x)),
                    MISC if insn.code & 0xf8 == TAX => x = a,
                    _ => a = x,
                },
            }
        }
        None
    }
}

/// What the kernel knows of a packet beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    pub protocol: u16,
    /// `PACKET_HOST` ... `PACKET_OUTGOING`
    pub kind: u8,
    pub interface: u32,
    /// The tag that stands beside the frame.
    pub tag: Option<u16>,
}

impl Beside {
    fn value(&self, at: u32) -> Option<u32> {
        Some(match at {
            code::PROTOCOL => u32::from(self.protocol),
            code::PACKET_TYPE => u32::from(self.kind),
            code::INTERFACE => self.interface,
            code::VLAN_TCI => u32::from(self.tag.unwrap_or(0)),
            code::VLAN_PRESENT => u32::from(self.tag.is_some()),
            _ => return None,
        })
    }
}

fn is_beside(insn: Insn) -> bool {
    class(insn.code) == LD && mode(insn.code) == ABS && insn.k >= ANCILLARY
}

const JEQ_K: u16 = JMP | code::JEQ;
const LDH_ABS: u16 = LD | ABS | H;
const LDB_ABS: u16 = LD | ABS | B;
const LD_ABS: u16 = LD | ABS | W;

fn skip(insn: Insn, holds: bool) -> usize {
    usize::from(if holds { insn.jt } else { insn.jf })
}

fn bytes<const N: usize>(packet: &[u8], at: u32) -> Option<&[u8; N]> {
    packet.get(at as usize..)?.first_chunk()
}

fn load(insn: Insn, packet: &[u8], x: u32, wire: u32, memory: &[u32; MEMWORDS]) -> Option<u32> {
    let at = match mode(insn.code) {
        ABS => insn.k,
        IND => x.checked_add(insn.k)?,
        LEN => return Some(wire),
        MEM => return Some(memory[insn.k as usize % MEMWORDS]),
        _ => return Some(insn.k),
    };
    Some(match size(insn.code) {
        W => u32::from_be_bytes(*bytes(packet, at)?),
        H => u32::from(u16::from_be_bytes(*bytes(packet, at)?)),
        _ => u32::from(bytes::<1>(packet, at)?[0]),
    })
}

fn load_x(insn: Insn, packet: &[u8], wire: u32, memory: &[u32; MEMWORDS]) -> Option<u32> {
    Some(match mode(insn.code) {
        LEN => wire,
        MEM => memory[insn.k as usize % MEMWORDS],
        MSH => u32::from(bytes::<1>(packet, insn.k)?[0] & 0x0f) << 2,
        _ => insn.k,
    })
}

fn compute(insn: Insn, a: u32, x: u32) -> Option<u32> {
    let b = if takes_x(insn.code) { x } else { insn.k };
    Some(match op(insn.code) {
        code::ADD => a.wrapping_add(b),
        code::SUB => a.wrapping_sub(b),
        code::MUL => a.wrapping_mul(b),
        code::DIV => a.checked_div(b)?,
        code::MOD => a.checked_rem(b)?,
        code::AND => a & b,
        code::OR => a | b,
        code::XOR => a ^ b,
        code::LSH => a.checked_shl(b).unwrap_or(0),
        code::RSH => a.checked_shr(b).unwrap_or(0),
        _ => a.wrapping_neg(),
    })
}

fn holds(insn: Insn, a: u32, x: u32) -> bool {
    let b = if takes_x(insn.code) { x } else { insn.k };
    match op(insn.code) {
        code::JEQ => a == b,
        code::JGT => a > b,
        code::JGE => a >= b,
        _ => a & b != 0,
    }
}
