//! A dump: one request, answers read into one buffer that is used again and again.

use super::{
    DiagError,
    once::Once,
    wire::{self, Message},
};
use crate::socket::{End, Flow, Row, Want};
use netlink_packet_core::Emitable as _;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use std::io;

/// The kernel fills at most 32 KiB at a time; one page more so that it is never what limits.
const BUFFER: usize = 36 * 1024;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The table changed while it was read (`NLM_F_DUMP_INTR`).
const INTERRUPTED: u16 = 0x10;
pub const HEADER: usize = 16;

/// A `sock_diag` socket. It sees the network namespace of the thread that opened it, for good.
pub struct SockDiag {
    pub(super) socket: Socket,
    pub(super) buffer: Vec<u8>,
    pub(super) sequence: u32,
    pub(super) once: Once,
    /// Inode number of the namespace, for the rows.
    pub netns: u32,
    /// Tables that changed in a way the kernel noticed while it told them.
    pub interrupted: u64,
}

impl SockDiag {
    /// In the network namespace of the calling thread, whose inode number is `netns`.
    pub fn open(netns: u32) -> Result<Self, DiagError> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG).map_err(DiagError::Open)?;
        socket.bind_auto().map_err(DiagError::Open)?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(BUFFER),
            sequence: 0,
            once: Once::default(),
            netns,
            interrupted: 0,
        })
    }

    /// Sockets that were told twice, since the last time this was asked.
    pub fn take_repeated(&mut self) -> u64 {
        std::mem::take(&mut self.once.repeated)
    }

    /// Asks with the request that `parts` make and shows each answer's payload to `take`.
    pub(super) fn dump(
        &mut self,
        what: &'static str,
        parts: &[&[u8]],
        mut take: impl FnMut(&[u8], &mut Once) -> Flow,
    ) -> Result<Flow, DiagError> {
        self.send(wire::BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, parts)?;
        let mut flow = Flow::More;
        self.once.begin();
        loop {
            self.receive()?;
            self.once.next_batch();
            let mut rest = &self.buffer[..];
            while !rest.is_empty() {
                let message = NetlinkBuffer::new_checked(rest).map_err(|_| DiagError::Malformed)?;
                let length = message.length() as usize;
                if message.flags() & INTERRUPTED != 0 {
                    self.interrupted += 1;
                }
                match message.message_type() {
                    // An answer to a request that an earlier reader left early.
                    _ if message.sequence_number() != self.sequence => {}
                    DONE | ERROR => return self.end(what, message.payload(), flow),
                    wire::BY_FAMILY if flow == Flow::More => {
                        flow = take(message.payload(), &mut self.once);
                    }
                    _ => {}
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
            }
        }
    }

    /// The same of a family outside of inet: each socket once, as a new row that `fill` completes.
    pub(super) fn dump_rows<M: Message>(
        &mut self,
        what: &'static str,
        request: &[u8],
        want: &Want,
        to: (&mut Row, &mut dyn FnMut(&Row) -> Flow),
        fill: impl Fn(&mut Row, &M, &[u8]),
    ) -> Result<Flow, DiagError> {
        let (row, visit) = to;
        row.netns = self.netns;
        self.dump(what, &[request], |payload, once| {
            let Ok((message, attributes)) = M::ref_from_prefix(payload) else {
                return Flow::More;
            };
            let head = message.head();
            if !want.tables.has(head.table) || !once.is_new(head.cookie.max(1)) {
                return Flow::More;
            }
            row.reset();
            (row.table, row.family, row.state) = (head.table, head.family, head.state);
            (row.inode, row.cookie) = (head.inode, Some(head.cookie));
            (row.local, row.remote) = (End::default(), End::default());
            fill(row, message, attributes);
            visit(row)
        })
    }

    /// `DONE` and `ERROR` both begin with an error number, 0 when all is well.
    fn end(&self, what: &'static str, payload: &[u8], flow: Flow) -> Result<Flow, DiagError> {
        debug_assert!(self.sequence != 0, "nothing was asked");
        let code = payload.first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
        match -code {
            0 => Ok(flow),
            libc::ENOENT | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT => {
                Err(DiagError::NotThere(what))
            }
            errno => Err(DiagError::Refused {
                what,
                source: io::Error::from_raw_os_error(errno),
            }),
        }
    }

    pub(super) fn send(
        &mut self,
        message_type: u16,
        flags: u16,
        parts: &[&[u8]],
    ) -> Result<(), DiagError> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let length = HEADER + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(length).unwrap_or(u32::MAX);
        header.message_type = message_type;
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut bytes = vec![0; HEADER];
        header.emit(&mut bytes);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        // Not connected: the socket is in the table of netlink sockets itself, and should look like ss's there.
        let kernel = SocketAddr::new(0, 0);
        self.socket
            .send_to(&bytes, &kernel, 0)
            .map_err(DiagError::Send)?;
        Ok(())
    }

    pub(super) fn receive(&mut self) -> Result<(), DiagError> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiagError::Read(error)),
            }
        }
    }
}
