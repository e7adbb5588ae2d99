//! Names that the administrator gave to numbers: routing tables, route protocols, realms, in the files that `ip` reads too.

use std::{collections::HashMap, fs};

/// Where iproute2 keeps them: the first that exists counts, as iproute2 6.5 and later do it.
const FOLDERS: [&str; 3] = ["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"];

/// Numbers to names, from a file of `number name` lines over built-in ones.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Names(HashMap<u32, String>);

impl Names {
    pub fn tables() -> Self {
        Self::load(
            "rt_tables",
            &[(253, "default"), (254, "main"), (255, "local")],
        )
    }

    pub fn protocols() -> Self {
        let known = [
            (0, "unspec"),
            (1, "redirect"),
            (2, "kernel"),
            (3, "boot"),
            (4, "static"),
            (8, "gated"),
            (9, "ra"),
            (10, "mrt"),
            (11, "zebra"),
            (12, "bird"),
            (13, "dnrouted"),
            (14, "xorp"),
            (15, "ntk"),
            (16, "dhcp"),
            (17, "mrouted"),
            (18, "keepalived"),
            (42, "babel"),
            (99, "openr"),
            (186, "bgp"),
            (187, "isis"),
            (188, "ospf"),
            (189, "rip"),
            (192, "eigrp"),
        ];
        Self::load("rt_protos", &known)
    }

    fn load(file: &str, known: &[(u32, &str)]) -> Self {
        let mut names = Self(
            known
                .iter()
                .map(|(n, name)| (*n, (*name).to_owned()))
                .collect(),
        );
        for folder in FOLDERS {
            if let Ok(text) = fs::read_to_string(format!("{folder}/{file}")) {
                names.add(&text);
                break;
            }
        }
        names
    }

    fn add(&mut self, text: &str) {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let number = words.next().and_then(|word| match word.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => word.parse().ok(),
            });
            if let (Some(number), Some(name)) = (number, words.next()) {
                self.0.insert(number, name.to_owned());
            }
        }
    }

    /// The name, else the number.
    pub fn of(&self, number: u32) -> String {
        self.0
            .get(&number)
            .cloned()
            .unwrap_or_else(|| number.to_string())
    }
}

/// `host`, `link`, `global` ...: `RT_SCOPE_*`.
pub fn scope(number: u8) -> String {
    match number {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}

/// `RTN_*` of uapi/linux/rtnetlink.h.
pub fn route_type(number: u8) -> String {
    const NAMES: [&str; 12] = [
        "none",
        "unicast",
        "local",
        "broadcast",
        "anycast",
        "multicast",
        "blackhole",
        "unreachable",
        "prohibit",
        "throw",
        "nat",
        "xresolve",
    ];
    named(&NAMES, number)
}

/// The name at `number`, else the number.
pub fn named(names: &[&str], number: u8) -> String {
    let name = names.get(usize::from(number));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// The names of the bits that are set; a bit without name is its value.
pub fn bits(names: &[(u32, &str)], set: u32) -> Vec<String> {
    let mut words: Vec<String> = names
        .iter()
        .filter(|(bit, _)| set & bit != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let known = names.iter().fold(0, |all, (bit, _)| all | bit);
    if set & !known != 0 {
        words.push(format!("{:#x}", set & !known));
    }
    words
}

/// IP protocols by number, where a name is usual.
pub fn ip_protocol(number: u8) -> String {
    let name = match number {
        1 => "icmp",
        2 => "igmp",
        4 => "ipencap",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        89 => "ospf",
        112 => "vrrp",
        132 => "sctp",
        136 => "udplite",
        _ => return number.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_name_numbers() {
        let mut names = Names::default();
        names.add("# c\n100 blue # x\n0x10\tred\nword\n7\n");
        assert_eq!(names.of(100), "blue");
        assert_eq!(names.of(16), "red");
        assert_eq!(names.of(7), "7");
    }

    #[test]
    fn unknown_bits_survive() {
        assert_eq!(bits(&[(1, "a"), (2, "b")], 0b101), ["a", "0x4"]);
    }
}
