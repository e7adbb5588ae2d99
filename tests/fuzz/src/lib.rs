//! What the fuzz targets do with their bytes: one module a target, each with what must hold for whatever comes.
//!
//! What breaks a rule panics, which libFuzzer tells with the bytes that did it.
#![expect(
    clippy::panic,
    reason = "a rule that is broken must stop the target, so that its input is kept"
)]

pub mod files;
pub mod filter;
mod input;
pub mod lines;
mod machine;
#[cfg(feature = "libfuzzer")]
mod memory;
pub mod ring;

#[cfg(feature = "libfuzzer")]
pub use memory::bounded;
