//! Drops that are normal life: by the kernel's reason, else by the function that let the packet go.

use std::net::IpAddr;

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
    // What `ip route get` asks with is no packet of the network.
    "inet_rtm_getroute",
    "inet6_rtm_getroute",
];

/// Where IPv4 lets go of multicast of groups that nobody here has joined, and of what it has no route for.
const MULTICAST4: &str = "ip_rcv_finish_core";

/// Whether the place says so, for a packet to `destination`. `reason`: its name if it has one, `None` where the kernel
/// gives no reasons.
pub fn by_place<'a>(
    reason: Option<Option<&str>>,
    place: impl FnOnce() -> Option<&'a str>,
    destination: Option<IpAddr>,
) -> bool {
    if reason.is_some_and(|name| name != Some("NOT_SPECIFIED")) {
        return false;
    }
    // The compiler's copies of a function are named `function.constprop.0`.
    let function = place().and_then(|place| place.split(['+', '.']).next());
    if function == Some(MULTICAST4) {
        return reason.is_some() && destination.is_some_and(|ip| ip.is_multicast());
    }
    function.is_some_and(|name| PLACES.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_counts_where_no_reason_is_given() {
        let multicast = Some("ip6_mc_input+0x15e");
        let told = |reason, place| !by_place(reason, || place, None);
        assert!(!told(None, multicast));
        assert!(!told(Some(Some("NOT_SPECIFIED")), multicast));
        assert!(told(Some(Some("NETFILTER_DROP")), multicast));
        assert!(told(Some(None), multicast));
        assert!(told(None, Some("tcp_v4_rcv+0x91")));
        assert!(told(None, Some("0xffffffff81000000")));
        assert!(told(None, None));
    }

    #[test]
    fn multicast_that_nobody_joined() {
        let quiet = |reason, place, destination| by_place(reason, || place, destination);
        let place = Some("ip_rcv_finish_core.constprop.0+0x25b");
        let group = Some(IpAddr::from([224, 0, 0, 22]));
        let unspecified = Some(Some("NOT_SPECIFIED"));
        assert!(quiet(unspecified, place, group));
        // The same place drops for other reasons, which kernels without reasons do not tell apart.
        assert!(!quiet(None, place, group));
        assert!(!quiet(Some(Some("IP_RPFILTER")), place, group));
        assert!(!quiet(
            unspecified,
            place,
            Some(IpAddr::from([10, 0, 0, 1]))
        ));
        assert!(!quiet(unspecified, place, None));
    }
}
