//! Expressions: a program or an error, in bounded time and memory, and the optimizer changes no verdict.
//!
//! An input is a byte for the link, one for what else is asked for, the expression, a zero, and a packet.

use netobs::capture::{
    filter::{Beside, FilterError, Insn, Names, Options, Program, compile},
    link::LinkType,
};

use crate::{
    input::Input,
    machine::{self, Verdict},
};
use known::Known;

// Of tests only, so that it is no part of the library.
#[path = "../../../netobs/src/capture/filter/known.rs"]
mod known;

const SNAPLEN: u32 = 262_144;
/// A packet on which few loads fail, for then most programs say the same: no.
const ROOMY: usize = 600;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (link, asked) = (input.link(), input.byte());
    let mut parts = input.0.splitn(2, |byte| *byte == 0);
    let expression = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let packet = parts.next().unwrap_or_default();
    let [plain, optimized] =
        [false, true].map(|optimize| built(&expression, link, asked, optimize));
    let mut roomy = packet.to_vec();
    roomy.resize(packet.len().max(ROOMY), 0);
    for packet in [packet, &roomy] {
        judged(&plain, &optimized, packet, asked);
    }
}

fn built(
    expression: &str,
    link: LinkType,
    asked: u8,
    optimize: bool,
) -> Result<Program, FilterError> {
    let options = Options {
        link,
        snaplen: SNAPLEN,
        optimize,
        live: asked & 1 != 0,
        swapped: asked & 2 != 0,
        netmask: (asked & 4 != 0).then_some(0xffff_ff00),
        names: &Known,
    };
    let program = compile(expression, &options);
    match &program {
        Ok(program) => {
            well_formed(program);
            drop((program.to_string(), program.c_array(), program.numbers()));
        }
        Err(error) => drop(error.to_string()),
    }
    program
}

/// As the kernel looks at it: it ends, no jump leaves it, and scratch memory has sixteen words.
fn well_formed(program: &Program) {
    let insns = &program.insns;
    assert!(
        insns.last().is_some_and(|last| last.code & 7 == 6),
        "no return at the end"
    );
    for (at, Insn { code, jt, jf, k }) in insns.iter().enumerate() {
        let inside = |ahead: i64| {
            let to = i64::try_from(at + 1).unwrap_or(i64::MAX) + ahead;
            usize::try_from(to).is_ok_and(|to| to < insns.len())
        };
        match code {
            0x05 => assert!(inside(k.cast_signed().into()), "the jump at {at} leaves"),
            _ if code & 7 == 5 => {
                let both = inside((*jt).into()) && inside((*jf).into());
                assert!(both, "a branch at {at} leaves");
            }
            0x02 | 0x03 | 0x60 | 0x61 => assert!(*k < 16, "word {k} of memory at {at}"),
            _ => {}
        }
    }
}

/// Two machines agree on both programs, and both programs on every packet whose loads do not fail. Those that do may:
/// to leave out a load that nobody needs is the optimizer's work.
fn judged(
    plain: &Result<Program, FilterError>,
    optimized: &Result<Program, FilterError>,
    packet: &[u8],
    asked: u8,
) {
    let beside = (asked & 1 != 0).then_some(Beside {
        protocol: 0x0800,
        kind: asked >> 5,
        interface: 2,
        tag: (asked & 16 != 0).then_some(5),
    });
    let verdict = |program: &Program| {
        let wire = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        let verdict = machine::run(program, packet, wire, beside);
        let matches = match beside {
            Some(beside) => program.matches_live(packet, wire, beside),
            None => program.matches(packet, wire),
        };
        let wanted = matches!(verdict, Verdict::Kept(1..));
        assert_eq!(matches, wanted, "the machines differ\n{program}");
        verdict
    };
    match (plain, optimized) {
        (Ok(plain), Ok(optimized)) => {
            let (before, after) = (verdict(plain), verdict(optimized));
            assert!(
                before == after || before == Verdict::Fault,
                "{before:?} became {after:?}\n{plain}\n{optimized}"
            );
        }
        // Refused since it matches nothing: then it does.
        (Ok(plain), Err(_)) => {
            let verdict = verdict(plain);
            assert!(
                !matches!(verdict, Verdict::Kept(1..)),
                "refused, yet matched\n{plain}"
            );
        }
        (Err(error), Ok(optimized)) => {
            panic!("only optimized is it accepted: {error}\n{optimized}")
        }
        (Err(_), Err(_)) => {}
    }
}
