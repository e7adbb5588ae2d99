//! A seccomp profile as a current Kubernetes runtime has it, made from podman's.
//!
//! containerd 1.7 and Docker 23 allow bpf(2) with `CAP_BPF` and `perf_event_open(2)` with `CAP_PERFMON`; the profile of older
//! podman packages asks for `CAP_SYS_ADMIN`, and would refuse what the `DaemonSet`'s `RuntimeDefault` allows.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::scratch;

const PODMANS: [&str; 2] = [
    "/etc/containers/seccomp.json",
    "/usr/share/containers/seccomp.json",
];
const MOVED: [(&str, &str); 2] = [("bpf", "CAP_BPF"), ("perf_event_open", "CAP_PERFMON")];

/// The value of podman's `--security-opt seccomp=`.
pub fn profile() -> Result<PathBuf> {
    let source = PODMANS.iter().map(Path::new).find(|file| file.is_file());
    let source = source.context("podman's seccomp.json is not where its package puts it")?;
    let mut profile: Value = serde_json::from_slice(&fs::read(source)?)?;
    gate_by_capability(&mut profile).context("podman's seccomp.json has an unknown form")?;
    let file = scratch()?.join("seccomp.json");
    fs::write(&file, serde_json::to_vec(&profile)?)?;
    Ok(file)
}

fn gate_by_capability(profile: &mut Value) -> Option<()> {
    let rules = profile["syscalls"].as_array_mut()?;
    for rule in rules.iter_mut() {
        rule["names"]
            .as_array_mut()?
            .retain(|name| !MOVED.iter().any(|(call, _)| name == call));
    }
    rules.retain(|rule| rule["names"] != json!([]));
    rules.extend(MOVED.iter().map(|(call, capability)| {
        json!({ "names": [call], "action": "SCMP_ACT_ALLOW", "args": [], "includes": { "caps": [capability] }, "excludes": {} })
    }));
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::gate_by_capability;

    #[test]
    fn bpf_moves_from_the_administrator_to_its_own_capability() {
        let mut profile = json!({ "syscalls": [
            { "names": ["bpf", "setns"], "includes": { "caps": ["CAP_SYS_ADMIN"] } },
            { "names": ["bpf"], "action": "SCMP_ACT_ERRNO" },
        ]});
        gate_by_capability(&mut profile).unwrap();
        let rules = profile["syscalls"].as_array().unwrap();
        assert_eq!(rules[0]["names"], json!(["setns"]));
        assert_eq!(rules[1]["includes"]["caps"], json!(["CAP_BPF"]));
        assert_eq!(rules.len(), 3);
    }
}
