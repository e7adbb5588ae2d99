//! Drops that are normal life: by the kernel's reason, else by the function that let the packet go.

/// Reasons that are normal life, by their name in the kernel; shown with `--all` only.
pub const REASONS: &[&str] = &[
    // Freed by the function that drops, after it was used: nothing was lost.
    "SKB_NOT_DROPPED_YET",
    "SKB_CONSUMED",
    // What a process had not read when it closed its socket.
    "SKB_DROP_REASON_SOCKET_CLOSE",
    // A queue emptied because its owner goes away.
    "SKB_DROP_REASON_QUEUE_PURGE",
    // Messages between local processes, not of the network.
    "SKB_DROP_REASON_UNIX_DISCONNECT",
    "SKB_DROP_REASON_UNIX_SKIP_OOB",
    // Bytes that are already there: in the queue, read, or under a keepalive probe.
    "SKB_DROP_REASON_TCP_OFOMERGE",
    "SKB_DROP_REASON_TCP_OLD_DATA",
    "SKB_DROP_REASON_TCP_OLD_SEQUENCE",
    // The SYN's data was taken over by the new socket.
    "SKB_DROP_REASON_TCP_FASTOPEN",
    // Frames and solicitations for another host, which switches and multicast bring along.
    "SKB_DROP_REASON_OTHERHOST",
    "SKB_DROP_REASON_IPV6_NDISC_NS_OTHERHOST",
    // Frames of protocols this node does not speak (LLDP, STP ...).
    "SKB_DROP_REASON_UNHANDLED_PROTO",
];

/// Functions whose drops are normal life although the kernel gives no reason for them.
const PLACES: &[&str] = &[
    // Multicast of groups that nobody here has joined.
    "ip6_mc_input",
    // What a process had not read when it closed its socket, before `SOCKET_CLOSE` was a reason.
    "sk_stream_kill_queues",
];

/// Whether the place alone says so. `reason`: its name if it has one, `None` where the kernel gives no reasons.
pub fn by_place<'a>(reason: Option<Option<&str>>, place: impl FnOnce() -> Option<&'a str>) -> bool {
    if reason.is_some_and(|name| name != Some("NOT_SPECIFIED")) {
        return false;
    }
    let function = place().and_then(|place| place.split('+').next());
    function.is_some_and(|function| PLACES.contains(&function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_counts_where_no_reason_is_given() {
        let quiet = |reason, place| by_place(reason, || place);
        let multicast = Some("ip6_mc_input+0x15e");
        assert!(quiet(None, multicast));
        assert!(quiet(Some(Some("NOT_SPECIFIED")), multicast));
        assert!(!quiet(Some(Some("NETFILTER_DROP")), multicast));
        assert!(!quiet(Some(None), multicast));
        assert!(!quiet(None, Some("tcp_v4_rcv+0x91")));
        assert!(!quiet(None, Some("0xffffffff81000000")));
        assert!(!quiet(None, None));
    }
}
