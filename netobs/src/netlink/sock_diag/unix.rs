//! UNIX sockets: `unix_diag`.

use super::{
    DiagError, SockDiag,
    attributes::{self, Attributes, u8_of, u32_of, words},
    wire::{UnixMessage, UnixRequest, cookie},
};
use crate::socket::{Family, Flow, Row, State, Table, Want};
use zerocopy::{FromBytes, IntoBytes};

const SHOW_NAME: u32 = 1;
const SHOW_VFS: u32 = 2;
const SHOW_PEER: u32 = 4;
const SHOW_ICONS: u32 = 8;
const SHOW_RQLEN: u32 = 16;
const SHOW_MEMINFO: u32 = 32;
const SHOW_UID: u32 = 64;

/// The table of a socket's type.
pub fn table(kind: i32) -> Table {
    match kind {
        libc::SOCK_STREAM => Table::UnixStream,
        libc::SOCK_SEQPACKET => Table::UnixSeqpacket,
        _ => Table::UnixDgram,
    }
}

impl SockDiag {
    pub fn unix(
        &mut self,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        let mut show = SHOW_NAME | SHOW_PEER | SHOW_RQLEN;
        if want.memory {
            show |= SHOW_MEMINFO;
        }
        if want.details {
            show |= SHOW_VFS | SHOW_ICONS | SHOW_UID;
        }
        let request = UnixRequest {
            family: 1,
            protocol: 0,
            pad: 0,
            states: want.states.0,
            inode: 0,
            show,
            cookie: [0; 2],
        };
        row.netns = self.netns;
        self.dump("unix", &[request.as_bytes()], |payload, once| {
            let Ok((message, attributes)) = UnixMessage::ref_from_prefix(payload) else {
                return Flow::More;
            };
            let table = table(i32::from(message.kind));
            if !want.tables.has(table) || !once.is_new(cookie(message.cookie).max(1)) {
                return Flow::More;
            }
            row.reset();
            (row.table, row.family) = (table, Family::Unix);
            fill(row, message, attributes);
            visit(row)
        })
    }
}

pub(super) fn fill(row: &mut Row, message: &UnixMessage, bytes: &[u8]) {
    row.state = State(message.state);
    row.inode = message.inode;
    row.cookie = Some(cookie(message.cookie));
    row.local = crate::socket::End::default();
    row.remote = crate::socket::End::default();
    row.local.port = message.inode;
    for (kind, value) in Attributes(bytes) {
        match kind {
            0 => row.unix.name.extend_from_slice(name(value)),
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

/// A path ends at its NUL; an abstract name begins with one.
fn name(value: &[u8]) -> &[u8] {
    if value.first() == Some(&0) {
        return value;
    }
    value.split(|byte| *byte == 0).next().unwrap_or_default()
}
