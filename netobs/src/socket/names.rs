//! Names of tables and of the protocols of packet and netlink sockets, as iproute2's users know them.

use super::Table;

impl Table {
    /// ss's Netid; ping and UDP-Lite sockets, which ss does not show, have names of their own.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::UdpLite => "udpl",
            Self::Raw => "raw",
            Self::Ping => "ping",
            Self::Mptcp => "mptcp",
            Self::Sctp => "sctp",
            Self::Dccp => "dccp",
            Self::UnixStream => "u_str",
            Self::UnixDgram => "u_dgr",
            Self::UnixSeqpacket => "u_seq",
            Self::PacketRaw => "p_raw",
            Self::PacketDgram => "p_dgr",
            Self::Netlink => "nl",
            Self::VsockStream => "v_str",
            Self::VsockDgram => "v_dgr",
            Self::Tipc => "tipc",
            Self::Xdp => "xdp",
        }
    }
}

/// A table of inet sockets that has a protocol: its number to `inet_diag`, its name, and the protocol of its services.
type Protocol = (Table, u32, &'static str, Option<&'static str>);

const PROTOCOLS: [Protocol; 7] = [
    (Table::Tcp, 6, "tcp", Some("tcp")),
    (Table::Udp, 17, "udp", Some("udp")),
    (Table::UdpLite, 136, "udplite", Some("udp")),
    (Table::Raw, 255, "raw", None),
    (Table::Mptcp, 262, "mptcp", Some("tcp")),
    (Table::Sctp, 132, "sctp", Some("sctp")),
    (Table::Dccp, 33, "dccp", Some("dccp")),
];

impl Table {
    /// Number and name of the protocol, of tables that `inet_diag` knows.
    pub fn protocol(self) -> Option<(u32, &'static str)> {
        let (_, number, name, _) = self.entry()?;
        Some((*number, name))
    }

    /// In whose list of services its ports are looked up.
    pub fn service_protocol(self) -> Option<&'static str> {
        self.entry()?.3
    }

    fn entry(self) -> Option<&'static Protocol> {
        PROTOCOLS.iter().find(|(table, ..)| *table == self)
    }
}

/// Protocols of netlink sockets (`NETLINK_*` of linux/netlink.h).
pub const NETLINK_PROTOCOLS: [(u32, &str); 21] = [
    (0, "rtnl"),
    (1, "unused"),
    (2, "usersock"),
    (3, "fw"),
    (4, "tcpdiag"),
    (5, "nflog"),
    (6, "xfrm"),
    (7, "selinux"),
    (8, "iscsi"),
    (9, "audit"),
    (10, "fiblookup"),
    (11, "connector"),
    (12, "nft"),
    (13, "ip6fw"),
    (14, "dec-rt"),
    (15, "uevent"),
    (16, "genl"),
    (18, "scsi-trans"),
    (19, "ecryptfs"),
    (20, "rdma"),
    (21, "crypto"),
];

/// Ethernet protocols of packet sockets (`ETH_P_*`).
pub const LINK_PROTOCOLS: [(u32, &str); 52] = [
    (0x60, "loop"),
    (0x200, "pup"),
    (0x201, "pupat"),
    (0x800, "ip"),
    (0x805, "x25"),
    (0x806, "arp"),
    (0x8ff, "bpq"),
    (0xa00, "ieeepup"),
    (0xa01, "ieeepupat"),
    (0x6000, "dec"),
    (0x6001, "dna_dl"),
    (0x6002, "dna_rc"),
    (0x6003, "dna_rt"),
    (0x6004, "lat"),
    (0x6005, "diag"),
    (0x6006, "cust"),
    (0x6007, "sca"),
    (0x8035, "rarp"),
    (0x809b, "atalk"),
    (0x80f3, "aarp"),
    (0x8100, "802.1Q"),
    (0x8137, "ipx"),
    (0x86dd, "ipv6"),
    (0x8847, "mpls_uc"),
    (0x8848, "mpls_mc"),
    (0x884c, "atmmpoa"),
    (0x8863, "ppp_disc"),
    (0x8864, "ppp_ses"),
    (0x8884, "atmfate"),
    (0x8892, "profinet"),
    (0x88a2, "aoe"),
    (0x88a4, "ethercat"),
    (0x88a8, "802.1ad"),
    (0x88cc, "LLDP"),
    (0x88ca, "tipc"),
    (0x6558, "teb"),
    (1, "802_3"),
    (2, "ax25"),
    (3, "all"),
    (4, "802_2"),
    (5, "snap"),
    (6, "ddcmp"),
    (7, "wan_ppp"),
    (8, "ppp_mp"),
    (9, "localtalk"),
    (0xc, "can"),
    (0x10, "ppptalk"),
    (0x11, "tr_802_2"),
    (0x15, "mobitex"),
    (0x16, "control"),
    (0x17, "irda"),
    (0x18, "econet"),
];

/// The name of a number in one of these lists.
pub fn of(names: &[(u32, &'static str)], number: u32) -> Option<&'static str> {
    let found = names.iter().find(|(known, _)| *known == number);
    found.map(|(_, name)| *name)
}
