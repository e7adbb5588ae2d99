//! A filter as the kernel runs it on a packet socket: what the cooked header would say is asked of the kernel, the direction first.

use crate::capture::{
    filter::{
        Insn, Program,
        code::{
            ABS, B, H, IND, INTERFACE, JA, JEQ, JMP, LD, LDX, MSH, PACKET_TYPE, PROTOCOL, RET, W,
            class, mode, op, size,
        },
    },
    link::LinkType,
    live::{Direction, OUTGOING},
};

/// Length of the cooked header, which the kernel does not make.
const COOKED: u32 = 20;
/// Most instructions that the kernel takes (`BPF_MAXINSNS`).
const MOST: usize = 4096;

/// What passes all, and nothing.
pub fn constant(kept: u32) -> Program {
    Program {
        insns: vec![step(RET, kept)],
    }
}

const fn step(code: u16, k: u32) -> Insn {
    Insn {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

const fn equal(k: u32, jt: u8, jf: u8) -> Insn {
    Insn {
        code: JMP | JEQ,
        jt,
        jf,
        k,
    }
}

/// The program for the kernel; none: it has what the kernel cannot run, and packets are to be filtered here.
pub fn for_kernel(filter: &Program, link: LinkType) -> Option<Vec<Insn>> {
    let cooked = link == LinkType::Sll2;
    let fixed = filter.insns.iter().map(|insn| {
        let backward = class(insn.code) == JMP && op(insn.code) == JA && insn.k > u32::MAX >> 1;
        if backward {
            return None; // the loop of `protochain`
        }
        if cooked { beside(*insn) } else { Some(*insn) }
    });
    let insns: Vec<Insn> = fixed.collect::<Option<_>>()?;
    (insns.len() + 8 <= MOST).then_some(insns)
}

/// A load from the cooked header becomes one of what the kernel knows of the packet, others move by its length.
fn beside(mut insn: Insn) -> Option<Insn> {
    let absolute = class(insn.code) == LD && mode(insn.code) == ABS;
    let relative = class(insn.code) == LD && mode(insn.code) == IND;
    let header_length = class(insn.code) == LDX && mode(insn.code) == MSH;
    if !(absolute || relative || header_length) || insn.k >= crate::capture::filter::code::ANCILLARY
    {
        return Some(insn);
    }
    if insn.k >= COOKED {
        insn.k -= COOKED;
        return Some(insn);
    }
    let known = match (insn.k, size(insn.code)) {
        (0, H) => PROTOCOL,
        (4, W) => INTERFACE,
        (10, B) => PACKET_TYPE,
        _ => return None,
    };
    insn.k = known;
    absolute.then_some(insn)
}

/// What stands before the filter: a direction that is not wanted ends at once. Packets of the loopback device pass twice, and
/// are wanted once: as they come, unless those that leave are asked for.
pub fn only(direction: Direction, any: bool, loopback: Option<u32>) -> Vec<Insn> {
    let kind = step(LD | ABS | B, PACKET_TYPE);
    let outgoing = u32::from(OUTGOING);
    let refuse = step(RET, 0);
    match (direction, loopback) {
        (Direction::Out, _) => vec![kind, equal(outgoing, 1, 0), refuse],
        (Direction::In, _) => vec![kind, equal(outgoing, 0, 1), refuse],
        (Direction::Both, Some(_)) if !any => vec![kind, equal(outgoing, 0, 1), refuse],
        (Direction::Both, Some(loopback)) => vec![
            step(LD | ABS | W, INTERFACE),
            equal(loopback, 0, 3),
            kind,
            equal(outgoing, 0, 1),
            refuse,
        ],
        (Direction::Both, None) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::filter::{Options, compile, known::Known};

    fn cooked(expression: &str) -> Option<Vec<Insn>> {
        let options = Options {
            link: LinkType::Sll2,
            snaplen: 96,
            optimize: true,
            live: true,
            swapped: false,
            netmask: None,
            names: &Known,
        };
        for_kernel(&compile(expression, &options).unwrap(), LinkType::Sll2)
    }

    #[test]
    fn the_cooked_header_is_asked_of_the_kernel() {
        let loads = |expression| {
            let insns = cooked(expression).unwrap();
            let loads = insns.iter().filter(|insn| mode(insn.code) == ABS);
            let loads = loads.filter(|insn| class(insn.code) == LD);
            loads.map(|insn| insn.k).collect::<Vec<_>>()
        };
        assert_eq!(loads("arp"), [PROTOCOL]);
        assert_eq!(loads("inbound"), [PACKET_TYPE]);
        assert_eq!(loads("ifindex 3"), [INTERFACE]);
        assert_eq!(loads("ip and ip[9] = 6"), [PROTOCOL, 9]);
    }

    #[test]
    fn what_the_kernel_cannot_run_stays_here() {
        assert!(cooked("link[1] = 5").is_none());
        assert!(cooked("ip protochain 6").is_none());
        assert!(cooked("tcp port 80").is_some());
    }
}
