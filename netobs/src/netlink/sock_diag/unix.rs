//! UNIX sockets: `unix_diag`.

use super::{
    DiagError, SockDiag,
    attributes::{self, Attributes, u8_of, u32_of, words},
    wire::{self, UnixMessage},
};
use crate::socket::{Flow, Row, State, Want};
use zerocopy::IntoBytes;

const SHOW_NAME: u32 = 1;
const SHOW_VFS: u32 = 2;
const SHOW_PEER: u32 = 4;
const SHOW_ICONS: u32 = 8;
const SHOW_RQLEN: u32 = 16;
const SHOW_MEMINFO: u32 = 32;
const SHOW_UID: u32 = 64;

impl SockDiag {
    pub fn unix(
        &mut self,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        let request = wire::in_states(libc::AF_UNIX, want.states.0, show(want));
        self.dump_rows("unix", request.as_bytes(), want, (row, visit), fill)
    }
}

fn show(want: &Want) -> u32 {
    let mut show = SHOW_NAME | SHOW_PEER | SHOW_RQLEN;
    if want.memory {
        show |= SHOW_MEMINFO;
    }
    if want.details {
        show |= SHOW_VFS | SHOW_ICONS | SHOW_UID;
    }
    show
}

pub(super) fn fill(row: &mut Row, message: &UnixMessage, bytes: &[u8]) {
    row.local.port = message.inode;
    for (kind, value) in Attributes(bytes) {
        match kind {
            0 => row.unix.set_name(value),
            1 => {
                let [inode, device] = words(value);
                row.unix.vfs = Some((inode, device));
            }
            2 => row.remote.port = u32_of(value).unwrap_or(0),
            3 => {
                let inodes = value.chunks_exact(4).filter_map(u32_of);
                row.unix.waiting.extend(inodes);
                row.unix.waiting_known = true;
            }
            4 => {
                [row.recvq, row.sendq] = words(value);
                row.backlog_known = row.state == State::LISTEN;
            }
            5 => row.memory = Some(attributes::memory(value)),
            6 => row.inet.shutdown = u8_of(value),
            7 => row.uid = u32_of(value),
            _ => {}
        }
    }
}
