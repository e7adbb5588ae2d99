//! Fields of packet headers by protocol, offset and length, in bits.

use super::data::{Kind, Names, Style};

/// A field: offset and length in bits, name, kind.
pub type Field = (u32, u32, &'static str, Kind);

pub const ETHER: &[Field] = &[
    (0, 48, "ether daddr", Kind::Mac),
    (48, 48, "ether saddr", Kind::Mac),
    (96, 16, "ether type", Kind::EtherType),
];

/// Behind an ethernet header whose type is 802.1Q.
pub const VLAN: &[Field] = &[
    (112, 3, "vlan pcp", Kind::Big),
    (115, 1, "vlan dei", Kind::Big),
    (116, 12, "vlan id", Kind::Big),
    (128, 16, "vlan type", Kind::EtherType),
];

pub const IP: &[Field] = &[
    (0, 4, "ip version", Kind::Big),
    (4, 4, "ip hdrlength", Kind::Big),
    (8, 6, "ip dscp", Kind::Names(&DSCP)),
    (14, 2, "ip ecn", Kind::Names(&ECN)),
    (16, 16, "ip length", Kind::Big),
    (32, 16, "ip id", Kind::Big),
    (48, 16, "ip frag-off", Kind::Big),
    (64, 8, "ip ttl", Kind::Big),
    (72, 8, "ip protocol", Kind::Protocol),
    (80, 16, "ip checksum", Kind::Big),
    (96, 32, "ip saddr", Kind::Address),
    (128, 32, "ip daddr", Kind::Address),
];

pub const IP6: &[Field] = &[
    (0, 4, "ip6 version", Kind::Big),
    (4, 6, "ip6 dscp", Kind::Names(&DSCP)),
    (10, 2, "ip6 ecn", Kind::Names(&ECN)),
    (12, 20, "ip6 flowlabel", Kind::Big),
    (32, 16, "ip6 length", Kind::Big),
    (48, 8, "ip6 nexthdr", Kind::Protocol),
    (56, 8, "ip6 hoplimit", Kind::Big),
    (64, 128, "ip6 saddr", Kind::Address),
    (192, 128, "ip6 daddr", Kind::Address),
];

pub const ARP: &[Field] = &[
    (0, 16, "arp htype", Kind::Big),
    (16, 16, "arp ptype", Kind::EtherType),
    (32, 8, "arp hlen", Kind::Big),
    (40, 8, "arp plen", Kind::Big),
    (48, 16, "arp operation", Kind::Names(&ARP_OP)),
    (64, 48, "arp saddr ether", Kind::Mac),
    (112, 32, "arp saddr ip", Kind::Address),
    (144, 48, "arp daddr ether", Kind::Mac),
    (192, 32, "arp daddr ip", Kind::Address),
];

/// Any transport protocol.
pub const TH: &[Field] = &[
    (0, 16, "th sport", Kind::Port),
    (16, 16, "th dport", Kind::Port),
];

const TCP: &[Field] = &[
    (0, 16, "tcp sport", Kind::Port),
    (16, 16, "tcp dport", Kind::Port),
    (32, 32, "tcp sequence", Kind::Big),
    (64, 32, "tcp ackseq", Kind::Big),
    (96, 4, "tcp doff", Kind::Big),
    (100, 4, "tcp reserved", Kind::Big),
    (104, 8, "tcp flags", Kind::Names(&TCP_FLAGS)),
    (112, 16, "tcp window", Kind::Big),
    (128, 16, "tcp checksum", Kind::Big),
    (144, 16, "tcp urgptr", Kind::Big),
];

const UDP: &[Field] = &[
    (0, 16, "udp sport", Kind::Port),
    (16, 16, "udp dport", Kind::Port),
    (32, 16, "udp length", Kind::Big),
    (48, 16, "udp checksum", Kind::Big),
];

const UDPLITE: &[Field] = &[
    (0, 16, "udplite sport", Kind::Port),
    (16, 16, "udplite dport", Kind::Port),
    (48, 16, "udplite checksum", Kind::Big),
];

const SCTP: &[Field] = &[
    (0, 16, "sctp sport", Kind::Port),
    (16, 16, "sctp dport", Kind::Port),
    (32, 32, "sctp vtag", Kind::Big),
    (64, 32, "sctp checksum", Kind::Big),
];

const DCCP: &[Field] = &[
    (0, 16, "dccp sport", Kind::Port),
    (16, 16, "dccp dport", Kind::Port),
    (67, 4, "dccp type", Kind::Big),
];

const ICMP: &[Field] = &[
    (0, 8, "icmp type", Kind::Names(&ICMP_TYPE)),
    (8, 8, "icmp code", Kind::Names(&ICMP_CODE)),
    (16, 16, "icmp checksum", Kind::Big),
    (32, 16, "icmp id", Kind::Big),
    (48, 16, "icmp sequence", Kind::Big),
    (32, 32, "icmp gateway", Kind::Big),
];

const ICMP6: &[Field] = &[
    (0, 8, "icmpv6 type", Kind::Names(&ICMP6_TYPE)),
    (8, 8, "icmpv6 code", Kind::Names(&ICMP6_CODE)),
    (16, 16, "icmpv6 checksum", Kind::Big),
    (32, 16, "icmpv6 id", Kind::Big),
    (48, 16, "icmpv6 sequence", Kind::Big),
    (32, 32, "icmpv6 mtu", Kind::Big),
];

const IGMP: &[Field] = &[
    (0, 8, "igmp type", Kind::Names(&IGMP_TYPE)),
    (16, 16, "igmp checksum", Kind::Big),
    (32, 32, "igmp group", Kind::Address),
];

const AH: &[Field] = &[
    (0, 8, "ah nexthdr", Kind::Protocol),
    (8, 8, "ah hdrlength", Kind::Big),
    (32, 32, "ah spi", Kind::Big),
    (64, 32, "ah sequence", Kind::Big),
];

const ESP: &[Field] = &[
    (0, 32, "esp spi", Kind::Big),
    (32, 32, "esp sequence", Kind::Big),
];

/// The header behind the network header, by protocol number.
pub fn transport(protocol: Option<u8>) -> &'static [Field] {
    match protocol {
        Some(1) => ICMP,
        Some(2) => IGMP,
        Some(6) => TCP,
        Some(17) => UDP,
        Some(33) => DCCP,
        Some(50) => ESP,
        Some(51) => AH,
        Some(58) => ICMP6,
        Some(132) => SCTP,
        Some(136) => UDPLITE,
        _ => TH,
    }
}

