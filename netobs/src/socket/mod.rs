//! A socket as every source tells it: `sock_diag`, /proc and the BPF iterators fill the same row, the views show it.

mod holder;
mod inet;
mod local;
pub mod names;
mod state;
mod tcp_info;
mod want;

pub use holder::{Comm, Holder};
pub use inet::{Congestion, Inet, Mptcp, Subflow, Tls};
pub use local::{Netlink, Packet, Unix};
pub use state::{State, States};
pub use tcp_info::TcpInfo;
pub use want::{Flow, Tables, Want};

use std::net::{IpAddr, Ipv4Addr};

/// The table a socket is listed in: ss's Netid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    #[default]
    Tcp,
    Udp,
    UdpLite,
    Raw,
    /// ICMP echo sockets of unprivileged pings (`net.ipv4.ping_group_range`).
    Ping,
    Mptcp,
    Sctp,
    Dccp,
    UnixStream,
    UnixDgram,
    UnixSeqpacket,
    PacketRaw,
    PacketDgram,
    Netlink,
    VsockStream,
    VsockDgram,
    Tipc,
    Xdp,
}

impl Table {
    /// That of a UNIX socket of type `SOCK_*`.
    pub fn of_unix(kind: i32) -> Self {
        match kind {
            libc::SOCK_STREAM => Self::UnixStream,
            libc::SOCK_SEQPACKET => Self::UnixSeqpacket,
            _ => Self::UnixDgram,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    #[default]
    Inet,
    Inet6,
    Unix,
    Packet,
    Netlink,
    Vsock,
    Tipc,
    Xdp,
}

/// One end. What `port` is depends on the table: a port; the inode of a UNIX socket; the interface of a packet socket;
/// the port id of a netlink socket; the queue of an XDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// Of inet tables; unspecified in the others.
    pub ip: IpAddr,
    pub port: u32,
}

impl Default for End {
    fn default() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 0,
        }
    }
}

/// Memory of a socket, bytes (`SK_MEMINFO_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Received and not yet read (`sk_rmem_alloc`), and its limit (`sk_rcvbuf`).
    pub rmem: u32,
    pub rcvbuf: u32,
    /// In flight to the device (`sk_wmem_alloc`), and the limit of what waits (`sk_sndbuf`).
    pub wmem: u32,
    pub sndbuf: u32,
    /// Reserved ahead (`sk_forward_alloc`).
    pub forward: u32,
    /// Queued for sending (`sk_wmem_queued`).
    pub queued: u32,
    /// Options, filters (`sk_omem_alloc`).
    pub optmem: u32,
    /// Waiting for the socket's lock (`sk_backlog`).
    pub backlog: Option<u32>,
    /// Packets refused for want of room (`sk_drops`).
    pub drops: Option<u32>,
}

/// The running timer (`idiag_timer`, `idiag_expires`, `idiag_retrans`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timer {
    /// 0 off, 1 retransmission, 2 keepalive, 3 time-wait, 4 zero window probe.
    pub kind: u8,
    pub expires_ms: u32,
    /// Retransmissions, or probes sent.
    pub retrans: u8,
}

/// One socket. A source fills the same row again and again: what a visitor keeps it has to copy.
///
/// `None` means that the source does not tell; a number is never made up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub table: Table,
    pub family: Family,
    pub state: State,
    pub local: End,
    pub remote: End,
    /// Interface the socket is bound to (`sk_bound_dev_if`); 0: none. Also the scope of link-local addresses.
    pub ifindex: u32,
    pub v6only: Option<bool>,
    /// Bytes received and not read; of a listener, connections that wait to be accepted.
    pub recvq: u32,
    /// Bytes sent and not acknowledged; of a listener, how many may wait.
    pub sendq: u32,
    /// Whether `sendq` of a listener is its backlog: /proc does not tell it.
    pub backlog_known: bool,
    pub uid: Option<u32>,
    /// Inode number; 0: the socket belongs to no file (any more, or not yet).
    pub inode: u32,
    pub cookie: Option<u64>,
    /// Kernel address, where the source tells it; 0: it does not.
    pub sk: u64,
    /// Inode number of the network namespace; 0: unknown.
    pub netns: u32,
    pub mark: Option<u32>,
    /// Cgroup v2 id.
    pub cgroup: Option<u64>,
    /// What few sockets or few questions have.
    pub inet: Inet,
    pub timer: Timer,
    pub refcount: Option<u32>,
    pub memory: Option<Memory>,
    /// What kernels told before `memory`: rmem, wmem, fmem, tmem.
    pub old_memory: Option<[u32; 4]>,
    pub tcp: Option<TcpInfo>,
    pub unix: Unix,
    pub packet: Packet,
    pub netlink: Netlink,
    /// Context ids of a vsock's ends.
    pub vsock: (u32, u32),
    /// Who holds a descriptor of it. Only what the source knows by itself: the BPF iterator over files does, others leave
    /// it empty and `holders_known` false.
    pub holders: Vec<Holder>,
    pub holders_known: bool,
}

impl Row {
    /// Makes the row that of a new socket, keeping the memory of its lists.
    ///
    /// In place: a row is some 900 bytes, and a table of 50,000 sockets would copy 45 MB.
    pub fn reset(&mut self) {
        let Self {
            table: _,
            family: _,
            state: _,
            local: _,
            remote: _,
            ifindex,
            v6only,
            recvq,
            sendq,
            backlog_known,
            uid,
            inode,
            cookie,
            sk,
            netns: _, // one source reads one namespace after the other
            mark,
            cgroup,
            inet,
            timer,
            refcount,
            memory,
            old_memory,
            tcp,
            unix,
            packet,
            netlink,
            vsock,
            holders,
            holders_known,
        } = self;
        (*ifindex, *recvq, *sendq, *inode, *sk) = (0, 0, 0, 0, 0);
        (*v6only, *uid, *cookie, *mark, *cgroup) = (None, None, None, None, None);
        (*backlog_known, *holders_known) = (false, false);
        (*refcount, *memory, *old_memory, *tcp) = (None, None, None, None);
        *timer = Timer::default();
        inet.reset();
        unix.reset();
        packet.reset();
        *netlink = Netlink::default();
        *vsock = (0, 0);
        holders.clear();
    }

    /// Connections waiting to be accepted, and how many may wait where that is known.
    pub fn backlog(&self) -> Option<(u32, Option<u32>)> {
        let listens = self.state == State::LISTEN;
        listens.then_some((self.recvq, self.backlog_known.then_some(self.sendq)))
    }

    pub fn is_inet(&self) -> bool {
        matches!(self.family, Family::Inet | Family::Inet6)
    }
}
