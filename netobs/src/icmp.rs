//! Words for ICMP errors of both families.

pub const ETH_P_IPV6: u16 = 0x86dd;
pub const REDIRECT6: u8 = 137;
pub const ECHO4: u8 = 8;
pub const ECHO6: u8 = 128;
pub const UNKNOWN: &str = "error";

/// Which of the two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// `AF_INET`, `AF_INET6`.
    pub const fn number(self) -> u16 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }
}

/// An error by its type and code (IANA's registries of ICMP and ICMPv6 parameters).
pub const fn what(family: Family, kind: u8, code: u8) -> &'static str {
    match family {
        Family::V4 => what4(kind, code),
        Family::V6 => what6(kind, code),
    }
}

const fn what4(kind: u8, code: u8) -> &'static str {
    match (kind, code) {
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "fragmentation needed",
        (3, 5) => "source route failed",
        (3, 6) => "network unknown",
        (3, 7) => "host unknown",
        (3, 8) => "source host isolated",
        (3, 9) => "network administratively prohibited",
        (3, 10) => "host administratively prohibited",
        (3, 11) => "network unreachable for type of service",
        (3, 12) => "host unreachable for type of service",
        (3, 13) => "administratively prohibited",
        (3, 14) => "host precedence violation",
        (3, 15) => "precedence cutoff in effect",
        (3, _) => "destination unreachable",
        (4, _) => "source quench",
        (5, 0) => "redirect for network",
        (5, 1) => "redirect for host",
        (5, 2) => "redirect for network and type of service",
        (5, 3) => "redirect for host and type of service",
        (5, _) => "redirect",
        (11, 0) => "time exceeded in transit",
        (11, 1) => "fragment reassembly time exceeded",
        (11, _) => "time exceeded",
        (12, 1) => "required option missing",
        (12, 2) => "bad length",
        (12, _) => "parameter problem",
        _ => UNKNOWN,
    }
}

const fn what6(kind: u8, code: u8) -> &'static str {
    match (kind, code) {
        (1, 0) => "no route",
        (1, 1) => "administratively prohibited",
        (1, 2) => "beyond scope of source address",
        (1, 3) => "address unreachable",
        (1, 4) => "port unreachable",
        (1, 5) => "source address failed policy",
        (1, 6) => "reject route",
        (1, 7) => "error in source routing header",
        (1, _) => "destination unreachable",
        (2, _) => "packet too big",
        (3, 0) => "time exceeded in transit",
        (3, 1) => "fragment reassembly time exceeded",
        (3, _) => "time exceeded",
        (4, 0) => "erroneous header field",
        (4, 1) => "unknown next header",
        (4, 2) => "unknown option",
        (4, _) => "parameter problem",
        (REDIRECT6, _) => "redirect",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_words() {
        for (family, kind, code, want) in [
            (Family::V4, 3, 3, "port unreachable"),
            (Family::V4, 3, 4, "fragmentation needed"),
            (Family::V4, 3, 99, "destination unreachable"),
            (Family::V4, 11, 0, "time exceeded in transit"),
            (Family::V6, 1, 4, "port unreachable"),
            (Family::V6, 2, 0, "packet too big"),
            (Family::V6, 3, 1, "fragment reassembly time exceeded"),
            (Family::V6, 99, 0, UNKNOWN),
        ] {
            assert_eq!(what(family, kind, code), want);
        }
    }
}
