//! One JSON object per socket, with the keys of docs/ss.md.

use super::{Shown, tcp::padded};
use crate::{
    fields::Fields,
    socket::{Congestion, Family, Row, Table, TcpInfo},
    views::sockets::names::SocketNames,
};

/// Writes `shown` at the end of `buf`; `ts` is the time of the look.
pub fn write(buf: &mut Vec<u8>, ts: &[u8], shown: &Shown<'_>, names: &mut SocketNames, info: bool) {
    let row = shown.row;
    let mut fields = Fields::begin(buf);
    fields.bytes("ts", ts);
    fields.str("event", "socket");
    owner(&mut fields, shown);
    if row.is_inet() && row.ifindex == 0 {
        fields.null("ifname");
    } else if row.ifindex != 0 {
        fields.bytes("ifname", names.interface(row.netns, row.ifindex).as_bytes());
    }
    fields.str("proto", proto(row.table));
    fields.str("family", family(row.family));
    fields.str("state", row.state.name_in(row.table));
    ends(&mut fields, row);
    fields.num("recvq", u64::from(row.recvq));
    fields.num("sendq", u64::from(row.sendq));
    if let Some((used, allowed)) = row.backlog() {
        fields.num("backlog", u64::from(used));
        fields.opt("backlog_max", allowed.map(u64::from));
    }
    identity(&mut fields, row);
    if let Some(memory) = &row.memory {
        fields.num("rmem", u64::from(memory.rmem));
        fields.num("rcvbuf", u64::from(memory.rcvbuf));
        fields.num("wmem", u64::from(memory.wmem));
        fields.num("sndbuf", u64::from(memory.sndbuf));
        fields.num("wmem_queued", u64::from(memory.queued));
        fields.opt("drops", memory.drops.map(u64::from));
    }
    if info && let Some(tcp) = &row.tcp {
        transport(&mut fields, row, tcp);
    }
    change(&mut fields, shown);
    fields.end();
}

fn owner(fields: &mut Fields<'_>, shown: &Shown<'_>) {
    if let Some(holder) = shown.holders.first() {
        fields.num("pid", u64::from(holder.pid));
        fields.bytes("comm", holder.comm.bytes());
    } else {
        fields.null("pid");
        fields.null("comm");
    }
    let row = shown.row;
    fields.opt("uid", row.uid.map(u64::from));
    fields.opt("netns", (row.netns != 0).then_some(u64::from(row.netns)));
    let about = shown.about;
    fields.opt_str("cgroup", about.and_then(|about| about.cgroup.as_deref()));
    fields.opt_str(
        "container",
        about.and_then(|about| about.container.as_deref()),
    );
    fields.opt_str("pod", about.and_then(|about| about.pod.as_deref()));
    if shown.holders.len() > 1 {
        let pids: Vec<u32> = shown.holders.iter().map(|holder| holder.pid).collect();
        let fds: Vec<u32> = shown.holders.iter().map(|holder| holder.fd).collect();
        fields.value("pids", &pids);
        fields.value("fds", &fds);
    } else if let Some(holder) = shown.holders.first() {
        fields.num("fd", u64::from(holder.fd));
    }
}

fn proto(table: Table) -> &'static str {
    match table {
        Table::UdpLite => "udplite",
        Table::Ping => "icmp",
        Table::UnixStream => "unix_stream",
        Table::UnixDgram => "unix_dgram",
        Table::UnixSeqpacket => "unix_seqpacket",
        Table::PacketRaw => "packet_raw",
        Table::PacketDgram => "packet_dgram",
        Table::Netlink => "netlink",
        Table::VsockStream => "vsock_stream",
        Table::VsockDgram => "vsock_dgram",
        Table::Tcp
        | Table::Udp
        | Table::Raw
        | Table::Mptcp
        | Table::Sctp
        | Table::Dccp
        | Table::Tipc
        | Table::Xdp => table.name(),
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Inet => "ipv4",
        Family::Inet6 => "ipv6",
        Family::Unix => "unix",
        Family::Packet => "packet",
        Family::Netlink => "netlink",
        Family::Vsock => "vsock",
        Family::Tipc => "tipc",
        Family::Xdp => "xdp",
    }
}

fn ends(fields: &mut Fields<'_>, row: &Row) {
    match row.family {
        Family::Inet | Family::Inet6 => {
            let remote = row.remote.port != 0 || !row.remote.ip.is_unspecified();
            fields.ip("laddr", row.local.ip);
            fields.num("lport", u64::from(row.local.port));
            fields.opt_ip("raddr", remote.then_some(row.remote.ip));
            fields.opt("rport", remote.then_some(u64::from(row.remote.port)));
            if row.family == Family::Inet6
                && let Some(only) = row.v6only
            {
                fields.value("v6only", &only);
            }
        }
        Family::Unix => {
            let name = &row.unix.name;
            fields.opt_str("path", (!name.is_empty()).then(|| path(name)).as_deref());
            let peer = row.remote.port;
            fields.opt("peer_inode", (peer != 0).then_some(u64::from(peer)));
        }
        Family::Packet => fields.num("link_protocol", u64::from(row.packet.protocol)),
        Family::Netlink => {
            fields.num("netlink_protocol", u64::from(row.netlink.protocol));
            fields.num("portid", u64::from(row.local.port));
            fields.num("groups", u64::from(row.netlink.groups));
        }
        Family::Vsock => {
            fields.num("lcid", u64::from(row.vsock.0));
            fields.num("lport", u64::from(row.local.port));
            fields.num("rcid", u64::from(row.vsock.1));
            fields.num("rport", u64::from(row.remote.port));
        }
        Family::Tipc => {}
        Family::Xdp => fields.num("queue", u64::from(row.local.port)),
    }
}

