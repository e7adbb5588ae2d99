//! Connections made, accepted, refused and ended; who ended them, and how.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Part, Rung, part},
    event::Ends,
    fields::Fields,
    line::Line,
    names::{Names, errno_name},
};
use netobs_ebpf::{
    event::Kind,
    hook,
    lifecycle::event::{self as raw, VIA_SYSCALL},
};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "lifecycle",
    about: "connections made, accepted, refused and ended",
    kinds: &[
        Kind::Connect,
        Kind::Accept,
        Kind::Close,
        Kind::ConnectFailed,
    ],
    hooks,
    decode,
};

/// The owner of every socket is learned here, so this hook is wanted by all events.
const STATE: Hook = Hook {
    number: hook::LIFECYCLE,
    name: "sock-state",
    ladder: &[
        &[part(Rung::TpBtf, "lifecycle_tp_btf", "inet_sock_set_state")],
        &[part(Rung::RawTp, "lifecycle_raw_tp", "inet_sock_set_state")],
        &[
            part(Rung::Fentry, "lifecycle_fentry", "tcp_set_state"),
            part(Rung::Fentry, "listen_fentry", "inet_csk_listen_start"),
            part(Rung::Fexit, "child_fexit", "inet_csk_clone_lock"),
        ],
        &[
            part(Rung::Kprobe, "lifecycle_kprobe", "tcp_set_state"),
            part(Rung::Kprobe, "listen_kprobe", "inet_csk_listen_start"),
            part(Rung::Kretprobe, "child_kretprobe", "inet_csk_clone_lock"),
        ],
        &[part(
            Rung::Tracepoint,
            "lifecycle_tracepoint",
            "sock/inet_sock_set_state",
        )],
    ],
    again: Some("lifecycle_again"),
};

const FILE_ENTRY: Part = part(Rung::Kprobe, "connect_kprobe", "__sys_connect_file");
const FILE_RETURN: Part = part(Rung::Kretprobe, "connect_kretprobe", "__sys_connect_file");
/// What that function calls: it is not seen to return while as many calls as there are CPUs wait in it (before 5.11), these are.
const TCP4: [Part; 2] = protocol("tcp_v4_connect");
const TCP6: [Part; 2] = protocol("tcp_v6_connect");
const DATAGRAM4: [Part; 2] = protocol("__ip4_datagram_connect");
const DATAGRAM6: [Part; 2] = protocol("__ip6_datagram_connect");

const fn protocol(function: &'static str) -> [Part; 2] {
    [
        part(Rung::Kprobe, "connect_protocol_kprobe", function),
        part(Rung::Kretprobe, "connect_protocol_kretprobe", function),
    ]
}

/// Failures that never change a state. The function is behind connect(2) and `io_uring` alike; the tracepoint comes last
/// since it makes every system call of the machine take the slow way out.
const CONNECT_EXIT: Hook = Hook {
    number: hook::CONNECT_EXIT,
    name: "connect-exit",
    ladder: &[
        &[part(Rung::Fexit, "connect_fexit", "__sys_connect_file")],
        &[
            FILE_ENTRY,
            FILE_RETURN,
            TCP4[0],
            TCP4[1],
            DATAGRAM4[0],
            DATAGRAM4[1],
            TCP6[0],
            TCP6[1],
            DATAGRAM6[0],
            DATAGRAM6[1],
        ],
        // Where IPv6 is not loaded.
        &[
            FILE_ENTRY,
            FILE_RETURN,
            TCP4[0],
            TCP4[1],
            DATAGRAM4[0],
            DATAGRAM4[1],
        ],
        &[part(
            Rung::Tracepoint,
            "connect_tracepoint",
            "syscalls/sys_exit_connect",
        )],
    ],
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::ConnectFailed.bit() == 0 {
        return vec![STATE];
    }
    vec![STATE, CONNECT_EXIT]
}

/// `connect`, `accept`, `connect-failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub kind: Kind,
    pub ends: Ends,
    pub latency_ns: Option<u64>,
    pub errno: Option<u32>,
    pub via: &'static str,
}

