//! A finished program of the packet filter machine, made from the graph, and how it is shown.

use super::{
    code::{
        self, ABS, ALU, B, H, IND, JA, JMP, LD, LDX, LEN, MEM, MISC, MSH, RET, ST, STX, Stmt, TAX,
        class, op, takes_x,
    },
    error::FilterError,
    graph::{BlockId, Graph, NO, YES},
};
use std::fmt::{self, Write as _};

/// One instruction as the kernel takes it (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub insns: Vec<Insn>,
}

impl Program {
    /// Blocks one after the other, so that all jumps lead forward.
    pub fn of(graph: &Graph) -> Result<Self, FilterError> {
        let order = placed_from_the_end(graph);
        let mut layout = Layout {
            graph,
            from_end: vec![0; graph.blocks.len()],
            consumed: 0,
        };
        let mut parts = Vec::with_capacity(order.len());
        for id in order {
            parts.push(layout.block(id)?);
        }
        parts.reverse();
        Ok(Self {
            insns: parts.concat(),
        })
    }

    /// Does it refuse every packet?
    pub fn refuses_all(&self) -> bool {
        matches!(
            self.insns[..],
            [Insn {
                code: RET,
                k: 0,
                ..
            }]
        )
    }
}

/// The last block first: behind the no, behind the yes, then the block itself.
fn placed_from_the_end(graph: &Graph) -> Vec<BlockId> {
    let mut order = Vec::new();
    let mut seen = vec![false; graph.blocks.len()];
    let mut waiting = vec![(graph.root, false)];
    while let Some((id, left)) = waiting.pop() {
        if left {
            order.push(id);
        } else if !std::mem::replace(&mut seen[id], true) {
            waiting.push((id, true));
            let [yes, no] = graph.blocks[id].next;
            waiting.extend(yes.map(|id| (id, false)));
            waiting.extend(no.map(|id| (id, false)));
        }
    }
    order
}

struct Layout<'a> {
    graph: &'a Graph,
    /// Instructions from the beginning of a block to the end of the program.
    from_end: Vec<usize>,
    consumed: usize,
}

impl Layout<'_> {
    fn block(&mut self, id: BlockId) -> Result<Vec<Insn>, FilterError> {
        let block = &self.graph.blocks[id];
        let mut insns = straight(&block.stmts);
        let len = insns.len();
        let last = block.last;
        let mut jump = Insn {
            code: last.code.unwrap_or(RET),
            jt: 0,
            jf: 0,
            k: last.k,
        };
        let mut far = Vec::new();
        if let [Some(yes), Some(no)] = block.next {
            // Each far jump makes the block, and so the other jump, one longer.
            let mut long = [false; 2];
            loop {
                let size = len + 1 + long.iter().filter(|far| **far).count();
                let distance = |to: BlockId| self.consumed + size - self.from_end[to] - len - 1;
                let too_far = [distance(yes), distance(no)].map(|distance| distance > 255);
                let longer = (0..2).find(|side| too_far[*side] && !long[*side]);
                if let Some(side) = longer {
                    long[side] = true;
                    continue;
                }
                for (side, to) in [(YES, yes), (NO, no)] {
                    let offset = if long[side] {
                        let hop = far.len();
                        let k = u32::try_from(distance(to) - hop - 1).unwrap_or(0);
                        far.push(Insn {
                            code: JMP | JA,
                            jt: 0,
                            jf: 0,
                            k,
                        });
                        hop
                    } else {
                        distance(to)
                    };
                    let offset = u8::try_from(offset).unwrap_or(0);
                    *(if side == YES {
                        &mut jump.jt
                    } else {
                        &mut jump.jf
                    }) = offset;
                }
                break;
            }
        } else if class(jump.code) != RET {
            return Err(FilterError::whole(
                "a comparison of the filter leads nowhere",
            ));
        }
        insns.push(jump);
        insns.extend(far);
        self.consumed += insns.len();
        self.from_end[id] = self.consumed;
        Ok(insns)
    }
}

