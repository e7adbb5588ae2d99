//! The netobs under test: where its binary is, how it runs, and what it has said.

pub mod binary;
pub mod doctor;
mod lines;
mod observer;
mod record;

pub use observer::{Observer, Watch};
pub use record::{Record, subset};
