//! Names for numbers: kernel enumerators from BTF, errno, symbols; what is unknown prints as a number.

use crate::{event::Proto, line::Line};
use std::{collections::HashMap, net::SocketAddr};

/// Everything that turns numbers into names; filled before events are shown.
#[derive(Default)]
pub struct Names {
    /// `-n`: numbers only.
    pub numeric: bool,
    enums: HashMap<&'static str, HashMap<u32, String>>,
    services: Services,
    /// Kernel addresses seen so far.
    pub symbols: HashMap<u64, String>,
    /// Network namespaces by inode number.
    pub namespaces: HashMap<u32, String>,
}

/// The anonymous enumeration of TCP states, by its first enumerator.
pub const TCP_STATES: &str = "TCP_ESTABLISHED";

impl Names {
    pub fn new(numeric: bool) -> Self {
        Self {
            numeric,
            ..Self::default()
        }
    }

    /// Enumerators of a kernel enumeration, without the prefix they share.
    pub fn add_enum(&mut self, name: &'static str, prefix: &str, values: &[(u32, String)]) {
        let strip = |text: &String| text.strip_prefix(prefix).unwrap_or(text).to_owned();
        let names = values
            .iter()
            .map(|(value, text)| (*value, strip(text)))
            .collect();
        self.enums.insert(name, names);
    }

    /// Lines of /etc/services: port and protocol to name.
    pub fn add_services(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_ascii_whitespace();
            let (Some(name), Some((port, proto))) =
                (words.next(), words.next().and_then(|w| w.split_once('/')))
            else {
                continue;
            };
            let proto = match proto {
                "tcp" => 6,
                "udp" => 17,
                _ => continue,
            };
            if let Ok(port) = port.parse() {
                self.services.add(proto, port, name);
            }
        }
    }

    /// The enumerator's name, if this kernel has the enumeration and the value.
    pub fn enumerator(&self, of: &str, value: u32) -> Option<&str> {
        self.enums.get(of)?.get(&value).map(String::as_str)
    }

    pub fn tcp_state(&self, state: u8) -> &str {
        self.enumerator(TCP_STATES, u32::from(state)).unwrap_or("?")
    }

    /// Name of a network namespace, if it has one.
    pub fn netns(&self, inode: u32) -> Option<&str> {
        self.namespaces.get(&inode).map(String::as_str)
    }

    /// `addr:port`, the port by its service name unless numbers are wanted.
    pub fn endpoint(&self, line: &mut Line, addr: &SocketAddr, proto: Proto) {
        match self.services.get(proto.0, addr.port()) {
            Some(service) if !self.numeric => {
                if addr.is_ipv6() {
                    line.raw(b"[").ip(addr.ip()).raw(b"]:");
                } else {
                    line.ip(addr.ip()).raw(b":");
                }
                line.escaped(service.as_bytes());
            }
            _ => _ = line.socket(addr),
        }
    }
}

/// Names of ports. Most ports have none, which one bit tells.
#[derive(Default)]
struct Services {
    names: HashMap<(u16, u16), String>,
    /// Bit n: port n has a name, with some protocol.
    named: Vec<u64>,
}

impl Services {
    fn add(&mut self, proto: u16, port: u16, name: &str) {
        self.named.resize(1024, 0);
        self.named[usize::from(port / 64)] |= 1 << (port % 64);
        self.names
            .entry((proto, port))
            .or_insert_with(|| name.to_owned());
    }

    fn get(&self, proto: u16, port: u16) -> Option<&String> {
        let word = self.named.get(usize::from(port / 64))?;
        if word >> (port % 64) & 1 == 0 {
            return None;
        }
        self.names.get(&(proto, port))
    }
}

/// `ECONNREFUSED` and the like.
pub fn errno_name(errno: u32) -> &'static str {
    const NAMES: &[(i32, &str)] = &[
        (libc::EPERM, "EPERM"),
        (libc::EINTR, "EINTR"),
        (libc::EIO, "EIO"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::ENOMEM, "ENOMEM"),
        (libc::EACCES, "EACCES"),
        (libc::EINVAL, "EINVAL"),
        (libc::EPIPE, "EPIPE"),
        (libc::EPROTO, "EPROTO"),
        (libc::EMSGSIZE, "EMSGSIZE"),
        (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
        (libc::EOPNOTSUPP, "EOPNOTSUPP"),
        (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
        (libc::EADDRINUSE, "EADDRINUSE"),
        (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (libc::ENETDOWN, "ENETDOWN"),
        (libc::ENETUNREACH, "ENETUNREACH"),
        (libc::ENETRESET, "ENETRESET"),
        (libc::ECONNABORTED, "ECONNABORTED"),
        (libc::ECONNRESET, "ECONNRESET"),
        (libc::ENOBUFS, "ENOBUFS"),
        (libc::EISCONN, "EISCONN"),
        (libc::ENOTCONN, "ENOTCONN"),
        (libc::ETIMEDOUT, "ETIMEDOUT"),
        (libc::ECONNREFUSED, "ECONNREFUSED"),
        (libc::EHOSTDOWN, "EHOSTDOWN"),
        (libc::EHOSTUNREACH, "EHOSTUNREACH"),
        (libc::EALREADY, "EALREADY"),
        (libc::EINPROGRESS, "EINPROGRESS"),
        (libc::ENOPROTOOPT, "ENOPROTOOPT"),
        (libc::ENODEV, "ENODEV"),
        (libc::ENOKEY, "ENOKEY"),
        (libc::ESRCH, "ESRCH"),
        (libc::ENOENT, "ENOENT"),
        (libc::EBUSY, "EBUSY"),
    ];
    let number = i32::try_from(errno).unwrap_or(0);
    NAMES
        .iter()
        .find(|(n, _)| *n == number)
        .map_or("errno?", |(_, name)| *name)
}
