//! What the `DaemonSet` asks for, read out of the manifest so that the trial runs with exactly that.
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// Capabilities that a container must not need: each is as good as root on the node.
const TOO_MUCH: [&str; 3] = ["SYS_ADMIN", "SYS_MODULE", "ALL"];

/// A directory of the node in the container.
#[derive(Debug, PartialEq, Eq)]
pub struct Mount {
    pub host: String,
    pub container: String,
    pub read_only: bool,
}

#[derive(Debug)]
pub struct Manifest {
    pub capabilities: Vec<String>,
    pub args: Vec<String>,
    pub mounts: Vec<Mount>,
    pod: Value,
}

/// Reads the `DaemonSet` of a manifest of several documents.
pub fn read(text: &str) -> Result<Manifest> {
    let documents = serde_yaml_ng::Deserializer::from_str(text).map(Value::deserialize);
    let documents = documents
        .collect::<Result<Vec<_>, _>>()
        .context("the manifest is no YAML")?;
    let set = documents
        .iter()
        .find(|document| document["kind"] == "DaemonSet")
        .context("no DaemonSet")?;
    let pod = set["spec"]["template"]["spec"].clone();
    let container = &pod["containers"][0];
    Ok(Manifest {
        capabilities: words(&container["securityContext"]["capabilities"]["add"])?,
        args: words(&container["args"])?,
        mounts: mounts(&pod, container)?,
        pod,
    })
}

impl Manifest {
    /// What the manifest promises in its comments.
    pub fn is_modest(&self) -> Result<()> {
        let pod = &self.pod;
        let context = &pod["containers"][0]["securityContext"];
        ensure!(context["privileged"] == false, "privileged");
        ensure!(
            context["allowPrivilegeEscalation"] == false,
            "allowPrivilegeEscalation"
        );
        ensure!(
            context["readOnlyRootFilesystem"] == true,
            "the root filesystem is writable"
        );
        ensure!(
            context["capabilities"]["drop"][0] == "ALL",
            "capabilities are not dropped first"
        );
        ensure!(
            context["seccompProfile"]["type"] == "RuntimeDefault",
            "no seccomp profile"
        );
        ensure!(
            pod["automountServiceAccountToken"] == false,
            "a token is mounted"
        );
        ensure!(
            pod["hostPID"] == true && pod["hostNetwork"] == true,
            "the node's view is missing"
        );
        ensure!(
            self.mounts.iter().all(|mount| mount.read_only),
            "a writable mount"
        );
        let much = self
            .capabilities
            .iter()
            .find(|name| TOO_MUCH.contains(&name.as_str()));
        ensure!(much.is_none(), "capability {much:?}");
        Ok(())
    }
}

fn mounts(pod: &Value, container: &Value) -> Result<Vec<Mount>> {
    let volumes = pod["volumes"].as_array().context("no volumes")?;
    let mount = |mount: &Value| -> Result<Mount> {
        let volume = volumes
            .iter()
            .find(|volume| volume["name"] == mount["name"])
            .context("a mount without volume")?;
        let text = |value: &Value| {
            value
                .as_str()
                .map(str::to_owned)
                .context("a mount without path")
        };
        Ok(Mount {
            host: text(&volume["hostPath"]["path"])?,
            container: text(&mount["mountPath"])?,
            read_only: mount["readOnly"] == true,
        })
    };
    container["volumeMounts"]
        .as_array()
        .context("no volumeMounts")?
        .iter()
        .map(mount)
        .collect()
}

fn words(value: &Value) -> Result<Vec<String>> {
    let word = |value: &Value| value.as_str().map(str::to_owned).context("not a string");
    value
        .as_array()
        .context("not a list")?
        .iter()
        .map(word)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn our_manifest_is_read_and_modest() {
        let manifest = read(include_str!("../../../deploy/daemonset.yaml")).unwrap();
        manifest.is_modest().unwrap();
        assert!(manifest.capabilities.iter().any(|name| name == "BPF"));
        assert_eq!(manifest.args, ["watch", "--json"]);
        assert_eq!(manifest.mounts[0].container, "/sys/fs/cgroup");
    }

    #[test]
    fn a_greedy_manifest_is_found_out() {
        let text = include_str!("../../../deploy/daemonset.yaml");
        for (from, to) in [
            ("- BPF ", "- SYS_ADMIN "),
            ("privileged: false", "privileged: true"),
            ("readOnly: true", "readOnly: false"),
        ] {
            assert!(text.contains(from));
            assert!(
                read(&text.replace(from, to)).unwrap().is_modest().is_err(),
                "{to}"
            );
        }
    }
}
