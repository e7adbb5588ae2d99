//! Requests and answers as the kernel lays them out (`linux/inet_diag.h` and its neighbours).

use crate::socket::{Family, State, Table};
use zerocopy::{
    FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout,
    byteorder::network_endian::{U16 as Be16, U32 as Be32},
};

/// `SOCK_DIAG_BY_FAMILY`, `SOCK_DESTROY`.
pub const BY_FAMILY: u16 = 20;
pub const DESTROY: u16 = 21;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SocketId {
    pub sport: Be16,
    pub dport: Be16,
    pub src: [Be32; 4],
    pub dst: [Be32; 4],
    pub ifindex: u32,
    pub cookie: [u32; 2],
}

/// `struct inet_diag_req_v2`; `pad` is the protocol of raw sockets.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InetRequest {
    pub family: u8,
    pub protocol: u8,
    pub ext: u8,
    pub pad: u8,
    pub states: u32,
    pub id: SocketId,
}

/// `struct inet_diag_msg`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InetMessage {
    pub family: u8,
    pub state: u8,
    pub timer: u8,
    pub retrans: u8,
    pub id: SocketId,
    pub expires_ms: u32,
    pub rqueue: u32,
    pub wqueue: u32,
    pub uid: u32,
    pub inode: u32,
}

/// Requests for UNIX, packet, netlink, vsock and XDP sockets: one shape, `states` and `inode` in another order.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UnixRequest {
    pub family: u8,
    pub protocol: u8,
    pub pad: u16,
    pub states: u32,
    pub inode: u32,
    pub show: u32,
    pub cookie: [u32; 2],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PlainRequest {
    pub family: u8,
    pub protocol: u8,
    pub pad: u16,
    pub inode: u32,
    pub show: u32,
    pub cookie: [u32; 2],
}

/// All sockets of a family in some states, `show` says what is told of each.
pub fn in_states(family: libc::c_int, states: u32, show: u32) -> UnixRequest {
    UnixRequest {
        family: u8::try_from(family).unwrap_or(0),
        states,
        show,
        ..UnixRequest::new_zeroed()
    }
}

/// All sockets of a family that knows no states.
pub fn all(family: libc::c_int, protocol: u8, show: u32) -> PlainRequest {
    PlainRequest {
        family: u8::try_from(family).unwrap_or(0),
        protocol,
        show,
        ..PlainRequest::new_zeroed()
    }
}

/// `struct unix_diag_msg`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UnixMessage {
    pub family: u8,
    pub kind: u8,
    pub state: u8,
    pub pad: u8,
    pub inode: u32,
    pub cookie: [u32; 2],
}

/// `struct packet_diag_msg`, and `struct xdp_diag_msg` whose `number` is padding.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PacketMessage {
    pub family: u8,
    pub kind: u8,
    pub number: u16,
    pub inode: u32,
    pub cookie: [u32; 2],
}

/// `struct netlink_diag_msg`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct NetlinkMessage {
    pub family: u8,
    pub kind: u8,
    pub protocol: u8,
    pub state: u8,
    pub portid: u32,
    pub dst_portid: u32,
    pub dst_group: u32,
    pub inode: u32,
    pub cookie: [u32; 2],
}

/// `struct vsock_diag_msg`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct VsockMessage {
    pub family: u8,
    pub kind: u8,
    pub state: u8,
    pub shutdown: u8,
    pub src_cid: u32,
    pub src_port: u32,
    pub dst_cid: u32,
    pub dst_port: u32,
    pub inode: u32,
    pub cookie: [u32; 2],
}

pub fn cookie(words: [u32; 2]) -> u64 {
    u64::from(words[1]) << 32 | u64::from(words[0])
}

/// Whose socket a message is about.
#[derive(Clone, Copy)]
pub struct Head {
    pub table: Table,
    pub family: Family,
    pub state: State,
    pub inode: u32,
    pub cookie: u64,
}

/// A message of a family outside of inet: attributes follow it.
pub trait Message: FromBytes + Immutable + KnownLayout {
    fn head(&self) -> Head;
}

impl Message for UnixMessage {
    fn head(&self) -> Head {
        let table = Table::of_unix(self.kind.into());
        head(table, Family::Unix, self.state, self.inode, self.cookie)
    }
}

impl Message for PacketMessage {
    fn head(&self) -> Head {
        let (table, family) = match (i32::from(self.family), i32::from(self.kind)) {
            (libc::AF_XDP, _) => (Table::Xdp, Family::Xdp),
            (_, libc::SOCK_RAW) => (Table::PacketRaw, Family::Packet),
            _ => (Table::PacketDgram, Family::Packet),
        };
        head(table, family, State::CLOSE.0, self.inode, self.cookie)
    }
}

impl Message for NetlinkMessage {
    fn head(&self) -> Head {
        let state = State::CLOSE.0;
        head(
            Table::Netlink,
            Family::Netlink,
            state,
            self.inode,
            self.cookie,
        )
    }
}

impl Message for VsockMessage {
    fn head(&self) -> Head {
        let stream = i32::from(self.kind) == libc::SOCK_STREAM;
        let table = if stream {
            Table::VsockStream
        } else {
            Table::VsockDgram
        };
        head(table, Family::Vsock, self.state, self.inode, self.cookie)
    }
}

fn head(table: Table, family: Family, state: u8, inode: u32, words: [u32; 2]) -> Head {
    Head {
        table,
        family,
        state: State(state),
        inode,
        cookie: cookie(words),
    }
}
