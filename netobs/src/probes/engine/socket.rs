//! Options and reading shared by all engines' sockets.

use super::{Discover, EngineError, Options};
use crate::event::Mono;
use nix::{
    cmsg_space,
    errno::Errno,
    setsockopt_impl, sockopt_impl,
    sys::socket::{
        ControlMessageOwned, MsgFlags, SetSockOpt, SockaddrStorage, recvmsg, setsockopt, sockopt,
    },
};
use socket2::Socket;
use std::{
    io::IoSliceMut,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd},
};

sockopt_impl!(
    /// Whether packets may be fragmented.
    MtuDiscover4,
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_MTU_DISCOVER,
    libc::c_int
);
sockopt_impl!(
    /// Whether packets may be fragmented.
    MtuDiscover6,
    SetOnly,
    libc::IPPROTO_IPV6,
    libc::IPV6_MTU_DISCOVER,
    libc::c_int
);

/// Room for the answers of a sweep; the kernel halves or refuses what its limits forbid.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Where to leave from.
pub fn apply(socket: &Socket, options: &Options) -> Result<(), EngineError> {
    if let Some(device) = &options.device {
        socket
            .bind_device(Some(device.as_bytes()))
            .map_err(|error| EngineError::socket(format!("use interface {device}"), error))?;
    }
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(|error| {
            EngineError::socket(format!("set mark {mark} (needs CAP_NET_ADMIN)"), error)
        })?;
    }
    if let Some(source) = options.source {
        socket
            .bind(&SocketAddr::new(source, 0).into())
            .map_err(|error| EngineError::socket(format!("use source address {source}"), error))?;
    }
    Ok(())
}

/// Type of service, and whether packets may be fragmented on the way.
pub fn dress(socket: &Socket, v4: bool, options: &Options) -> Result<(), EngineError> {
    let tos = i32::from(options.look.tos);
    if tos != 0 && v4 {
        set(socket, sockopt::Ipv4Tos, &tos)?;
    } else if tos != 0 {
        set(socket, sockopt::Ipv6TClass, &tos)?;
    }
    let (four, six) = match options.discover {
        Discover::System => return Ok(()),
        Discover::Want => (libc::IP_PMTUDISC_WANT, libc::IPV6_PMTUDISC_WANT),
        Discover::Dont => (libc::IP_PMTUDISC_DONT, libc::IPV6_PMTUDISC_DONT),
        Discover::Do => (libc::IP_PMTUDISC_DO, libc::IPV6_PMTUDISC_DO),
        Discover::Probe => (libc::IP_PMTUDISC_PROBE, libc::IPV6_PMTUDISC_PROBE),
    };
    if v4 {
        set(socket, MtuDiscover4, &four)
    } else {
        set(socket, MtuDiscover6, &six)
    }
}

pub fn set<O: SetSockOpt>(socket: &Socket, option: O, value: &O::Val) -> Result<(), EngineError> {
    setsockopt(socket, option, value)
        .map_err(|error| EngineError::socket("set a socket option", error))
}

/// A large receive buffer, if the system lets us.
pub fn widen(socket: &Socket) {
    if setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        // Without the privilege net.core.rmem_max bounds it: fewer answers fit, none is wrong.
        drop(socket.set_recv_buffer_size(RECEIVE_BUFFER));
    }
}

/// Kernel stamps for what comes in, and the hop limit it came with.
pub fn stamp_receiving(socket: &Socket, v4: bool, sending: bool) -> Result<(), EngineError> {
    use nix::sys::socket::TimestampingFlag as Flag;
    let mut flags = Flag::SOF_TIMESTAMPING_SOFTWARE | Flag::SOF_TIMESTAMPING_RX_SOFTWARE;
    if sending {
        // On entering the queue of the device: the stamp that drivers make comes after whoever else listens to the device.
        flags |= Flag::from_bits_retain(libc::SOF_TIMESTAMPING_TX_SCHED)
            | Flag::SOF_TIMESTAMPING_OPT_ID
            | Flag::SOF_TIMESTAMPING_OPT_TSONLY;
    }
    set(socket, sockopt::Timestamping, &flags)?;
    if v4 {
        set(socket, sockopt::Ipv4RecvTtl, &true)
    } else {
        set(socket, sockopt::Ipv6RecvHopLimit, &true)
    }
}

