//! Names for numbers: kernel enumerators from BTF, errno, symbols; what is unknown prints as a number.

use crate::{event::Proto, line::Line};
use std::{collections::HashMap, net::SocketAddr};

/// A hash for what is looked up in every event and nobody outside chooses.
pub type Fast = foldhash::fast::FixedState;

/// Everything that turns numbers into names; filled before events are shown.
#[derive(Default)]
pub struct Names {
    /// `-n`: numbers only.
    pub numeric: bool,
    enums: [Enumerators; Enumeration::ALL.len()],
    services: Services,
    /// Kernel addresses seen so far.
    pub symbols: HashMap<u64, String, Fast>,
    /// Network namespaces by inode number.
    pub namespaces: HashMap<u32, String, Fast>,
}

/// Enumerations of the kernel whose names are shown.
#[derive(Clone, Copy, Debug)]
pub enum Enumeration {
    DropReason,
    ResetReason,
    CongestionState,
    TcpState,
}

impl Enumeration {
    pub const ALL: [Self; 4] = [
        Self::DropReason,
        Self::ResetReason,
        Self::CongestionState,
        Self::TcpState,
    ];

    /// As the kernel's types name it; one without a name goes by its first enumerator.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropReason => "skb_drop_reason",
            Self::ResetReason => "sk_rst_reason",
            Self::CongestionState => "tcp_ca_state",
            Self::TcpState => "TCP_ESTABLISHED",
        }
    }

    /// What its enumerators begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::DropReason => "SKB_DROP_REASON_",
            Self::ResetReason => "SK_RST_REASON_",
            Self::CongestionState => "TCP_CA_",
            Self::TcpState => "TCP_",
        }
    }
}

/// Values with their names, in the order of the values.
#[derive(Default)]
struct Enumerators(Vec<(u32, String)>);

impl Enumerators {
    fn new(of: Enumeration, values: &[(u32, String)]) -> Self {
        let strip = |text: &str| text.strip_prefix(of.prefix()).unwrap_or(text).to_owned();
        let mut names: Vec<_> = values.iter().map(|(n, text)| (*n, strip(text))).collect();
        names.sort_by_key(|(value, _)| *value);
        names.dedup_by_key(|(value, _)| *value);
        Self(names)
    }

    fn get(&self, value: u32) -> Option<&str> {
        // Most enumerations count from 0 without gaps.
        let at = usize::try_from(value).ok()?;
        if let Some((here, name)) = self.0.get(at)
            && *here == value
        {
            return Some(name);
        }
        let at = self.0.binary_search_by_key(&value, |(n, _)| *n).ok()?;
        self.0.get(at).map(|(_, name)| name.as_str())
    }
}

impl Names {
    pub fn new(numeric: bool) -> Self {
        Self {
            numeric,
            ..Self::default()
        }
    }

    /// Enumerators as the kernel's types have them.
    pub fn add_enum(&mut self, of: Enumeration, values: &[(u32, String)]) {
        self.enums[of as usize] = Enumerators::new(of, values);
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
    pub fn enumerator(&self, of: Enumeration, value: u32) -> Option<&str> {
        self.enums[of as usize].get(value)
    }

    pub fn tcp_state(&self, state: u8) -> &str {
        self.enumerator(Enumeration::TcpState, u32::from(state))
            .unwrap_or("?")
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