/// `close`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub ends: Ends,
    pub duration_ns: Option<u64>,
    /// `None`: a kernel without BTF.
    pub numbers: Option<Numbers>,
    pub errno: Option<u32>,
    pub state: u8,
    pub end: End,
}

/// What a connection carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub tx_bytes: u64,
    pub rx_bytes: u64,
    pub segs_out: u32,
    pub segs_in: u32,
    pub retrans: u32,
    pub srtt_us: Option<u32>,
    pub min_rtt_us: Option<u32>,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    LocalFin,
    RemoteFin,
    RstSent,
    RstReceived,
    Timeout,
    /// Cut off, and no error was read: a kernel without BTF.
    Unknown,
}

const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

impl End {
    /// From the last state and the error on the socket: an abort of our own leaves no error (`tcp_close`, `tcp_disconnect`),
    /// a received reset does (`tcp_reset`), a timer leaves ETIMEDOUT or what ICMP said meanwhile (`tcp_write_err`).
    fn of(state: u8, errno: Option<u32>) -> Self {
        const TIMED_OUT: [i32; 4] = [
            libc::ETIMEDOUT,
            libc::EHOSTUNREACH,
            libc::ENETUNREACH,
            libc::EHOSTDOWN,
        ];
        let errno = errno.and_then(|e| i32::try_from(e).ok());
        match (errno, state) {
            (Some(libc::ECONNRESET | libc::EPIPE | libc::ECONNREFUSED), _) => Self::RstReceived,
            (Some(e), _) if TIMED_OUT.contains(&e) => Self::Timeout,
            (None, FIN_WAIT1 | FIN_WAIT2 | CLOSING) => Self::LocalFin,
            (None, LAST_ACK) => Self::RemoteFin,
            _ => Self::RstSent,
        }
    }

    /// Without the socket's error a cut cannot be told from a timeout.
    fn if_counted(self, counted: bool) -> Self {
        if !counted && self == Self::RstSent {
            Self::Unknown
        } else {
            self
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::LocalFin => "local-fin",
            Self::RemoteFin => "remote-fin",
            Self::RstSent => "rst-sent",
            Self::RstReceived => "rst-received",
            Self::Timeout => "timeout",
            Self::Unknown => "unknown",
        }
    }
}

fn decode(kind: Kind, bytes: &[u8]) -> Option<Body> {
    if kind == Kind::Close {
        return Some(Body::Closed(Closed::from(
            raw::Closed::ref_from_bytes(bytes).ok()?,
        )));
    }
    let raw = raw::Opened::ref_from_bytes(bytes).ok()?;
    Some(Body::Opened(Opened {
        kind,
        ends: Ends::from(&raw.flow),
        latency_ns: (raw.latency_ns != 0 && kind != Kind::Accept).then_some(raw.latency_ns),
        errno: (raw.errno != 0).then_some(raw.errno),
        via: if raw.via == VIA_SYSCALL {
            "syscall"
        } else {
            "state"
        },
    }))
}

impl From<&raw::Closed> for Closed {
    fn from(raw: &raw::Closed) -> Self {
        let errno = (raw.errno != 0).then_some(u32::from(raw.errno));
        Self {
            ends: Ends::from(&raw.flow),
            duration_ns: (raw.duration_ns != 0).then_some(raw.duration_ns),
            numbers: (raw.counted != 0).then(|| Numbers::from(raw)),
            errno,
            state: raw.state,
            end: End::of(raw.state, errno).if_counted(raw.counted != 0),
        }
    }
}

impl From<&raw::Closed> for Numbers {
    fn from(raw: &raw::Closed) -> Self {
        Self {
            tx_bytes: raw.tx_bytes,
            rx_bytes: raw.rx_bytes,
            segs_out: raw.segs_out,
            segs_in: raw.segs_in,
            retrans: raw.retrans,
            srtt_us: (raw.srtt_us != 0).then_some(raw.srtt_us >> 3),
            min_rtt_us: (raw.min_rtt_us != u32::MAX).then_some(raw.min_rtt_us),
        }
    }
}

