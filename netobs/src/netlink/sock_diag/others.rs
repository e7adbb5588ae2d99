//! Netlink, vsock and XDP sockets.

use super::{
    DiagError, SockDiag,
    attributes::{self, Attributes, u32_of, words},
    wire::{self, NetlinkMessage, PacketMessage, VsockMessage},
};
use crate::socket::{Flow, Row, Want};
use zerocopy::IntoBytes;

/// `NDIAG_PROTO_ALL`; `NDIAG_SHOW_MEMINFO | NDIAG_SHOW_GROUPS`.
const ALL_PROTOCOLS: u8 = 255;
const NETLINK_SHOW: u32 = 3;
/// `NETLINK_CONNECTED`.
const CONNECTED: u8 = 1;
/// `XDP_SHOW_INFO | XDP_SHOW_MEMINFO`.
const XDP_SHOW: u32 = 9;

impl SockDiag {
    /// Kernel sockets of several namespaces have no cookie of their own before they are asked: it is made then.
    pub fn netlink(
        &mut self,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        let request = wire::all(libc::AF_NETLINK, ALL_PROTOCOLS, NETLINK_SHOW);
        self.dump_rows("netlink", request.as_bytes(), want, (row, visit), netlink)
    }

    pub fn vsock(
        &mut self,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        let request = wire::in_states(libc::AF_VSOCK, want.states.0, 0);
        self.dump_rows("vsock", request.as_bytes(), want, (row, visit), vsock)
    }

    pub fn xdp(
        &mut self,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        let request = wire::all(libc::AF_XDP, 0, XDP_SHOW);
        self.dump_rows("xdp", request.as_bytes(), want, (row, visit), xdp)
    }
}

fn netlink(row: &mut Row, message: &NetlinkMessage, bytes: &[u8]) {
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
}

fn vsock(row: &mut Row, message: &VsockMessage, _: &[u8]) {
    row.local.port = message.src_port;
    row.remote.port = message.dst_port;
    row.vsock = (message.src_cid, message.dst_cid);
    row.inet.shutdown = Some(message.shutdown);
}

fn xdp(row: &mut Row, _: &PacketMessage, bytes: &[u8]) {
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
}
