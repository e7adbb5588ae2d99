//! What is wrong with a capture file: which file, where in it, and what.

use std::{fmt, io};

#[derive(Debug)]
pub struct FileError {
    pub file: String,
    /// Bytes from the beginning of the file.
    pub offset: u64,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    Io(io::Error),
    /// It ends inside of this: so many bytes were wanted, so many were there.
    Truncated {
        inside: &'static str,
        wanted: usize,
        found: usize,
    },
    NoCapture(String),
    /// By this tool.
    Compressed(&'static str),
    Version(u16, u16),
    Link(u16),
    TooLong {
        of: &'static str,
        length: u64,
        most: u64,
    },
    Malformed(&'static str),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, offset {}: ", self.file, self.offset)?;
        match &self.what {
            What::Io(error) => write!(f, "read: {error}"),
            What::Truncated {
                inside,
                wanted,
                found,
            } => write!(
                f,
                "the file ends inside of {inside}: {found} of {wanted} bytes are there"
            ),
            What::NoCapture(magic) => {
                write!(f, "neither pcap nor pcapng: it begins with {magic}")
            }
            What::Compressed(by) => {
                write!(f, "compressed by {by}: {by} -dc FILE | netobs dump -r -")
            }
            What::Version(major, minor) => write!(
                f,
                "version {major}.{minor} of the format is not known, only pcap 2.4 and pcapng 1"
            ),
            What::Link(number) => write!(
                f,
                "link type {number} is not known: Ethernet, raw IP, Linux cooked and loopback are"
            ),
            What::TooLong { of, length, most } => {
                write!(
                    f,
                    "{of} of {length} bytes is longer than {most}: the file is damaged"
                )
            }
            What::Malformed(what) => write!(f, "{what}: the file is damaged"),
        }
    }
}

impl std::error::Error for FileError {}
