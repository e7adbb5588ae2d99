//! Debian packages: the machine's own mirror, a private apt root, and what tests need installed.

mod root;
mod sources;

pub use root::PrivateApt;
