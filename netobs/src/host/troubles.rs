//! Counters that mean trouble, and what in a few words.

/// What a counter's growth means, if it is a sign of trouble.
pub fn meaning(name: &str) -> Option<&'static str> {
    TROUBLES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, what)| *what)
}

const TROUBLES: &[(&str, &str)] = &[
    // TCP: packets lost on the way.
    (
        "TcpRetransSegs",
        "segments sent again: loss or delay on the path",
    ),
    (
        "TcpExtTCPTimeouts",
        "retransmission timers ran out: the peer went silent",
    ),
    ("TcpExtTCPLostRetransmit", "a retransmission was lost again"),
    (
        "TcpExtTCPSynRetrans",
        "SYNs sent again: a server or path does not answer",
    ),
    (
        "TcpExtTCPSlowStartRetrans",
        "loss while a connection was starting up",
    ),
    (
        "TcpExtTCPSpuriousRTOs",
        "timers ran out too early: the path's delay jumps",
    ),
    (
        "TcpExtTCPRetransFail",
        "retransmissions that could not be sent locally",
    ),
    // TCP: connections that fail.
    ("TcpAttemptFails", "connections that never came to stand"),
    ("TcpEstabResets", "established connections ended by a reset"),
    (
        "TcpOutRsts",
        "resets sent: closed ports, or data for dead sockets",
    ),
    ("TcpInErrs", "bad segments received"),
    (
        "TcpInCsumErrors",
        "segments with a wrong checksum: hardware or offload trouble",
    ),
    (
        "TcpExtTCPAbortOnTimeout",
        "connections given up: the peer stopped answering",
    ),
    (
        "TcpExtTCPAbortOnData",
        "closed with unread data: the peer was reset",
    ),
    (
        "TcpExtTCPAbortOnClose",
        "closed with data still coming in: the peer was reset",
    ),
    (
        "TcpExtTCPAbortOnMemory",
        "connections killed for want of TCP memory or too many orphans",
    ),
    ("TcpExtTCPAbortOnLinger", "orphaned connections given up"),
    (
        "TcpExtTCPAbortFailed",
        "a reset could not be sent for want of memory",
    ),
    // TCP: listeners that do not keep up.
    (
        "TcpExtListenOverflows",
        "accept queue full: the server accepts too slowly",
    ),
    (
        "TcpExtListenDrops",
        "connection requests dropped at a listener",
    ),
    ("TcpExtTCPReqQFullDrop", "SYN queue full, request dropped"),
    (
        "TcpExtTCPReqQFullDoCookies",
        "SYN queue full, answered with cookies",
    ),
    (
        "TcpExtSyncookiesSent",
        "SYN cookies sent: a SYN queue was full",
    ),
    ("TcpExtSyncookiesFailed", "cookies that came back wrong"),
    (
        "TcpExtTCPDeferAcceptDrop",
        "handshakes dropped while accept was deferred",
    ),
    (
        "TcpExtTCPFastOpenListenOverflow",
        "too many pending Fast Open requests",
    ),
    // TCP: memory and queues.
    (
        "TcpExtTCPMemoryPressures",
        "TCP as a whole ran short of memory (tcp_mem)",
    ),
    (
        "TcpExtTCPBacklogDrop",
        "dropped: the socket was busy and its backlog full",
    ),
    ("TcpExtTCPRcvQDrop", "dropped: the receive queue was full"),
    (
        "TcpExtPruneCalled",
        "receive buffer overrun: the application reads too slowly",
    ),
    ("TcpExtRcvPruned", "data thrown away: receive buffer full"),
    (
        "TcpExtOfoPruned",
        "out-of-order data thrown away: receive buffer full",
    ),
    (
        "TcpExtTCPRcvCollapsed",
        "segments squeezed together: receive buffer nearly full",
    ),
    ("TcpExtTCPOFODrop", "out-of-order segments dropped"),
    (
        "TcpExtTCPZeroWindowDrop",
        "dropped: the receive window was closed",
    ),
    (
        "TcpExtTCPToZeroWindowAdv",
        "receive windows closed: the application reads too slowly",
    ),
    (
        "TcpExtTCPMinTTLDrop",
        "dropped: TTL below the socket's minimum",
    ),
    (
        "TcpExtTCPTimeWaitOverflow",
        "too many sockets in TIME_WAIT (tcp_max_tw_buckets)",
    ),
    ("TcpExtPAWSEstab", "old timestamps: segments dropped"),
    ("TcpExtPAWSActive", "old timestamps in handshakes"),
    ("TcpExtTCPMD5Failure", "wrong MD5 signature"),
    ("TcpExtTCPAOBad", "wrong TCP-AO signature"),
    (
        "TcpExtOutOfWindowIcmps",
        "ICMP errors for segments never sent: an attack, or a confused path",
    ),
    (
        "TcpExtLockDroppedIcmps",
        "ICMP errors dropped: the socket was busy",
    ),
    ("TcpExtTCPSackRecovery", "loss found by SACK and repaired"),
    ("TcpExtTCPLossFailures", "loss recovery failed"),
    ("TcpExtTCPSackFailures", "SACK recovery failed"),
    (
        "TcpExtTCPDSACKRecv",
        "segments sent again for nothing: the peer had them",
    ),
    // UDP.
    ("UdpNoPorts", "datagrams for closed ports"),
    ("UdpInErrors", "datagrams not delivered"),
    (
        "UdpRcvbufErrors",
        "receive buffer full: the application reads too slowly",
    ),
    ("UdpSndbufErrors", "send buffer full, or no memory"),
    ("UdpInCsumErrors", "datagrams with a wrong checksum"),
    (
        "UdpMemErrors",
        "UDP as a whole ran short of memory (udp_mem)",
    ),
    ("Udp6NoPorts", "datagrams for closed ports, IPv6"),
    ("Udp6InErrors", "datagrams not delivered, IPv6"),
    (
        "Udp6RcvbufErrors",
        "receive buffer full, IPv6: the application reads too slowly",
    ),
    ("Udp6SndbufErrors", "send buffer full, or no memory, IPv6"),
    ("Udp6InCsumErrors", "datagrams with a wrong checksum, IPv6"),
    (
        "Udp6MemErrors",
        "UDP over IPv6 ran short of memory (udp_mem)",
    ),
    // IP.
    ("IpInHdrErrors", "bad IP headers received, or TTL used up"),
    ("IpInAddrErrors", "packets for nobody here"),
    (
        "IpInUnknownProtos",
        "packets of a protocol nobody speaks here",
    ),
    (
        "IpInDiscards",
        "packets dropped on the way in for want of room",
    ),
    (
        "IpOutDiscards",
        "packets dropped on the way out: a firewall, or no room",
    ),
    ("IpOutNoRoutes", "packets without a route"),
    ("IpReasmFails", "fragments that did not come together"),
    (
        "IpReasmTimeout",
        "fragments whose rest did not come in time",
    ),
    (
        "IpFragFails",
        "packets too large that must not be fragmented",
    ),
    (
        "IpExtInNoRoutes",
        "packets received for which no route exists",
    ),
    ("IpExtInTruncatedPkts", "packets cut short"),
    ("IpExtInCsumErrors", "IP headers with a wrong checksum"),
    (
        "IpExtReasmOverlaps",
        "overlapping fragments: an attack, or a bug",
    ),
    (
        "Ip6InHdrErrors",
        "bad IPv6 headers received, or hop limit used up",
    ),
    ("Ip6InTooBigErrors", "IPv6 packets too big to forward"),
    ("Ip6InNoRoutes", "IPv6 packets received without a route"),
    ("Ip6InAddrErrors", "IPv6 packets for nobody here"),
    ("Ip6InDiscards", "IPv6 packets dropped on the way in"),
    ("Ip6OutDiscards", "IPv6 packets dropped on the way out"),
    ("Ip6OutNoRoutes", "IPv6 packets without a route"),
    ("Ip6ReasmFails", "IPv6 fragments that did not come together"),
    (
        "Ip6ReasmTimeout",
        "IPv6 fragments whose rest did not come in time",
    ),
    ("Ip6FragFails", "IPv6 packets that could not be fragmented"),
    // ICMP.
    ("IcmpInErrors", "bad ICMP messages received"),
    ("IcmpInCsumErrors", "ICMP messages with a wrong checksum"),
    (
        "IcmpInDestUnreachs",
        "somebody told us: destination unreachable",
    ),
    (
        "IcmpInTimeExcds",
        "somebody told us: TTL used up on the way",
    ),
    ("IcmpInParmProbs", "somebody told us: bad IP header"),
    ("IcmpOutErrors", "ICMP messages that could not be sent"),
    (
        "IcmpOutDestUnreachs",
        "we told somebody: destination unreachable",
    ),
    (
        "IcmpOutRateLimitGlobal",
        "ICMP answers held back by the global limit",
    ),
    (
        "IcmpOutRateLimitHost",
        "ICMP answers held back by the limit per host",
    ),
    ("Icmp6InErrors", "bad ICMPv6 messages received"),
    ("Icmp6InCsumErrors", "ICMPv6 messages with a wrong checksum"),
    (
        "Icmp6InDestUnreachs",
        "somebody told us: IPv6 destination unreachable",
    ),
    ("Icmp6InPktTooBigs", "somebody told us: IPv6 packet too big"),
    (
        "Icmp6InTimeExcds",
        "somebody told us: hop limit used up on the way",
    ),
    ("Icmp6OutErrors", "ICMPv6 messages that could not be sent"),
    (
        "Icmp6OutDestUnreachs",
        "we told somebody: IPv6 destination unreachable",
    ),
    (
        "Icmp6OutRateLimitHost",
        "ICMPv6 answers held back by the limit per host",
    ),
    // MPTCP.
    ("MPTcpExtMPCapableFallbackACK", "MPTCP fell back to TCP"),
    (
        "MPTcpExtMPCapableFallbackSYNACK",
        "MPTCP fell back to TCP: the peer does not speak it",
    ),
    ("MPTcpExtDataCsumErr", "MPTCP data with a wrong checksum"),
    (
        "MPTcpExtRcvPruned",
        "MPTCP data thrown away: receive buffer full",
    ),
];
