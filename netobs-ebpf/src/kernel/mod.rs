//! The only place that walks kernel pointers.

pub mod access;
pub mod lookup;
pub mod skb;
pub mod sock;
pub mod task;
