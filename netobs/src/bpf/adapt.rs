//! Makes instructions fit the running kernel: what it cannot do is taken out, what it alone can is put in.

use super::{btf::KernelTypes, support};
use aya_obj::{Object, generated::bpf_insn};
use netobs_ebpf::config::{CAST, TYPES, TypeIds};

/// Casts a pointer; the verifier turns the call into a move (6.2).
pub const CAST_FUNCTION: &str = "bpf_rdonly_cast";
/// Keep the processor for a program (6.10).
pub const HOLD_FUNCTIONS: [&str; 2] = ["bpf_preempt_disable", "bpf_preempt_enable"];

/// From here on tracepoints can be preempted, and a program that loses the processor keeps all others from running it.
const PREEMPTED: (u32, u32) = (7, 0);

const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL`.
const KERNEL_FUNCTION: u8 = 2;
const MOVE: u8 = 0xbf;
const SET: u8 = 0xb7;
const EXIT: u8 = 0x95;
const JUMP: u8 = 0x05;
/// `lock cmpxchg` in 64 bits: code and operation.
const COMPARE_EXCHANGE: (u8, i32) = (0xdb, 0xf1);

/// What matters of the running kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel {
    /// Programs may compare and exchange (5.12).
    pub atomics: bool,
    /// BTF id of [`CAST_FUNCTION`].
    cast: Option<i32>,
    /// BTF ids of [`HOLD_FUNCTIONS`], where they are needed.
    hold: Option<[i32; 2]>,
}

impl Kernel {
    /// What [`Kernel::of`] looks for.
    pub const FUNCTIONS: [&'static str; 3] = [CAST_FUNCTION, HOLD_FUNCTIONS[0], HOLD_FUNCTIONS[1]];

    pub fn of(types: &KernelTypes) -> Self {
        Self {
            atomics: support::has_atomics(),
            ..Self::without_atomics(types)
        }
    }

    /// For programs that compare and exchange nothing.
    pub fn without_atomics(types: &KernelTypes) -> Self {
        let id = |name: &str| i32::try_from(types.functions.get(name)?.id).ok();
        let [disable, enable] = HOLD_FUNCTIONS.map(id);
        Self {
            atomics: false,
            cast: id(CAST_FUNCTION),
            hold: disable
                .zip(enable)
                .map(<[i32; 2]>::from)
                .filter(|_| support::version() >= PREEMPTED),
        }
    }

    /// Numbers of the types that programs cast to.
    pub fn type_ids(&self, types: &KernelTypes) -> TypeIds {
        let id = |name| types.structs.get(name).copied().unwrap_or(0);
        let mut ids: TypeIds = zerocopy::transmute!(TYPES.map(id));
        if self.cast.is_none() {
            (ids.socket, ids.words, ids.tcp_sock) = (0, 0, 0);
        }
        ids
    }

    /// Whether a program can lose the processor while a tracepoint runs it.
    pub fn is_preempted(&self) -> bool {
        self.hold.is_some()
    }

    /// Every instruction of an object whose calls are in place.
    pub fn adapt_all(&self, object: &mut Object) {
        let functions = object.functions.values_mut();
        functions
            .flat_map(|function| &mut function.instructions)
            .for_each(|insn| self.adapt(insn));
    }

    /// One instruction.
    fn adapt(&self, insn: &mut bpf_insn) {
        if (insn.code, insn.imm) == (CALL, CAST) {
            self.put_cast(insn);
        } else if (insn.code, insn.imm) == COMPARE_EXCHANGE && !self.atomics {
            // Dead code here, but a kernel before 5.12 looks at every instruction first.
            (insn.code, insn.off, insn.imm) = (JUMP, 0, 0);
            insn.set_dst_reg(0);
            insn.set_src_reg(0);
        }
    }

    /// A verifier that cannot cast trusts nothing: a move will do.
    fn put_cast(&self, insn: &mut bpf_insn) {
        if let Some(id) = self.cast {
            insn.set_src_reg(KERNEL_FUNCTION);
            insn.imm = id;
        } else {
            // r0 = r1
            (insn.code, insn.imm) = (MOVE, 0);
            insn.set_src_reg(1);
        }
    }

    /// A program that nobody else on its processor can come between, where that is needed: all exits lead to one.
    pub fn undisturbed(&self, insns: Vec<u8>) -> Vec<u8> {
        let Some([disable, enable]) = self.hold else {
            return insns;
        };
        wrapped(&insns, disable, enable).unwrap_or(insns)
    }
}

type Insn = [u8; 8];

fn call(function: i32) -> Insn {
    let [a, b, c, d] = function.to_le_bytes();
    [CALL, KERNEL_FUNCTION << 4, 0, 0, a, b, c, d]
}

/// Calls `first` before all else and `last` at the end; all our programs return 0. `None`: too long for a jump, or made
/// of several functions, whose exits cannot be told apart.
fn wrapped(insns: &[u8], first: i32, last: i32) -> Option<Vec<u8>> {
    let (insns, _) = insns.as_chunks::<8>();
    // r6 = r1, call, r1 = r6: r6 holds nothing yet, and a call takes r1.
    let mut out: Vec<Insn> = vec![
        [MOVE, 0x16, 0, 0, 0, 0, 0, 0],
        call(first),
        [MOVE, 0x61, 0, 0, 0, 0, 0, 0],
    ];
    for (at, insn) in insns.iter().enumerate() {
        let calls_own = insn[0] == CALL && insn[1] >> 4 == 1;
        if calls_own {
            return None;
        }
        if insn[0] == EXIT {
            let [low, high] = i16::try_from(insns.len() - at - 1).ok()?.to_le_bytes();
            out.push([JUMP, 0, low, high, 0, 0, 0, 0]);
        } else {
            out.push(*insn);
        }
    }
    out.extend([
        call(last),
        [SET, 0, 0, 0, 0, 0, 0, 0],
        [EXIT, 0, 0, 0, 0, 0, 0, 0],
    ]);
    Some(out.into_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT_0: Insn = [EXIT, 0, 0, 0, 0, 0, 0, 0];
    const SET_0: Insn = [SET, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn every_exit_leads_to_the_last() {
        let program = vec![SET_0, EXIT_0, SET_0, EXIT_0].into_flattened();
        let out = wrapped(&program, 7, 9).expect("it is short");
        let (out, _) = out.as_chunks::<8>();
        let jump = |by| [JUMP, 0, by, 0, 0, 0, 0, 0];
        assert_eq!(out[1], call(7));
        assert_eq!(out[3..7], [SET_0, jump(2), SET_0, jump(0)]);
        assert_eq!(out[7..], [call(9), SET_0, EXIT_0]);
    }

    #[test]
    fn functions_of_its_own_are_left_alone() {
        let own = [CALL, 1 << 4, 0, 0, 1, 0, 0, 0];
        assert_eq!(wrapped(&vec![own, EXIT_0].into_flattened(), 7, 9), None);
    }

    #[test]
    fn a_program_too_long_for_a_jump_is_left_alone() {
        let mut program = vec![SET_0; 40_000];
        program[0] = EXIT_0;
        assert_eq!(wrapped(&program.into_flattened(), 7, 9), None);
    }

    #[test]
    fn what_the_kernel_lacks_is_taken_out() {
        let old = Kernel::default();
        let mut insn: bpf_insn = zeroed();
        (insn.code, insn.imm) = (CALL, CAST);
        old.adapt(&mut insn);
        assert_eq!((insn.code, insn.src_reg(), insn.imm), (MOVE, 1, 0));
        (insn.code, insn.imm) = COMPARE_EXCHANGE;
        old.adapt(&mut insn);
        assert_eq!((insn.code, insn.imm), (JUMP, 0));
    }

    fn zeroed() -> bpf_insn {
        bpf_insn {
            code: 0,
            _bitfield_align_1: [],
            _bitfield_1: aya_obj::generated::__BindgenBitfieldUnit::new([0]),
            off: 0,
            imm: 0,
        }
    }
}
