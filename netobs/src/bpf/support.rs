//! What this kernel and these privileges allow.

use super::btf::KernelTypes;

/// `bpf_get_current_task_btf()`, from 5.11.
pub const TASK_BTF: &str = "bpf_get_current_task_btf";

pub(super) fn has_task_btf(types: &KernelTypes) -> bool {
    types.functions.contains_key(TASK_BTF)
}

/// Capabilities by number, of uapi/linux/capability.h.
const CAPS: [(u32, &str); 6] = [
    (21, "CAP_SYS_ADMIN"),
    (38, "CAP_PERFMON"),
    (39, "CAP_BPF"),
    (12, "CAP_NET_ADMIN"),
    (19, "CAP_SYS_PTRACE"),
    (34, "CAP_SYSLOG"),
];

/// The effective capabilities of this process.
pub fn effective() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    CAPS.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name).collect()
}

/// Whether programs may be loaded at all; the error says what is missing and how to give it.
pub fn privileges() -> Result<(), String> {
    let have = effective();
    let missing: Vec<_> = ["CAP_BPF", "CAP_PERFMON"]
        .into_iter()
        .filter(|cap| !have.contains(cap) && !have.contains(&"CAP_SYS_ADMIN"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "need {}: run as root, or setcap cap_bpf,cap_perfmon,cap_dac_read_search,cap_syslog+ep netobs",
        missing.join(" and ")
    ))
}
