//! Packets: the filter language, capture files, and how a packet reads.

pub mod file;
pub mod filter;
pub mod lines;
pub mod link;
