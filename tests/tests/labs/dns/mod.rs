//! `netobs dns` and names: against BIND, dig and the C library, in namespaces of our own.

mod answers;
mod bad;
pub mod fixture;
mod hostile;
mod names;
mod ways;
