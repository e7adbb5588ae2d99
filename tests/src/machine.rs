//! Where labs run.

/// A machine of the kernel matrix: emulated, small, without servers. `NETOBS_LAB_BARE` says so.
pub fn is_bare() -> bool {
    std::env::var_os("NETOBS_LAB_BARE").is_some()
}

/// How often something is to be done or looked at: a quarter as often on a machine of the matrix, where it takes ten times as long.
pub fn times(whole: usize) -> usize {
    if is_bare() { whole / 4 } else { whole }
}
