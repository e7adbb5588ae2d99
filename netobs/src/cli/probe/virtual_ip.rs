//! Addresses that no host has: only translation rules of this machine know them, for some ports, as services of Kubernetes.

use crate::netlink::{
    firewall::Ruleset,
    iptables, links, nftables,
    socket::{ROUTE, Socket},
};
use std::net::IpAddr;

/// Ports behind a virtual address, by the rules of this machine; none: it is none, or nobody may look.
pub fn ports(addr: IpAddr) -> Option<Vec<u16>> {
    let rules = ruleset()?;
    let addr = addr.to_string();
    let mut ports = Vec::new();
    let mut known = false;
    for rule in &rules.rules {
        let translates = rule.nat == Some("dnat") || rule.rule.contains("KUBE-");
        if translates && names(&rule.rule, &addr) {
            known = true;
            ports.extend(port_of(&rule.rule));
        }
    }
    for set in &rules.sets {
        for element in set.elements.iter().filter(|element| names(element, &addr)) {
            known |= set.kind == "map" || set.kind == "vmap";
            // 10.96.0.10 . tcp . 443 : goto service-web
            let words = element.split_whitespace();
            ports.extend(words.filter_map(|word| word.parse::<u16>().ok()));
        }
    }
    ports.sort_unstable();
    ports.dedup();
    known.then_some(ports)
}

fn ruleset() -> Option<Ruleset> {
    let mut socket = Socket::open(ROUTE).ok()?;
    let links = links::names(&mut socket).ok()?;
    let mut rules = nftables::all(&links).unwrap_or_default();
    rules.add(iptables::all().unwrap_or_default());
    Some(rules)
}

/// The address as a whole word: 10.0.0.1 is not in 10.0.0.10.
fn names(text: &str, addr: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'))
        .any(|word| word == addr)
}

fn port_of(rule: &str) -> Option<u16> {
    let mut words = rule.split_whitespace();
    words.find(|word| matches!(*word, "dport" | "--dport"))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_address_and_port() {
        let rule = "ip daddr 10.96.0.10 tcp dport 53 dnat to 10.244.0.3:53";
        assert!(names(rule, "10.96.0.10"));
        assert!(!names(rule, "10.96.0.1"));
        assert_eq!(port_of(rule), Some(53));
    }
}