impl Opened {
    /// Why a connection could not be made, in words.
    fn reason(&self) -> &'static str {
        let errno = self.errno.and_then(|e| i32::try_from(e).ok());
        match errno {
            Some(libc::ECONNREFUSED) => "refused",
            Some(libc::ETIMEDOUT) => "timed out",
            Some(libc::ECONNRESET) => "reset by peer",
            Some(libc::EHOSTUNREACH) => "host unreachable",
            Some(libc::ENETUNREACH) => "no route",
            Some(libc::EADDRNOTAVAIL) => "no free local port or address",
            Some(libc::EACCES | libc::EPERM) => "not permitted",
            Some(libc::EADDRINUSE) => "address in use",
            Some(libc::EAFNOSUPPORT) => "address family not supported",
            Some(libc::EINVAL) => "invalid route or argument",
            Some(_) => "error",
            None => "closed before established",
        }
    }
}

impl Detail for Opened {
    fn name(&self) -> &'static str {
        crate::event::KINDS[self.kind as usize].1
    }

    fn ends(&self) -> Option<Ends> {
        Some(self.ends)
    }

    fn arrow(&self) -> &'static str {
        if self.kind == Kind::Accept {
            "<-"
        } else {
            "->"
        }
    }

    fn text(&self, line: &mut Line, _names: &Names) {
        if self.kind == Kind::ConnectFailed {
            if let Some(proto) = self.ends.proto.name().filter(|name| *name != "tcp") {
                line.word(proto);
            }
            line.word(self.reason());
            if let Some(errno) = self.errno {
                line.word(errno_name(errno));
            }
        }
        if let Some(latency) = self.latency_ns {
            line.key("after").duration(latency);
        }
    }

    fn json(&self, fields: &mut Fields<'_>, _names: &Names) {
        fields.opt("latency_us", self.latency_ns.map(|ns| ns / 1000));
        if self.kind == Kind::ConnectFailed {
            fields.opt_str("errno", self.errno.map(errno_name));
            fields.str("reason", self.reason());
            fields.str("via", self.via);
        }
    }
}

impl Detail for Closed {
    fn name(&self) -> &'static str {
        "close"
    }

    fn ends(&self) -> Option<Ends> {
        Some(self.ends)
    }

    fn arrow(&self) -> &'static str {
        "--"
    }

    fn text(&self, line: &mut Line, _names: &Names) {
        line.word(self.end.name());
        if let Some(errno) = self.errno {
            line.word(errno_name(errno));
        }
        if let Some(duration) = self.duration_ns {
            line.key("after").duration(duration);
        }
        if let Some(numbers) = &self.numbers {
            numbers.text(line);
        }
    }

    fn json(&self, fields: &mut Fields<'_>, names: &Names) {
        fields.opt("duration_us", self.duration_ns.map(|ns| ns / 1000));
        let numbers = self.numbers.as_ref();
        fields.opt("tx_bytes", numbers.map(|n| n.tx_bytes));
        fields.opt("rx_bytes", numbers.map(|n| n.rx_bytes));
        fields.opt("segs_out", numbers.map(|n| u64::from(n.segs_out)));
        fields.opt("segs_in", numbers.map(|n| u64::from(n.segs_in)));
        fields.opt("retrans", numbers.map(|n| u64::from(n.retrans)));
        fields.opt("srtt_us", numbers.and_then(|n| n.srtt_us).map(u64::from));
        fields.opt(
            "min_rtt_us",
            numbers.and_then(|n| n.min_rtt_us).map(u64::from),
        );
        fields.str("end", self.end.name());
        fields.opt_str("errno", self.errno.map(errno_name));
        fields.str("state", names.tcp_state(self.state));
    }
}

impl Numbers {
    fn text(&self, line: &mut Line) {
        line.key("tx").bytes(self.tx_bytes);
        line.key("rx").bytes(self.rx_bytes);
        line.key("segs").number(u64::from(self.segs_out));
        line.raw(b"/").number(u64::from(self.segs_in));
        if self.retrans != 0 {
            line.key("retrans").number(u64::from(self.retrans));
        }
        if let Some(srtt) = self.srtt_us {
            line.key("rtt").duration(u64::from(srtt) * 1000);
        }
        if let Some(min) = self.min_rtt_us {
            line.key("min").duration(u64::from(min) * 1000);
        }
    }
}
