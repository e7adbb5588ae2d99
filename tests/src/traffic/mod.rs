//! Traffic of which every byte, packet and ending is known beforehand.

pub mod churn;
pub mod forge;
pub mod frame;
pub mod process;
pub mod tcp;
pub mod udp;
pub mod zoo;

pub use process::{Link, Process};
