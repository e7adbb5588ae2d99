//! Where labs run.

/// A machine of the kernel matrix: emulated, small, without servers. `NETOBS_LAB_BARE` says so.
pub fn is_bare() -> bool {
    std::env::var_os("NETOBS_LAB_BARE").is_some()
}