/// Statements without those that were taken away; jumps inside are shortened by what they skip.
fn straight(stmts: &[Stmt]) -> Vec<Insn> {
    let kept = |from: usize, count: usize| -> u8 {
        let skipped = stmts.iter().skip(from).take(count);
        let n = skipped.filter(|stmt| stmt.code.is_some()).count();
        u8::try_from(n).unwrap_or(0)
    };
    let insns = stmts.iter().enumerate().filter_map(|(at, stmt)| {
        let code = stmt.code?;
        Some(Insn {
            code,
            jt: kept(at + 1, usize::from(stmt.jump.0)),
            jf: kept(at + 1, usize::from(stmt.jump.1)),
            k: stmt.k,
        })
    });
    insns.collect()
}

/// As `tcpdump -d` shows it.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, insn) in self.insns.iter().enumerate() {
            let (name, operand) = (insn.name(), insn.operand(at));
            if class(insn.code) == JMP && op(insn.code) != JA {
                let (yes, no) = (at + 1 + usize::from(insn.jt), at + 1 + usize::from(insn.jf));
                writeln!(f, "({at:03}) {name:<8} {operand:<16} jt {yes}\tjf {no}")?;
            } else {
                writeln!(f, "({at:03}) {name:<8} {operand}")?;
            }
        }
        Ok(())
    }
}

impl Program {
    /// As `tcpdump -dd`: a part of a C program.
    pub fn c_array(&self) -> String {
        let mut text = String::new();
        for Insn { code, jt, jf, k } in &self.insns {
            let _infallible = writeln!(text, "{{ {code:#x}, {jt}, {jf}, {k:#010x} }},");
        }
        text
    }

    /// As `tcpdump -ddd`: numbers.
    pub fn numbers(&self) -> String {
        let mut text = format!("{}\n", self.insns.len());
        for Insn { code, jt, jf, k } in &self.insns {
            let _infallible = writeln!(text, "{code} {jt} {jf} {k}");
        }
        text
    }
}

impl Insn {
    fn name(self) -> &'static str {
        let width = |w, h, b| match code::size(self.code) {
            H => h,
            B => b,
            _ => w,
        };
        match class(self.code) {
            LD if [ABS, IND].contains(&code::mode(self.code)) => width("ld", "ldh", "ldb"),
            LD => "ld",
            LDX if code::mode(self.code) == MSH => "ldxb",
            LDX => "ldx",
            ST => "st",
            STX => "stx",
            ALU => match op(self.code) {
                code::ADD => "add",
                code::SUB => "sub",
                code::MUL => "mul",
                code::DIV => "div",
                code::OR => "or",
                code::AND => "and",
                code::LSH => "lsh",
                code::RSH => "rsh",
                code::NEG => "neg",
                code::MOD => "mod",
                _ => "xor",
            },
            JMP => match op(self.code) {
                JA => "ja",
                code::JEQ => "jeq",
                code::JGT => "jgt",
                code::JGE => "jge",
                _ => "jset",
            },
            RET => "ret",
            MISC if self.code & 0xf8 == TAX => "tax",
            _ => "txa",
        }
    }

    fn operand(self, at: usize) -> String {
        let (k, signed) = (self.k, self.k.cast_signed());
        match class(self.code) {
            LD | LDX => match code::mode(self.code) {
                ABS => {
                    ancillary(k).map_or_else(|| format!("[{signed}]"), |name| format!("[{name}]"))
                }
                IND => format!("[x + {signed}]"),
                MEM => format!("M[{signed}]"),
                LEN => "#pktlen".to_owned(),
                MSH => format!("4*([{signed}]&0xf)"),
                _ => format!("#{k:#x}"),
            },
            ST | STX => format!("M[{signed}]"),
            JMP if op(self.code) == JA => {
                let to = i64::try_from(at).unwrap_or(0) + 1 + i64::from(signed);
                to.to_string()
            }
            ALU if op(self.code) == code::NEG => String::new(),
            JMP | ALU if takes_x(self.code) => "x".to_owned(),
            JMP => format!("#{k:#x}"),
            ALU if [code::AND, code::OR, code::XOR].contains(&op(self.code)) => format!("#{k:#x}"),
            ALU | RET => format!("#{signed}"),
            _ => String::new(),
        }
    }
}

fn ancillary(k: u32) -> Option<&'static str> {
    match k {
        code::PACKET_TYPE => Some("type"),
        code::INTERFACE => Some("ifidx"),
        code::VLAN_TCI => Some("vlan_tci"),
        code::VLAN_PRESENT => Some("vlanp"),
        _ => None,
    }
}