/// An abstract name begins with `@`, as people write it.
fn path(name: &[u8]) -> String {
    let bytes: Vec<u8> = name
        .iter()
        .map(|b| if *b == 0 { b'@' } else { *b })
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

const TIMERS: [&str; 5] = ["off", "on", "keepalive", "timewait", "persist"];

fn identity(fields: &mut Fields<'_>, row: &Row) {
    fields.num("inode", u64::from(row.inode));
    fields.opt("cookie", row.cookie);
    if let Some(mark) = row.mark.filter(|mark| *mark != 0) {
        fields.num("mark", u64::from(mark));
    }
    if row.timer.kind != 0 {
        let name = TIMERS.get(usize::from(row.timer.kind));
        fields.str("timer", name.unwrap_or(&"unknown"));
        fields.num("timer_ms", u64::from(row.timer.expires_ms));
        fields.num("timer_retrans", u64::from(row.timer.retrans));
    }
}

fn transport(fields: &mut Fields<'_>, row: &Row, tcp: &TcpInfo) {
    let name = padded(&row.inet.congestion);
    if !name.is_empty() {
        fields.bytes("cong", name);
    }
    let known = |value: u32| (value != u32::MAX && value != 0).then_some(u64::from(value));
    let limited = |rate: u64| (rate != u64::MAX).then_some(rate);
    fields.opt("rtt_us", known(tcp.rtt_us));
    fields.opt("rttvar_us", known(tcp.rttvar_us));
    fields.opt("min_rtt_us", known(tcp.min_rtt_us));
    let rest = [
        ("rto_us", tcp.rto_us),
        ("snd_mss", tcp.snd_mss),
        ("pmtu", tcp.pmtu),
        ("cwnd", tcp.snd_cwnd),
        ("unacked", tcp.unacked),
        ("lost", tcp.lost),
        ("sacked", tcp.sacked),
        ("retrans", tcp.retrans),
        ("retrans_total", tcp.total_retrans),
        ("reordering", tcp.reordering),
        ("notsent_bytes", tcp.notsent_bytes),
        ("snd_wnd", tcp.snd_wnd),
        ("rcv_space", tcp.rcv_space),
        ("segs_out", tcp.segs_out),
        ("segs_in", tcp.segs_in),
        ("delivered", tcp.delivered),
        ("last_sent_ms", tcp.last_data_sent_ms),
        ("last_received_ms", tcp.last_data_recv_ms),
        ("backoff", u32::from(tcp.backoff)),
    ];
    fields.opt(
        "ssthresh",
        (tcp.snd_ssthresh < 0xffff).then_some(u64::from(tcp.snd_ssthresh)),
    );
    for (key, value) in rest {
        fields.num(key, u64::from(value));
    }
    fields.num("tx_bytes", tcp.bytes_sent);
    fields.num("tx_bytes_acked", tcp.bytes_acked);
    fields.num("tx_bytes_retrans", tcp.bytes_retrans);
    fields.num("rx_bytes", tcp.bytes_received);
    fields.opt("pacing_rate", limited(tcp.pacing_rate));
    fields.opt("max_pacing_rate", limited(tcp.max_pacing_rate));
    fields.num("delivery_rate", tcp.delivery_rate);
    fields.value("app_limited", &tcp.app_limited());
    fields.num("busy_us", tcp.busy_time_us);
    fields.num("rwnd_limited_us", tcp.rwnd_limited_us);
    fields.num("sndbuf_limited_us", tcp.sndbuf_limited_us);
    if let Congestion::Bbr { bandwidth, .. } = row.inet.congestion_info {
        fields.num("bbr_bandwidth", bandwidth);
    }
}

fn change(fields: &mut Fields<'_>, shown: &Shown<'_>) {
    let Some(change) = shown.change else {
        return;
    };
    fields.value("new", &change.new);
    if let Some(state) = change.old_state {
        fields.str("old_state", state.name());
    }
    for (key, rate) in [
        ("tx_bytes_per_s", change.tx_rate),
        ("rx_bytes_per_s", change.rx_rate),
    ] {
        if let Some(rate) = rate {
            fields.value(key, &rate);
        }
    }
    fields.opt("retrans_growth", change.retrans.map(u64::from));
}
