//! Packets: the filter language, capture files, capture as they pass or are dropped, and how a packet reads.

pub mod events;
pub mod file;
pub mod filter;
pub mod lines;
pub mod link;
pub mod live;
pub mod owner;
