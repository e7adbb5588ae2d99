//! Packet filter rules of one namespace, with the kernel's own count of what they hit.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::netns::Netns;

/// Where a rule sits.
#[derive(Clone, Copy)]
pub enum Hook {
    Input,
    Output,
    Forward,
    /// Before anything is routed.
    Prerouting,
    /// ARP on its way in.
    ArpInput,
    /// Every frame of `eth0`, VLAN tags included, before IP sees it.
    Ingress,
}

impl Hook {
    fn family(self) -> &'static str {
        match self {
            Self::Input | Self::Output | Self::Forward | Self::Prerouting => "inet",
            Self::ArpInput => "arp",
            Self::Ingress => "netdev",
        }
    }

    fn chain(self) -> &'static str {
        match self {
            Self::Input | Self::ArpInput => "hook input",
            Self::Output => "hook output",
            Self::Forward => "hook forward",
            Self::Prerouting => "hook prerouting",
            Self::Ingress => "hook ingress device \"eth0\"",
        }
    }
}

/// One rule in a table of its own; gone when dropped or removed.
pub struct Rule<'a> {
    ns: &'a Netns,
    family: &'static str,
    table: String,
}

impl<'a> Rule<'a> {
    /// Adds `when` (nftables' words: `udp dport 7 numgen random mod 100 < 2`) with `verdict` (`drop`, `reject`).
    pub fn add(ns: &'a Netns, hook: Hook, when: &str, verdict: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let table = format!("lab{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (family, chain) = (hook.family(), hook.chain());
        let script = format!(
            "table {family} {table} {{\n counter hits {{ }}\n chain c {{\n  type filter {chain} priority 0; policy accept;\n  \
             {when} counter name \"hits\" {verdict}\n }}\n}}\n"
        );
        ns.tool("nft", &["-f", "-"], &script)?;
        Ok(Self { ns, family, table })
    }

    /// How many packets the rule has hit: nftables' counter.
    pub fn packets(&self) -> Result<u64> {
        let said = self.ns.tool(
            "nft",
            &["-j", "list", "counters", "table", self.family, &self.table],
            "",
        )?;
        let said: Value = serde_json::from_str(&said).context("read nft's JSON")?;
        let entries = said["nftables"]
            .as_array()
            .context("nft lists no objects")?;
        entries
            .iter()
            .find_map(|e| e["counter"]["packets"].as_u64())
            .context("nft lists no counter")
    }

    /// Takes the rule away and tells what it had hit.
    pub fn remove(self) -> Result<u64> {
        self.packets()
    }
}

impl Drop for Rule<'_> {
    fn drop(&mut self) {
        // The namespace goes with its lab anyway: an error here has no consequence.
        drop(
            self.ns
                .tool("nft", &["delete", "table", self.family, &self.table], ""),
        );
    }
}
