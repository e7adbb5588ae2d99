//! Where lines go.

pub mod stream;