const fn hexadecimal(names: &'static [(u64, &'static str)]) -> Names {
    Names {
        style: Style::Hex,
        ..values(names)
    }
}

const fn values(names: &'static [(u64, &'static str)]) -> Names {
    Names {
        style: Style::Plain,
        host: false,
        table: names,
    }
}

static DSCP: Names = hexadecimal(&[
    (0x00, "cs0"),
    (0x08, "cs1"),
    (0x10, "cs2"),
    (0x18, "cs3"),
    (0x20, "cs4"),
    (0x28, "cs5"),
    (0x30, "cs6"),
    (0x38, "cs7"),
    (0x01, "lephb"),
    (0x0a, "af11"),
    (0x0c, "af12"),
    (0x0e, "af13"),
    (0x12, "af21"),
    (0x14, "af22"),
    (0x16, "af23"),
    (0x1a, "af31"),
    (0x1c, "af32"),
    (0x1e, "af33"),
    (0x22, "af41"),
    (0x24, "af42"),
    (0x26, "af43"),
    (0x2c, "va"),
    (0x2e, "ef"),
]);

static ECN: Names = values(&[(0, "not-ect"), (1, "ect1"), (2, "ect0"), (3, "ce")]);

static ARP_OP: Names = values(&[
    (1, "request"),
    (2, "reply"),
    (3, "rrequest"),
    (4, "rreply"),
    (8, "inrequest"),
    (9, "inreply"),
    (10, "nak"),
]);

pub static TCP_FLAGS: Names = Names {
    style: Style::Bits,
    host: false,
    table: &[
        (1, "fin"),
        (2, "syn"),
        (4, "rst"),
        (8, "psh"),
        (16, "ack"),
        (32, "urg"),
        (64, "ecn"),
        (128, "cwr"),
    ],
};

static ICMP_TYPE: Names = values(&[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (15, "info-request"),
    (16, "info-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
]);

pub static ICMP_CODE: Names = values(&[
    (0, "net-unreachable"),
    (1, "host-unreachable"),
    (2, "prot-unreachable"),
    (3, "port-unreachable"),
    (4, "frag-needed"),
    (9, "net-prohibited"),
    (10, "host-prohibited"),
    (13, "admin-prohibited"),
]);

static ICMP6_TYPE: Names = values(&[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (138, "router-renumbering"),
    (141, "ind-neighbor-solicit"),
    (142, "ind-neighbor-advert"),
    (143, "mld2-listener-report"),
]);

pub static ICMP6_CODE: Names = values(&[
    (0, "no-route"),
    (1, "admin-prohibited"),
    (3, "addr-unreachable"),
    (4, "port-unreachable"),
    (5, "policy-fail"),
    (6, "reject-route"),
]);

static IGMP_TYPE: Names = values(&[
    (0x11, "membership-query"),
    (0x12, "membership-report-v1"),
    (0x16, "membership-report-v2"),
    (0x22, "membership-report-v3"),
    (0x17, "leave-group"),
]);
