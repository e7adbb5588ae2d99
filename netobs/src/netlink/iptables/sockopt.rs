//! The socket options by which legacy iptables reads its tables; no crate has them.

use crate::netlink::socket::Error;
use rustix::net::{AddressFamily, SocketType, ipproto, socket};
use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;

/// A raw socket of the family, by which the kernel takes these options.
pub struct Tables {
    fd: OwnedFd,
    level: libc::c_int,
}

impl Tables {
    pub fn open(v6: bool) -> Result<Self, Error> {
        let (family, level) = if v6 {
            (AddressFamily::INET6, libc::IPPROTO_IPV6)
        } else {
            (AddressFamily::INET, libc::IPPROTO_IP)
        };
        let fd = socket(family, SocketType::RAW, Some(ipproto::RAW))
            .map_err(|errno| failed("open a raw socket for iptables", errno.into()))?;
        Ok(Self { fd, level })
    }

    /// `struct ipt_getinfo`: the table's name goes in, its layout comes out.
    pub fn info(&self, request: &mut [u8]) -> Result<(), Error> {
        self.get(GET_INFO, request)
            .map_err(|error| failed("ask for the layout of an iptables table", error))
    }

    /// `struct ipt_get_entries`: name and size go in, the rules come out.
    pub fn entries(&self, request: &mut [u8]) -> Result<(), Error> {
        self.get(GET_ENTRIES, request)
            .map_err(|error| failed("read the rules of an iptables table", error))
    }

    fn get(&self, option: libc::c_int, buffer: &mut [u8]) -> io::Result<()> {
        let mut len = libc::socklen_t::try_from(buffer.len()).map_err(io::Error::other)?;
        let value = buffer.as_mut_ptr().cast();
        // SAFETY: `value` points to `len` writable bytes that live through the call; the kernel writes no more than `len`.
        let ret = unsafe {
            libc::getsockopt(self.fd.as_raw_fd(), self.level, option, value, &raw mut len)
        };
        if ret < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

fn failed(asked: &'static str, errno: io::Error) -> Error {
    Error {
        asked,
        errno,
        words: None,
    }
}
