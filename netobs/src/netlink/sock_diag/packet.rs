//! Packet sockets: `packet_diag`.

use super::{
    DiagError, SockDiag,
    attributes::{self, Attributes, u32_of, words},
    wire::{self, PacketMessage},
};
use crate::socket::{Flow, Row, Want};
use zerocopy::IntoBytes;

const SHOW_INFO: u32 = 1;
const SHOW_RINGS: u32 = 4;
const SHOW_FANOUT: u32 = 8;
const SHOW_MEMINFO: u32 = 16;
const SHOW_FILTER: u32 = 32;

impl SockDiag {
    pub fn packet(
        &mut self,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        let mut show = SHOW_INFO | SHOW_MEMINFO;
        if want.details {
            show |= SHOW_RINGS | SHOW_FANOUT | SHOW_FILTER;
        }
        let request = wire::all(libc::AF_PACKET, 0, show);
        self.dump_rows("packet", request.as_bytes(), want, (row, visit), fill)
    }
}

pub(super) fn fill(row: &mut Row, message: &PacketMessage, bytes: &[u8]) {
    row.packet.protocol = message.number;
    for (kind, value) in Attributes(bytes) {
        match kind {
            0 => {
                let [index, version, _, copy_threshold, _, flags] = words(value);
                (row.ifindex, row.local.port) = (index, index);
                row.packet.version = version;
                row.packet.copy_threshold = copy_threshold;
                row.packet.flags = flags;
                row.packet.info_known = true;
            }
            2 => row.packet.rx_ring = Some(ring(value)),
            3 => row.packet.tx_ring = Some(ring(value)),
            4 => row.packet.fanout = u32_of(value),
            5 => row.uid = u32_of(value),
            6 => {
                let memory = attributes::memory(value);
                row.recvq = memory.rmem;
                row.memory = Some(memory);
            }
            7 => {
                let instructions = value.chunks_exact(8).map(|one| {
                    let [code, k] = words(one);
                    let [c0, c1, jt, jf] = code.to_ne_bytes();
                    let code = u32::from(u16::from_ne_bytes([c0, c1]));
                    [code, u32::from(jt), u32::from(jf), k]
                });
                row.packet.filter.extend(instructions);
            }
            _ => {}
        }
    }
}

/// Without the size of the private area.
fn ring(value: &[u8]) -> [u32; 6] {
    let [block_size, blocks, frame_size, frames, timeout, _, features] = words(value);
    [block_size, blocks, frame_size, frames, timeout, features]
}
