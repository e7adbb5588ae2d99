//! What raw sockets hand over, read by the kind of socket.

use crate::probes::{
    net::{Answer, Proto},
    packet::read::{self, Received, Refusal},
};
use std::net::IpAddr;

/// Which of the sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Icmp,
    /// Of any protocol with ports but UDP.
    Ported,
    Udp,
}

/// An answer to probes of `proto`.
pub fn read_one(
    which: Which,
    proto: Proto,
    received: Received<'_>,
    to: IpAddr,
) -> Result<Answer, Refusal> {
    match (which, proto) {
        (Which::Ported, Proto::Tcp) => read::tcp(received, to),
        (Which::Ported, _) => read::ported(received, proto),
        (Which::Icmp | Which::Udp, _) => match read::icmp(received) {
            // About another program's protocol.
            Ok(answer)
                if matches!(answer.identity.proto, Proto::Other(_))
                    && answer.identity.proto != proto =>
            {
                Err(Refusal::Other)
            }
            other => other,
        },
    }
}

/// Where an IPv4 packet was sent to.
pub fn destination(packet: &[u8]) -> IpAddr {
    let addr: [u8; 4] = packet
        .get(16..20)
        .and_then(|addr| addr.try_into().ok())
        .unwrap_or_default();
    IpAddr::from(addr)
}