/// An error that the kernel keeps for a socket, or a stamp of sending.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub origin: u8,
    pub kind: u8,
    pub code: u8,
    pub info: u32,
    pub data: u32,
    /// Who sent the ICMP error.
    pub offender: Option<IpAddr>,
}

/// One message as it came.
#[derive(Debug, Default)]
pub struct Message {
    pub len: usize,
    pub from: Option<SocketAddr>,
    /// `CLOCK_REALTIME` of the kernel, nanoseconds.
    pub stamp: Option<u64>,
    pub ttl: Option<u8>,
    pub kept: Option<Kept>,
}

/// Reads messages into one buffer.
pub struct Reader {
    pub bytes: Vec<u8>,
    control: Vec<u8>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            bytes: vec![0; 1 << 16],
            control: cmsg_space!([u64; 6], i32, [u64; 8]),
        }
    }
}

impl Reader {
    /// The next message; none: nothing is there, or the socket has an error of its own, which the next send tells.
    pub fn next(&mut self, socket: &impl AsFd, errors: bool) -> Option<Message> {
        let mut flags = MsgFlags::MSG_DONTWAIT;
        if errors {
            flags |= MsgFlags::MSG_ERRQUEUE;
        }
        loop {
            let mut parts = [IoSliceMut::new(&mut self.bytes)];
            let fd = socket.as_fd().as_raw_fd();
            let got = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut self.control), flags);
            match got {
                Err(Errno::EINTR) => {}
                Err(_) => return None,
                Ok(got) => {
                    let mut message = Message {
                        len: got.bytes,
                        from: got.address.as_ref().and_then(address),
                        ..Message::default()
                    };
                    for control in got.cmsgs().into_iter().flatten() {
                        message.take(&control);
                    }
                    return Some(message);
                }
            }
        }
    }
}

impl Message {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only what was asked for comes; the rest is of no use"
    )]
    fn take(&mut self, control: &ControlMessageOwned) {
        match control {
            ControlMessageOwned::ScmTimestampsns(stamps) => {
                let seconds = stamps.system.tv_sec().unsigned_abs();
                let rest = stamps.system.tv_nsec().unsigned_abs();
                let ns = seconds * 1_000_000_000 + rest;
                self.stamp = (ns > 0).then_some(ns);
            }
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                self.ttl = u8::try_from(*ttl).ok();
            }
            ControlMessageOwned::Ipv4RecvErr(error, from) => {
                let offender = from
                    .filter(|from| i32::from(from.sin_family) == libc::AF_INET)
                    .map(|from| IpAddr::from(from.sin_addr.s_addr.to_ne_bytes()));
                self.kept = Some(kept(error, offender));
            }
            ControlMessageOwned::Ipv6RecvErr(error, from) => {
                let offender = from
                    .filter(|from| i32::from(from.sin6_family) == libc::AF_INET6)
                    .map(|from| IpAddr::from(from.sin6_addr.s6_addr));
                self.kept = Some(kept(error, offender));
            }
            _ => {}
        }
    }

    /// When it came, on the monotonic clock.
    pub fn at(&self, now: Mono, wall_offset_ns: u64) -> Mono {
        self.stamp
            .map_or(now, |stamp| Mono(stamp.wrapping_sub(wall_offset_ns)))
    }
}

fn kept(error: &libc::sock_extended_err, offender: Option<IpAddr>) -> Kept {
    Kept {
        origin: error.ee_origin,
        kind: error.ee_type,
        code: error.ee_code,
        info: error.ee_info,
        data: error.ee_data,
        offender,
    }
}

fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(SocketAddr::new(v6.ip().into(), v6.port()))
}
