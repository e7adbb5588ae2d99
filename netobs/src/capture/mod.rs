//! Packets: the filter language, capture files, capture as they pass, and how a packet reads.

pub mod file;
pub mod filter;
pub mod lines;
pub mod link;
pub mod live;
pub mod owner;
