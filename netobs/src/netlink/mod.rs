//! The kernel's tables by netlink.

pub mod sock_diag;
