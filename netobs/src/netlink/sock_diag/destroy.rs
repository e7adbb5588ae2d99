//! Closing sockets of others: `SOCK_DESTROY`.

use super::{
    DestroyError, DiagError, SockDiag,
    inet::id_of,
    wire::{DESTROY, InetRequest},
};
use crate::socket::{Family, Row, Table};
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkBuffer};
use std::io;
use zerocopy::IntoBytes;

impl SockDiag {
    /// Closes the socket of a row: its peer gets a reset, its owner an error.
    pub fn destroy(&mut self, row: &Row) -> Result<(), DestroyError> {
        let Some((number, _)) = row.table.protocol() else {
            return Err(DestroyError::Unsupported);
        };
        let family = if row.family == Family::Inet6 {
            libc::AF_INET6
        } else {
            libc::AF_INET
        };
        let raw = row.table == Table::Raw;
        let request = InetRequest {
            family: u8::try_from(family).unwrap_or(0),
            protocol: u8::try_from(number).map_err(|_| DestroyError::Unsupported)?,
            ext: 0,
            pad: row.inet.raw_protocol.filter(|_| raw).unwrap_or(0),
            states: 0,
            id: id_of(row),
        };
        self.send(DESTROY, NLM_F_REQUEST | NLM_F_ACK, &[request.as_bytes()])
            .and_then(|()| self.receive())
            .map_err(|error| DestroyError::Other(io::Error::other(error)))?;
        self.answer()
    }

    fn answer(&self) -> Result<(), DestroyError> {
        let malformed = || DestroyError::Other(io::Error::other(DiagError::Malformed));
        let message = NetlinkBuffer::new_checked(&self.buffer[..]).map_err(|_| malformed())?;
        let code = message.payload().first_chunk();
        match -code.map_or(0, |bytes| i32::from_ne_bytes(*bytes)) {
            0 => Ok(()),
            libc::EOPNOTSUPP => Err(DestroyError::Unsupported),
            libc::EPERM | libc::EACCES => Err(DestroyError::Denied),
            libc::ENOENT | libc::ESTALE => Err(DestroyError::Gone),
            errno => Err(DestroyError::Other(io::Error::from_raw_os_error(errno))),
        }
    }
}
