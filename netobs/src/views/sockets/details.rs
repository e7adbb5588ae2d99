//! What stands behind the addresses: processes, timer, identity, memory, options, rings.

use super::{Options, Shown, figures, names::SocketNames};
use crate::{
    line::Line,
    socket::{Family, Holder, Memory, Packet, Row},
};

/// ` users:(("sshd",pid=1,fd=3))`.
pub fn holders(
    line: &mut Line,
    holders: &[Holder],
    threads: bool,
    context: &dyn Fn(u32) -> Option<String>,
) {
    for (place, holder) in holders.iter().enumerate() {
        line.raw(if place == 0 { b" users:((\"" } else { b",(\"" });
        line.escaped(holder.comm.bytes());
        line.raw(b"\",pid=").number(u64::from(holder.pid));
        if threads {
            line.raw(b",tid=").number(u64::from(holder.tid));
        }
        if let Some(context) = context(holder.pid) {
            line.raw(b",proc_ctx=").escaped(context.as_bytes());
        }
        line.raw(b",fd=").number(u64::from(holder.fd)).raw(b")");
    }
    if !holders.is_empty() {
        line.raw(b")");
    }
}

/// ` timer:(keepalive,59min,0)`.
pub fn timer(line: &mut Line, row: &Row) {
    const NAMES: [&str; 6] = ["off", "on", "keepalive", "timewait", "persist", "unknown"];
    if row.timer.kind == 0 {
        return;
    }
    let name = NAMES[usize::from(row.timer.kind.min(5))];
    line.raw(b" timer:(").raw(name.as_bytes()).raw(b",");
    figures::timer(line, row.timer.expires_ms);
    line.raw(b",")
        .number(u64::from(row.timer.retrans))
        .raw(b")");
}

/// `-e`: user, inode, cookie, mark, cgroup.
pub fn identity(line: &mut Line, shown: &Shown<'_>) {
    let row = shown.row;
    if row.family == Family::Unix {
        unix_identity(line, row);
        return;
    }
    if row.family == Family::Netlink {
        line.raw(b" sk=");
        figures::hex(line, row.sk);
        line.raw(b" cb=");
        figures::hex(line, row.netlink.callback);
        line.raw(format!(" groups=0x{:08x}", row.netlink.groups).as_bytes());
        return;
    }
    if let Some(uid) = row.uid.filter(|uid| *uid != 0) {
        line.raw(b" uid:").number(u64::from(uid));
    }
    line.raw(b" ino:").number(u64::from(row.inode)).raw(b" sk:");
    figures::hex(line, row.cookie.unwrap_or(row.sk));
    if let Some(mark) = row.mark.filter(|mark| *mark != 0) {
        line.raw(b" fwmark:").hex(u64::from(mark));
    }
    cgroup(line, shown);
    if row.family == Family::Inet6
        && let Some(only) = row.v6only
    {
        line.raw(b" v6only:").number(u64::from(only));
    }
    shutdown(line, row);
}

fn shutdown(line: &mut Line, row: &Row) {
    if let Some(mask) = row.inet.shutdown {
        line.raw(if mask & 1 == 0 { b" <" } else { b" -" });
        line.raw(if mask & 2 == 0 { b"->" } else { b"--" });
    }
}

fn unix_identity(line: &mut Line, row: &Row) {
    shutdown(line, row);
    if let Some((inode, device)) = row.unix.vfs {
        line.raw(b" ino:").number(u64::from(inode));
        // The kernel's 32 bit device number: 12 bits of major, 20 of minor.
        line.raw(b" dev:").number(u64::from(device >> 20));
        line.raw(b"/").number(u64::from(device & 0xf_ffff));
    }
    if row.unix.waiting_known {
        line.raw(b" peers:");
        for inode in &row.unix.waiting {
            line.raw(b" ").number(u64::from(*inode));
        }
    }
}

/// ` cgroup:/path`, or the number of one that is gone.
pub fn cgroup(line: &mut Line, shown: &Shown<'_>) {
    let Some(id) = shown.row.cgroup.filter(|id| *id != 0) else {
        return;
    };
    line.raw(b" cgroup:");
    if let Some(path) = shown.about.and_then(|about| about.cgroup.as_deref()) {
        line.escaped(path.as_bytes());
    } else {
        line.raw(b"unreachable:");
        figures::hex(line, id);
    }
}

/// `--tos`.
pub fn tos(line: &mut Line, row: &Row) {
    let inet = &row.inet;
    let parts = [
        (" tos:", inet.tos.map(u64::from)),
        (" tclass:", inet.tclass.map(u64::from)),
        (" class_id:", inet.class_id.map(u64::from)),
    ];
    for (name, value) in parts {
        match value {
            Some(0) => _ = line.raw(name.as_bytes()).raw(b"0"), // as %#x has it
            Some(value) => _ = line.raw(name.as_bytes()).hex(value),
            None => {}
        }
    }
}

