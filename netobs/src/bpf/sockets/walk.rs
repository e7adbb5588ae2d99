//! Reading an iterator's file: records to their taker, up to a pause or the end.

use super::{
    decode::{self, Record},
    load::SocketsError,
};
use crate::socket::Flow;
use std::{
    fs::File,
    io::{self, Read as _},
};

/// The kernel hands out 32 KiB at most.
pub const BUFFER: usize = 1 << 16;

/// Where reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All was told.
    All,
    /// The reader has enough.
    Enough,
    /// The program wants to be read again, or the kernel passed a million files without a socket among them.
    Paused,
}

impl End {
    pub fn flow(self) -> Flow {
        match self {
            Self::Enough => Flow::Enough,
            Self::All | Self::Paused => Flow::More,
        }
    }
}

/// Reads a walk to its end or to the next pause.
pub fn read(
    name: &'static str,
    file: &mut File,
    buffer: &mut [u8],
    take: &mut dyn FnMut(Record) -> Flow,
) -> Result<End, SocketsError> {
    let mut kept = 0;
    loop {
        let len = match file.read(&mut buffer[kept..]) {
            Ok(0) if kept == 0 => return Ok(End::All),
            Ok(0) => return Err(SocketsError::Strange { name }),
            Ok(len) => kept + len,
            Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) if kept == 0 && source.kind() == io::ErrorKind::WouldBlock => {
                return Ok(End::Paused);
            }
            Err(source) => return Err(SocketsError::Read { name, source }),
        };
        let mut bytes = &buffer[..len];
        loop {
            match decode::next(&mut bytes) {
                Ok(Some(record)) => {
                    if take(record) == Flow::Enough {
                        return Ok(End::Enough);
                    }
                }
                Ok(None) => break,
                Err(decode::Strange) => return Err(SocketsError::Strange { name }),
            }
        }
        kept = bytes.len();
        buffer.copy_within(len - kept..len, 0);
    }
}
