//! `nf_tables`: the whole ruleset as the kernel holds it, rules rendered in nft's own words.
//!
//! Names and layouts are those of `uapi/linux/netfilter/nf_tables.h`. iptables-nft keeps its rules here too: what has no nft
//! expression is told in iptables' words. An expression that is not known is shown by its name, never left out.

mod data;
mod dump;
mod expr;
mod fields;
mod headers;
mod keys;
mod lookup;
mod matching;
mod nat;
mod object;
mod registers;
mod sets;
mod statements;
#[cfg(test)]
mod tests;

pub use dump::all;
