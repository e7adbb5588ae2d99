//! Probes as bytes, and answers read from bytes that anybody may have sent.

pub mod build;
pub mod extensions;
pub mod other;
pub mod read;
pub mod services;
pub mod wire;
