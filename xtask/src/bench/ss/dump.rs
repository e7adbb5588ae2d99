//! The bare dump: what the kernel alone costs to tell its TCP sockets; answers are read and thrown away.
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use super::super::options::BareSsOptions;

/// `SOCK_DIAG_BY_FAMILY`, `NLM_F_REQUEST | NLM_F_DUMP`.
const TYPE: u16 = 20;
const FLAGS: u16 = 0x301;
const DONE: u16 = 3;
/// `INET_DIAG_INFO`, `INET_DIAG_VEGASINFO` and `INET_DIAG_CONG`, as ss -i asks.
const INFO: u8 = 0b1110;
/// States as ss -a asks.
const STATES: u32 = 0xfff;
const HEADER: usize = 16;
/// `struct inet_diag_req_v2`.
const REQUEST: usize = 56;

/// What the hidden subcommand does.
pub fn run(options: &BareSsOptions) -> Result<()> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )
    .context("open a sock_diag socket")?;
    let mut buffer = vec![0; 64 * 1024];
    for family in [2u8, 10] {
        let request = request(family, options.info);
        let kernel = NetlinkAddr::new(0, 0);
        sendto(socket.as_raw_fd(), &request, &kernel, MsgFlags::empty())?;
        loop {
            let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            ensure!(length >= HEADER, "an answer of {length} bytes");
            // DONE comes in a message of its own or as the last one of a batch that begins with others.
            if ends(&buffer[..length]) {
                break;
            }
        }
    }
    Ok(())
}

fn ends(mut answer: &[u8]) -> bool {
    while let Some(head) = answer.first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if u16::from_ne_bytes([head[4], head[5]]) == DONE {
            return true;
        }
        if length < HEADER {
            return true;
        }
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    false
}

fn request(family: u8, info: bool) -> Vec<u8> {
    let length = u32::try_from(HEADER + REQUEST).unwrap_or(0);
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(TYPE.to_ne_bytes());
    bytes.extend(FLAGS.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 6, if info { INFO } else { 0 }, 0]);
    bytes.extend(STATES.to_ne_bytes());
    bytes.resize(HEADER + REQUEST, 0);
    bytes
}
