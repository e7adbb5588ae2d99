//! Netlink, vsock and XDP sockets.

use super::{
    DiagError, SockDiag,
    attributes::{self, Attributes, u32_of, words},
    wire::{NetlinkMessage, PacketMessage, PlainRequest, UnixRequest, VsockMessage, cookie},
};
use crate::socket::{End, Family, Flow, Row, State, Table, Want};
use zerocopy::{FromBytes, IntoBytes};

/// `NDIAG_PROTO_ALL`; `NDIAG_SHOW_MEMINFO | NDIAG_SHOW_GROUPS`.
const ALL_PROTOCOLS: u8 = 255;
const NETLINK_SHOW: u32 = 3;
/// `NETLINK_CONNECTED`.
const CONNECTED: u8 = 1;
/// `XDP_SHOW_INFO | XDP_SHOW_MEMINFO`.
const XDP_SHOW: u32 = 9;
const AF_XDP: u8 = 44;

fn plain(family: u8, protocol: u8, show: u32) -> PlainRequest {
    PlainRequest {
        family,
        protocol,
        pad: 0,
        inode: 0,
        show,
        cookie: [0; 2],
    }
}

fn begin(row: &mut Row, table: Table, family: Family, state: State) {
    row.reset();
    (row.table, row.family, row.state) = (table, family, state);
    (row.local, row.remote) = (End::default(), End::default());
}

impl SockDiag {
    pub fn netlink(
        &mut self,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        row.netns = self.netns;
        let request = plain(16, ALL_PROTOCOLS, NETLINK_SHOW);
        self.dump("netlink", &[request.as_bytes()], |payload, once| {
            let Ok((message, bytes)) = NetlinkMessage::ref_from_prefix(payload) else {
                return Flow::More;
            };
            // Kernel sockets of several namespaces have no cookie of their own before they are asked: it is made here.
            if !once.is_new(cookie(message.cookie).max(1)) {
                return Flow::More;
            }
            begin(row, Table::Netlink, Family::Netlink, State::CLOSE);
            row.inode = message.inode;
            row.cookie = Some(cookie(message.cookie));
            row.local.port = message.portid;
            row.netlink.protocol = message.protocol;
            if message.state == CONNECTED {
                row.netlink.peer = Some((message.dst_portid, message.dst_group));
            }
            for (kind, value) in Attributes(bytes) {
                match kind {
                    0 => {
                        let memory = attributes::memory(value);
                        (row.recvq, row.sendq) = (memory.rmem, memory.wmem);
                        row.memory = Some(memory);
                    }
                    1 => row.netlink.groups = u32_of(value).unwrap_or(0),
                    _ => {}
                }
            }
            visit(row)
        })
    }

    pub fn vsock(
        &mut self,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        row.netns = self.netns;
        let request = UnixRequest {
            family: 40,
            protocol: 0,
            pad: 0,
            states: want.states.0,
            inode: 0,
            show: 0,
            cookie: [0; 2],
        };
        self.dump("vsock", &[request.as_bytes()], |payload, once| {
            let Ok((message, _)) = VsockMessage::ref_from_prefix(payload) else {
                return Flow::More;
            };
            let stream = i32::from(message.kind) == libc::SOCK_STREAM;
            let table = if stream {
                Table::VsockStream
            } else {
                Table::VsockDgram
            };
            if !want.tables.has(table) || !once.is_new(cookie(message.cookie).max(1)) {
                return Flow::More;
            }
            begin(row, table, Family::Vsock, State(message.state));
            row.inode = message.inode;
            row.cookie = Some(cookie(message.cookie));
            row.local.port = message.src_port;
            row.remote.port = message.dst_port;
            row.vsock = (message.src_cid, message.dst_cid);
            row.inet.shutdown = Some(message.shutdown);
            visit(row)
        })
    }

    pub fn xdp(
        &mut self,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        row.netns = self.netns;
        let request = plain(AF_XDP, 0, XDP_SHOW);
        self.dump("xdp", &[request.as_bytes()], |payload, once| {
            let Ok((message, bytes)) = PacketMessage::ref_from_prefix(payload) else {
                return Flow::More;
            };
            if !once.is_new(cookie(message.cookie).max(1)) {
                return Flow::More;
            }
            begin(row, Table::Xdp, Family::Xdp, State::CLOSE);
            row.inode = message.inode;
            row.cookie = Some(cookie(message.cookie));
            for (kind, value) in Attributes(bytes) {
                match kind {
                    1 => [row.ifindex, row.local.port] = words(value),
                    2 => row.uid = u32_of(value),
                    8 => {
                        let memory = attributes::memory(value);
                        row.recvq = memory.rmem;
                        row.memory = Some(memory);
                    }
                    _ => {}
                }
            }
            visit(row)
        })
    }
}
