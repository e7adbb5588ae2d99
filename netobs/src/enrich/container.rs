//! Container ids and pod UIDs, as runtimes write them into cgroup paths.

/// Digits shown of a container id.
const SHOWN: usize = 12;
const FULL: usize = 64;

/// Container and pod of a cgroup path, as of docker, containerd, CRI-O and podman, with systemd or cgroupfs names.
pub fn of_path(path: &str) -> (Option<&str>, Option<String>) {
    let container = path.rsplit('/').find_map(id_in).map(|id| &id[..SHOWN]);
    (container, path.split('/').find_map(pod_in))
}

/// The 64 hexadecimal digits in one component, as `ID`, `docker-ID.scope`, `cri-containerd-ID.scope`, `libpod-ID`.
pub fn id_in(component: &str) -> Option<&str> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    // A monitor's cgroup is not the container's.
    if name.contains("conmon") {
        return None;
    }
    let id = name.rsplit(['-', ':']).next()?;
    (id.len() == FULL && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}

/// `pod<uid>` (cgroupfs), `kubepods-burstable-pod<uid with _>.slice` (systemd).
fn pod_in(component: &str) -> Option<String> {
    let name = component.strip_suffix(".slice").unwrap_or(component);
    let at = name.rfind("pod")?;
    let uid = name[at + 3..].replace('_', "-");
    let before = &name[..at];
    let shaped = uid.len() == 36 && uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    (shaped && (before.is_empty() || before.starts_with("kubepods"))).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn paths_of_all_runtimes() {
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/kubepods.slice/kubepods-besteffort.slice/cri-containerd-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/libpod_parent/libpod-{ID}"),
        ] {
            assert_eq!(of_path(&path).0, Some(&ID[..12]), "{path}");
        }
        assert_eq!(of_path("/system.slice/ssh.service").0, None);
        assert_eq!(
            of_path(&format!("/libpod_parent/libpod-conmon-{ID}")).0,
            None
        );
    }

    #[test]
    fn pods_of_both_cgroup_drivers() {
        let uid = "0a1b2c3d-0000-1111-2222-333344445555";
        let plain = format!("/kubepods/burstable/pod{uid}/{ID}");
        assert_eq!(of_path(&plain).1.as_deref(), Some(uid));
        let slice = format!(
            "/kubepods.slice/kubepods-burstable-pod{}.slice",
            uid.replace('-', "_")
        );
        assert_eq!(of_path(&slice).1.as_deref(), Some(uid));
        assert_eq!(of_path("/user.slice/podman").1, None);
    }
}
