//! Socket filters: a raw socket gets every packet of its protocol, of which few are ours.

use socket2::SockFilter;
use std::ops::RangeInclusive;

const LOAD_HALF: u16 = 0x28;
const LOAD_HALF_BEHIND: u16 = 0x48;
const LOAD_BYTE: u16 = 0x30;
const LOAD_BYTE_BEHIND: u16 = 0x50;
/// The length of an IPv4 header, to the index register.
const HEADER_LENGTH: u16 = 0xb1;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const MORE: u16 = 0x25;
const RETURN: u16 = 0x06;
const ALL: u32 = u32::MAX;

/// What a raw socket's bytes begin with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// IPv4 sockets: the IP header.
    Ip,
    /// IPv6 sockets: the header of the protocol.
    Transport,
}

impl Start {
    fn load(self, half: bool, at: u32) -> SockFilter {
        let code = match (self, half) {
            (Self::Ip, true) => LOAD_HALF_BEHIND,
            (Self::Ip, false) => LOAD_BYTE_BEHIND,
            (Self::Transport, true) => LOAD_HALF,
            (Self::Transport, false) => LOAD_BYTE,
        };
        SockFilter::new(code, 0, 0, at)
    }

    fn begin(self) -> Vec<SockFilter> {
        match self {
            Self::Ip => vec![SockFilter::new(HEADER_LENGTH, 0, 0, 0)],
            Self::Transport => Vec::new(),
        }
    }
}

/// Errors, and echo replies to `id`.
pub fn icmp(start: Start, id: u16) -> Vec<SockFilter> {
    let (reply, errors): (u32, [u32; 4]) = match start {
        Start::Ip => (0, [3, 11, 12, 3]),
        Start::Transport => (129, [1, 2, 3, 4]),
    };
    let mut program = start.begin();
    program.push(start.load(false, 0));
    program.push(SockFilter::new(EQUAL, 5, 0, reply));
    for (n, error) in (0_u8..).zip(errors) {
        program.push(SockFilter::new(EQUAL, 7 - n, 0, error));
    }
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program.push(start.load(true, 4));
    program.push(SockFilter::new(EQUAL, 1, 0, u32::from(id)));
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program.push(SockFilter::new(RETURN, 0, 0, ALL));
    program
}

/// Segments to one of our ports.
pub fn tcp(start: Start, ports: &RangeInclusive<u16>) -> Vec<SockFilter> {
    let mut program = start.begin();
    program.extend([
        start.load(true, 2),
        SockFilter::new(AT_LEAST, 0, 2, u32::from(*ports.start())),
        SockFilter::new(MORE, 1, 0, u32::from(*ports.end())),
        SockFilter::new(RETURN, 0, 0, ALL),
        SockFilter::new(RETURN, 0, 0, 0),
    ]);
    program
}
