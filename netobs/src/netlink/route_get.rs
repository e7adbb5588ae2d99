//! The kernel's own answer to "where would a packet go?".

use super::{
    routes::{Context, HEADER, RTM_GETROUTE, Route, decode},
    socket::{Error, Request, Socket},
};
use std::net::IpAddr;

/// Tell the table that answered.
const RTM_F_LOOKUP_TABLE: u32 = 0x1000;

/// A packet that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub to: IpAddr,
    pub from: Option<IpAddr>,
    /// Interface it must leave by.
    pub oif: Option<u32>,
    /// Interface it came in by: it is forwarded.
    pub iif: Option<u32>,
    pub mark: Option<u32>,
    pub uid: Option<u32>,
}

impl Question {
    fn request(&self) -> Request {
        let (family, whole) = match self.to {
            IpAddr::V4(_) => (libc::AF_INET, 32),
            IpAddr::V6(_) => (libc::AF_INET6, 128),
        };
        let mut header = [0; HEADER];
        header[0] = u8::try_from(family).unwrap_or(0);
        header[1] = whole;
        header[2] = if self.from.is_some() { whole } else { 0 };
        header[8..12].copy_from_slice(&RTM_F_LOOKUP_TABLE.to_ne_bytes());
        let mut request = Request::get("ask for the route", RTM_GETROUTE, &header);
        let numbers = [
            (3, self.iif),
            (4, self.oif),
            (16, self.mark),
            (25, self.uid),
        ];
        request = with_address(request, 1, self.to);
        if let Some(from) = self.from {
            request = with_address(request, 2, from);
        }
        for (kind, value) in numbers {
            if let Some(value) = value {
                request = request.attr(kind, &value.to_ne_bytes());
            }
        }
        request
    }
}

fn with_address(request: Request, kind: u16, ip: IpAddr) -> Request {
    match ip {
        IpAddr::V4(v4) => request.attr(kind, &v4.octets()),
        IpAddr::V6(v6) => request.attr(kind, &v6.octets()),
    }
}

/// The route such a packet would take; the kernel's error is the answer too: unreachable, prohibited ...
pub fn ask(
    socket: &mut Socket,
    question: &Question,
    context: &Context<'_>,
) -> Result<Option<Route>, Error> {
    let answer = socket.one(&question.request())?;
    Ok(answer.and_then(|payload| decode(&payload, context)))
}
