//! Everything that speaks to the BPF subsystem: the only importer of aya, and the only unsafe code but raw sockets.

mod adapt;
pub mod attach;
pub mod attached;
pub mod btf;
pub mod cost;
mod files;
pub mod filters;
pub mod holders;
pub mod log;
pub mod object;
pub mod owners;
pub mod packets;
mod perf;
pub mod probes;
pub mod ring;
pub mod routes;
pub mod session;
pub mod sockets;
pub mod sought;
pub mod spec;
pub mod support;
pub mod symbols;
mod sys;
mod tc;
mod tracefs;
mod words;

/// The kernel's view of instructions: eight bytes each.
fn insn_bytes(insns: &[aya_obj::generated::bpf_insn]) -> &[u8] {
    let len = size_of_val(insns);
    // SAFETY: bpf_insn is a C struct of eight plain bytes without padding; the slice covers exactly the same memory.
    unsafe { std::slice::from_raw_parts(insns.as_ptr().cast(), len) }
}
