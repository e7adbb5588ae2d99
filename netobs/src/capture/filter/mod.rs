//! The filter language of pcap-filter(7): an expression to a program of the classic packet filter machine.
//!
//! What libpcap accepts for the links we know selects the same packets, or is refused by name. The programs are the same,
//! instruction by instruction, as those of libpcap 1.10: the labs compare them.

mod addresses;
mod arith;
mod ast;
pub(super) mod code;
mod error;
mod graph;
#[cfg(test)]
pub(super) mod known;
mod lexer;
mod lower;
mod names;
mod optimize;
mod parser;
mod primitives;
mod program;
mod run;
#[cfg(test)]
mod tests;
mod words;

pub use error::FilterError;
pub use names::Names;
pub use program::{Insn, Program};
pub use run::Beside;

use super::link::LinkType;

/// What a filter is made for.
pub struct Options<'a> {
    pub link: LinkType,
    /// Bytes kept of what matches: what the program returns.
    pub snaplen: u32,
    pub optimize: bool,
    /// For the kernel, which knows more of a packet than its bytes.
    pub live: bool,
    /// The file was written by a machine of the other byte order.
    pub swapped: bool,
    /// For `ip broadcast`, if it is known.
    pub netmask: Option<u32>,
    pub names: &'a dyn Names,
}

/// Compiles an expression; an empty one takes everything.
pub fn compile(expression: &str, options: &Options<'_>) -> Result<Program, FilterError> {
    build(expression, options).map_err(|error| error.of(expression))
}

fn build(expression: &str, options: &Options<'_>) -> Result<Program, FilterError> {
    let expr = parser::parse(expression)?;
    let (graph, may_optimize) = lower::lower(expr.as_ref(), options)?;
    if !options.optimize || !may_optimize {
        return Program::of(&graph);
    }
    let program = Program::of(&optimize::optimize(&graph)?)?;
    if program.refuses_all() {
        return Err(FilterError::whole(
            "the expression matches no packet at all",
        ));
    }
    Ok(program)
}
