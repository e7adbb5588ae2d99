//! TCP, UDP, UDP-Lite, raw, MPTCP, SCTP and DCCP sockets: `inet_diag`.

use super::{
    DiagError, SockDiag,
    attributes::{self, Attributes, u8_of, u32_of, u64_of},
    congestion,
    wire::{InetMessage, InetRequest, SocketId, cookie},
};
use crate::socket::{End, Family, Flow, Row, State, Table, TcpInfo, Timer, Want};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Bits of `idiag_ext`: one below the attribute's number.
const EXT_MEMINFO: u8 = 1 << 0;
const EXT_INFO: u8 = 1 << 1;
const EXT_VEGASINFO: u8 = 1 << 2;
const EXT_CONG: u8 = 1 << 3;
const EXT_TOS: u8 = 1 << 4;
const EXT_TCLASS: u8 = 1 << 5;
const EXT_SKMEMINFO: u8 = 1 << 6;

/// `INET_DIAG_REQ_BYTECODE`, `INET_DIAG_REQ_PROTOCOL`.
const REQ_BYTECODE: u16 = 1;
const REQ_PROTOCOL: u16 = 3;

impl SockDiag {
    /// Tells one table of one family.
    pub fn inet(
        &mut self,
        table: Table,
        family: Family,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, DiagError> {
        let Some((number, name)) = table.protocol() else {
            return Ok(Flow::More);
        };
        let request = request(number, family, want);
        let code = attribute(REQ_BYTECODE, &want.bytecode);
        let extended = attribute(REQ_PROTOCOL, number.as_bytes());
        let mut parts = vec![request.as_bytes()];
        if !want.bytecode.is_empty() {
            parts.push(&code);
        }
        if number > 255 {
            parts.push(&extended);
        }
        row.netns = self.netns;
        let listens_twice = matches!(table, Table::Sctp);
        self.dump(name, &parts, |payload, once| {
            let Ok((message, attributes)) = InetMessage::ref_from_prefix(payload) else {
                return Flow::More;
            };
            // An SCTP endpoint and its associations share a cookie.
            if !listens_twice && !once.is_new(key(message)) {
                return Flow::More;
            }
            row.reset();
            row.table = table;
            fill(row, message);
            fill_attributes(row, attributes);
            visit(row)
        })
    }
}

fn request(number: u32, family: Family, want: &Want) -> InetRequest {
    let mut ext = 0;
    if want.info {
        ext |= EXT_INFO | EXT_VEGASINFO | EXT_CONG;
    }
    if want.memory {
        ext |= EXT_MEMINFO | EXT_SKMEMINFO;
    }
    if want.tos {
        ext |= EXT_TOS | EXT_TCLASS;
    }
    let family = if family == Family::Inet6 {
        libc::AF_INET6
    } else {
        libc::AF_INET
    };
    InetRequest {
        family: u8::try_from(family).unwrap_or(0),
        protocol: u8::try_from(number).unwrap_or(0),
        ext,
        pad: 0,
        states: want.states.0,
        id: SocketId::new_zeroed(),
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(4 + value.len());
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// What makes a socket the same: its addresses, which a TIME_WAIT socket inherits; the cookie where many may share one.
#[inline]
fn key(message: &InetMessage) -> u64 {
    let id = &message.id;
    let shared = matches!(State(message.state), State::LISTEN | State::CLOSE);
    if shared || id.dport.get() == 0 {
        return cookie(id.cookie).max(1);
    }
    let mut hash = u64::from(id.sport.get()) << 32 | u64::from(id.dport.get()) << 48;
    hash ^= u64::from(id.ifindex);
    for (a, b) in id.src.iter().zip(&id.dst) {
        let pair = u64::from(a.get()) << 32 | u64::from(b.get());
        hash = (hash ^ pair).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 32;
    }
    hash.max(1)
}

#[inline]
fn fill(row: &mut Row, message: &InetMessage) {
    let id = &message.id;
    let v6 = i32::from(message.family) == libc::AF_INET6;
    row.family = if v6 { Family::Inet6 } else { Family::Inet };
    row.state = State(message.state);
    row.local = End {
        ip: address(v6, &id.src),
        port: u32::from(id.sport.get()),
    };
    row.remote = End {
        ip: address(v6, &id.dst),
        port: u32::from(id.dport.get()),
    };
    row.ifindex = id.ifindex;
    row.recvq = message.rqueue;
    row.sendq = message.wqueue;
    row.backlog_known = row.state == State::LISTEN;
    row.uid = Some(message.uid);
    row.inode = message.inode;
    row.cookie = Some(cookie(id.cookie));
    row.timer = Timer {
        kind: message.timer,
        expires_ms: message.expires_ms,
        retrans: message.retrans,
    };
}

#[inline]
pub fn address(v6: bool, words: &[zerocopy::byteorder::network_endian::U32; 4]) -> IpAddr {
    if v6 {
        let bytes: [u8; 16] = zerocopy::transmute!(*words);
        IpAddr::V6(Ipv6Addr::from(bytes))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(words[0].get()))
    }
}

#[inline]
pub(super) fn fill_attributes(row: &mut Row, bytes: &[u8]) {
    for (kind, value) in Attributes(bytes) {
        match kind {
            1 => row.old_memory = Some(attributes::words(value)),
            2 if row.table == Table::Mptcp => row.inet.mptcp = Some(congestion::mptcp(value)),
            2 if matches!(row.table, Table::Tcp | Table::Dccp) => {
                row.tcp = Some(TcpInfo::from_prefix(value));
            }
            7 => row.memory = Some(attributes::memory(value)),
            8 => row.inet.shutdown = u8_of(value),
            11 => row.v6only = u8_of(value).map(|v| v != 0),
            15 => row.mark = u32_of(value),
            21 => row.cgroup = u64_of(value),
            22 => row.inet.sockopt = value.first_chunk().copied(),
            _ => fill_rare(row, kind, value),
        }
    }
}

fn fill_rare(row: &mut Row, kind: u16, value: &[u8]) {
    let inet = &mut row.inet;
    match kind {
        3 => inet.congestion_info = congestion::vegas(value),
        4 => inet.congestion = attributes::short_name(value),
        5 => inet.tos = u8_of(value),
        6 => inet.tclass = u8_of(value),
        9 => inet.congestion_info = congestion::dctcp(value),
        10 => inet.raw_protocol = u8_of(value),
        16 => inet.congestion_info = congestion::bbr(value),
        17 => inet.class_id = u32_of(value),
        18 => congestion::md5_keys(value, &mut inet.md5_keys),
        19 => congestion::upper_layer(value, inet),
        _ => {}
    }
}

/// The address part of a message, to name the same socket in another request.
pub(super) fn id_of(row: &Row) -> SocketId {
    let words = |ip: IpAddr| -> [zerocopy::byteorder::network_endian::U32; 4] {
        let mut bytes = [0; 16];
        match ip {
            IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => bytes = v6.octets(),
        }
        zerocopy::transmute!(bytes)
    };
    let port = |end: &End| u16::try_from(end.port).unwrap_or(0).into();
    let cookie = row.cookie.unwrap_or(u64::MAX).to_ne_bytes();
    SocketId {
        sport: port(&row.local),
        dport: port(&row.remote),
        src: words(row.local.ip),
        dst: words(row.remote.ip),
        ifindex: row.ifindex,
        cookie: zerocopy::transmute!(cookie),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_row() {
        let mut message = InetMessage::new_zeroed();
        message.family = 2;
        message.state = 1;
        message.id.sport = 443.into();
        message.id.src[0] = 0x7f00_0001.into();
        message.inode = 7;
        let mut row = Row::default();
        fill(&mut row, &message);
        let mut bytes = attribute(11, &[1]);
        bytes.resize(8, 0);
        bytes.extend(attribute(21, &9u64.to_ne_bytes()));
        bytes.extend([0xff, 0xff, 1]);
        fill_attributes(&mut row, &bytes);
        assert_eq!(row.local.port, 443);
        assert_eq!(row.local.ip.to_string(), "127.0.0.1");
        assert_eq!(
            (row.v6only, row.cgroup, row.inode),
            (Some(true), Some(9), 7)
        );
        assert_eq!(id_of(&row).sport.get(), 443);
    }
}