/// `--inet-sockopt`, from the two bytes of `struct inet_diag_sockopt`.
pub fn sockopt(line: &mut Line, row: &Row) {
    const NAMES: [&str; 11] = [
        "recverr",
        "is_icsk",
        "freebind",
        "hdrincl",
        "mc_loop",
        "transparent",
        "mc_all",
        "nodefrag",
        "bind_addr_no_port",
        "recverr_rfc4884",
        "defer_connect",
    ];
    let Some(bytes) = row.inet.sockopt else {
        return;
    };
    let bits = u16::from_le_bytes(bytes);
    line.raw(b" inet-sockopt: (");
    for (_, name) in NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits & 1 << bit != 0)
    {
        line.word(name);
    }
    line.raw(b")");
}

/// `-m`.
pub fn memory(line: &mut Line, row: &Row) {
    let Some(memory) = &row.memory else {
        if let Some([r, w, f, t]) = row.old_memory {
            line.raw(format!(" mem:(r{r},w{w},f{f},t{t})").as_bytes());
        }
        return;
    };
    let Memory {
        rmem,
        rcvbuf,
        wmem,
        sndbuf,
        forward,
        queued,
        optmem,
        backlog,
        drops,
    } = *memory;
    line.raw(b" skmem:(");
    let always = [
        ("r", rmem),
        (",rb", rcvbuf),
        (",t", wmem),
        (",tb", sndbuf),
        (",f", forward),
        (",w", queued),
        (",o", optmem),
    ];
    for (name, value) in always {
        line.raw(name.as_bytes()).number(u64::from(value));
    }
    for (name, value) in [(",bl", backlog), (",d", drops)] {
        if let Some(value) = value {
            line.raw(name.as_bytes()).number(u64::from(value));
        }
    }
    line.raw(b")");
}

/// What `-e` and `-b` tell of packet sockets.
pub fn packet(line: &mut Line, row: &Row, options: &Options) {
    let packet = &row.packet;
    let begin: &[u8] = if options.oneline { b" " } else { b"\n\t" };
    if options.details && packet.info_known {
        packet_state(line, packet, begin);
    }
    if options.bpf && !packet.filter.is_empty() {
        let text = format!("bpf filter ({}): ", packet.filter.len());
        line.raw(begin).raw(text.as_bytes());
        for [code, jt, jf, k] in &packet.filter {
            line.raw(format!(" 0x{code:02x} {jt} {jf} {k},").as_bytes());
        }
    }
}

fn packet_state(line: &mut Line, packet: &Packet, begin: &[u8]) {
    const FLAGS: [&str; 5] = ["running", " auxdata", " origdev", " vnethdr", " loss"];
    const FANOUTS: [&str; 6] = ["hash", "lb", "cpu", "roll", "random", "qm"];
    let text = format!(
        "ver:{} cpy_thresh:{} flags( ",
        packet.version, packet.copy_threshold
    );
    line.raw(begin).raw(text.as_bytes());
    for (bit, name) in FLAGS.iter().enumerate() {
        if packet.flags & 1 << bit != 0 {
            line.raw(name.as_bytes());
        }
    }
    line.raw(if packet.flags == 0 { b"0 )" } else { b" )" });
    for (name, ring) in [("ring_rx(", packet.rx_ring), ("ring_tx(", packet.tx_ring)] {
        if let Some([size, blocks, frame, frames, timeout, features]) = ring {
            let text = format!(
                "blk_size:{size},blk_nr:{blocks},frm_size:{frame},frm_nr:{frames},tmo:{timeout},features:0x{features:x})"
            );
            line.raw(begin).raw(name.as_bytes()).raw(text.as_bytes());
        }
    }
    if let Some(fanout) = packet.fanout {
        let (id, kind) = (fanout & 0xffff, fanout >> 16);
        let known = usize::try_from(kind)
            .ok()
            .and_then(|kind| FANOUTS.get(kind));
        let kind = known.map_or_else(|| format!("0x{kind:x}"), |name| (*name).to_owned());
        let text = format!("fanout(id:{id},type:{kind})");
        line.raw(begin).raw(text.as_bytes());
    }
}

/// What ss does not know: namespace, container, pod, user.
pub fn beyond(line: &mut Line, shown: &Shown<'_>, options: &Options, names: &mut SocketNames) {
    let mut text = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            line.raw(b" ")
                .raw(name.as_bytes())
                .raw(b":")
                .escaped(value.as_bytes());
        }
    };
    if options.netns {
        let number = shown.row.netns.to_string();
        text("netns", Some(shown.netns.unwrap_or(&number)));
    }
    if options.container {
        text(
            "container",
            shown.about.and_then(|about| about.container.as_deref()),
        );
    }
    if options.pod {
        text("pod", shown.about.and_then(|about| about.pod.as_deref()));
    }
    if options.user
        && let Some(uid) = shown.row.uid
    {
        text("user", Some(names.users.name(uid)));
    }
    if options.command {
        for holder in shown.holders {
            text("cmd", names.users.command(holder.pid));
        }
    }
}
