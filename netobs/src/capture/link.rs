//! Kinds of links: what stands before the network header of a captured packet.

/// A link whose packets can be filtered and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    Ethernet,
    /// IP without a link-layer header: of either version, or of one.
    Raw,
    RawV4,
    RawV6,
    /// Linux's cooked headers, of captures of all interfaces.
    Sll,
    Sll2,
    /// BSD's loopback: the address family in the writer's byte order, or the network's.
    Null,
    Loop,
    /// Only inside of `PPPoE`.
    Ppp,
}

/// Numbers of links in files, with the name that tcpdump gives them and their description.
const LINKS: [(u16, LinkType, &str, &str); 10] = [
    (1, LinkType::Ethernet, "EN10MB", "Ethernet"),
    (101, LinkType::Raw, "RAW", "Raw IP"),
    (12, LinkType::Raw, "RAW", "Raw IP"),
    (14, LinkType::Raw, "RAW", "Raw IP"),
    (228, LinkType::RawV4, "IPV4", "Raw IPv4"),
    (229, LinkType::RawV6, "IPV6", "Raw IPv6"),
    (113, LinkType::Sll, "LINUX_SLL", "Linux cooked v1"),
    (276, LinkType::Sll2, "LINUX_SLL2", "Linux cooked v2"),
    (0, LinkType::Null, "NULL", "BSD loopback"),
    (108, LinkType::Loop, "LOOP", "OpenBSD loopback"),
];

impl LinkType {
    pub fn of(number: u16) -> Option<Self> {
        let known = LINKS.iter().find(|(n, ..)| *n == number);
        known.map(|(_, link, ..)| *link)
    }

    pub fn named(name: &str) -> Option<Self> {
        let known = LINKS
            .iter()
            .find(|(_, _, n, _)| n.eq_ignore_ascii_case(name));
        known.map(|(_, link, ..)| *link)
    }

    fn entry(self) -> Option<&'static (u16, Self, &'static str, &'static str)> {
        LINKS.iter().find(|(_, link, ..)| *link == self)
    }

    /// Its number in files (`LINKTYPE_`).
    pub fn number(self) -> u16 {
        self.entry().map_or(0, |(n, ..)| *n)
    }

    pub fn name(self) -> &'static str {
        self.entry().map_or("PPP", |(_, _, name, _)| name)
    }

    pub fn description(self) -> &'static str {
        self.entry().map_or("PPP", |(.., text)| text)
    }
}
