//! Filters of TC as others have them: all that `eth0` sends and gets is mirrored to another device, and counted by the kernel.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::netns::Netns;

/// Both filters; they go with the namespace.
pub struct Mirror<'a>(&'a Netns);

impl<'a> Mirror<'a> {
    pub fn add(ns: &'a Netns) -> Result<Self> {
        ns.tool("tc", &["qdisc", "add", "dev", "eth0", "clsact"], "")?;
        ns.ip("link add d0 type veth peer name d1\nlink set dev d0 up\nlink set dev d1 up\n")?;
        for way in ["ingress", "egress"] {
            // Classic BPF: return all of it.
            let all = "1,6 0 0 4294967295,";
            let filter = ["filter", "add", "dev", "eth0", way, "bpf", "bytecode", all];
            let mirror = ["action", "mirred", "egress", "mirror", "dev", "d0"];
            ns.tool("tc", &[&filter[..], &mirror].concat(), "")?;
        }
        Ok(Self(ns))
    }

    /// Packets that came.
    pub fn came(&self) -> Result<u64> {
        self.count("ingress")
    }

    /// Packets that left.
    pub fn left(&self) -> Result<u64> {
        self.count("egress")
    }

    fn count(&self, way: &str) -> Result<u64> {
        let args = ["-s", "-j", "filter", "show", "dev", "eth0", way];
        let said = self.0.tool("tc", &args, "")?;
        let said: Value = serde_json::from_str(&said).context("read tc's JSON")?;
        let mut filters = said.as_array().into_iter().flatten();
        let packets = filters.find_map(|f| f["options"]["actions"][0]["stats"]["packets"].as_u64());
        packets.with_context(|| format!("no count in {said}"))
    }
}
