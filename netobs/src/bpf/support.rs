//! What this kernel and these privileges allow.

use super::{
    btf::KernelTypes,
    sys::{self, Load, ProgType},
};

/// `bpf_get_current_task_btf()`, from 5.11.
pub const TASK_BTF: &str = "bpf_get_current_task_btf";

pub(super) fn has_task_btf(types: &KernelTypes) -> bool {
    types.functions.contains_key(TASK_BTF)
}

/// `r0 = cmpxchg_64(r10 - 8, r0, r2)` of a zeroed word, and out.
const EXCHANGE: [[u8; 8]; 6] = [
    [0xb7, 0x02, 0, 0, 0, 0, 0, 0],
    [0x7b, 0x2a, 0xf8, 0xff, 0, 0, 0, 0],
    [0xb7, 0x00, 0, 0, 0, 0, 0, 0],
    [0xdb, 0x2a, 0xf8, 0xff, 0xf1, 0, 0, 0],
    [0xb7, 0x00, 0, 0, 0, 0, 0, 0],
    [0x95, 0x00, 0, 0, 0, 0, 0, 0],
];

/// Whether programs may compare and exchange (5.12).
pub(super) fn has_atomics() -> bool {
    sys::load(&Load {
        name: "netobs_exchange",
        ty: ProgType::Tracepoint,
        insns: EXCHANGE.as_flattened(),
        attach_btf_id: 0,
    })
    .is_ok()
}

/// Capabilities by number, of uapi/linux/capability.h.
const CAPS: [(u32, &str); 7] = [
    (21, "CAP_SYS_ADMIN"),
    (38, "CAP_PERFMON"),
    (39, "CAP_BPF"),
    (12, "CAP_NET_ADMIN"),
    (19, "CAP_SYS_PTRACE"),
    (23, "CAP_SYS_NICE"),
    (24, "CAP_SYS_RESOURCE"),
];

/// The effective capabilities of this process.
pub fn effective() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    CAPS.iter()
        .filter(|(bit, _)| bits >> bit & 1 == 1)
        .map(|(_, name)| *name)
        .collect()
}

/// Whether programs may be loaded at all; the error says what is missing and how to give it.
pub fn privileges() -> Result<(), String> {
    let have = effective();
    let missing: Vec<_> = ["CAP_BPF", "CAP_PERFMON"]
        .into_iter()
        .filter(|cap| !have.contains(cap) && !have.contains(&"CAP_SYS_ADMIN"))
        .collect();
    if missing.is_empty() && in_user_namespace() {
        return Err(
            "capabilities count for nothing in a user namespace: run as root of the machine (a rootless container: start it as root)"
                .to_owned(),
        );
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "need {}: run as root, or setcap cap_bpf,cap_perfmon+ep netobs",
        missing.join(" and ")
    ))
}

/// Whether the user ids of this process are not those of the machine.
fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && !map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// One thing doctor looks at.
#[derive(Clone, Debug)]
pub struct Fact {
    pub name: &'static str,
    pub ok: bool,
    pub value: String,
    /// What to do when it is not.
    pub todo: Option<&'static str>,
}

fn fact(name: &'static str, found: Result<String, String>, todo: &'static str) -> Fact {
    match found {
        Ok(value) => Fact {
            name,
            ok: true,
            value,
            todo: None,
        },
        Err(value) => Fact {
            name,
            ok: false,
            value,
            todo: Some(todo),
        },
    }
}

/// What the machine offers, whether we may use it or not.
pub fn facts(btf: Option<&str>) -> Vec<Fact> {
    vec![
        fact("kernel", kernel(), "Linux 5.8 or later has the ring buffer"),
        fact(
            "capabilities",
            capabilities(),
            "run as root, or setcap cap_bpf,cap_perfmon+ep netobs",
        ),
        fact(
            "btf",
            btf_there(btf),
            "a kernel with CONFIG_DEBUG_INFO_BTF, or --btf FILE",
        ),
        fact(
            "kprobes",
            kprobes(),
            "only for the kprobe rung: CONFIG_KPROBES",
        ),
        fact(
            "tracefs",
            tracefs(),
            "mount -t tracefs tracefs /sys/kernel/tracing",
        ),
        fact(
            "cgroup2",
            cgroup2(),
            "mount -t cgroup2, for cgroup and container names",
        ),
    ]
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}

/// Major and minor number of the running kernel; 0: not told.
pub(super) fn version() -> (u32, u32) {
    version_of(&read("/proc/sys/kernel/osrelease").unwrap_or_default())
}

fn version_of(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(['.', '-'])
        .map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn kernel() -> Result<String, String> {
    let release = read("/proc/sys/kernel/osrelease")?.trim().to_owned();
    if version_of(&release) >= (5, 8) {
        Ok(release)
    } else {
        Err(release)
    }
}

fn capabilities() -> Result<String, String> {
    let have = effective().join(" ");
    match privileges() {
        Ok(()) => Ok(have),
        Err(_) if have.is_empty() => Err("none".to_owned()),
        Err(_) => Err(have),
    }
}

fn btf_there(path: Option<&str>) -> Result<String, String> {
    let path = path.unwrap_or(super::btf::VMLINUX);
    let len = std::fs::metadata(path)
        .map_err(|e| format!("{path}: {e}"))?
        .len();
    Ok(format!("{path}, {} KiB", len >> 10))
}

fn kprobes() -> Result<String, String> {
    read("/sys/bus/event_source/devices/kprobe/type")
        .map(|pmu| format!("perf type {}", pmu.trim()))
        .map_err(|_| "this kernel is built without kprobes".to_owned())
}

fn tracefs() -> Result<String, String> {
    super::tracefs::event_id("syscalls/sys_exit_connect")
        .map(|id| format!("syscalls/sys_exit_connect is {id}"))
        .map_err(|e| e.to_string())
}

fn cgroup2() -> Result<String, String> {
    let mounts = read("/proc/self/mounts")?;
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .and_then(|fields| fields.get(1).map(|path| (*path).to_owned()))
        .ok_or_else(|| "not mounted".to_owned())
}

/// Whether programs can stand at TC by links, from 6.6 on.
pub fn has_tcx() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
    (number().unwrap_or(0), number().unwrap_or(0)) >= (6, 6)
}
