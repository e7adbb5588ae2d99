//! Speed and duplex of every interface, over ethtool's generic netlink (5.6): unlike /sys it answers for the thread's namespace.

use super::{
    attrs::{Attr, behind},
    socket::{Error, GENERIC, Request, Socket},
};
use std::collections::HashMap;

const CTRL_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const GENL_ID_CTRL: u16 = 16;
/// `struct genlmsghdr`.
const HEADER: usize = 4;

const LINKMODES_GET: u8 = 4;
const NLA_F_NESTED: u16 = 0x8000;
const LINKMODES_HEADER: u16 = 1;
const LINKMODES_SPEED: u16 = 5;
const LINKMODES_DUPLEX: u16 = 6;
const HEADER_DEV_INDEX: u16 = 1;
const SPEED_UNKNOWN: u32 = u32::MAX;

/// What ethtool says of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Mbit/s.
    pub speed: Option<u32>,
    pub duplex: Option<&'static str>,
}

/// Of every interface that has link modes, by index.
pub fn modes() -> Result<HashMap<u32, Mode>, Error> {
    let mut socket = Socket::open(GENERIC)?;
    let family = family(&mut socket, "ethtool")?;
    // The kernel answers for each device that can tell; NESTED is required since 5.10.
    let request = Request::dump(
        "ask ethtool for link modes",
        family,
        &[LINKMODES_GET, 1, 0, 0],
    )
    .attr(LINKMODES_HEADER | NLA_F_NESTED, &[]);
    let dump = socket.rows(&request, decode)?;
    Ok(dump.rows.into_iter().collect())
}

/// The number under which a generic family is known.
fn family(socket: &mut Socket, name: &str) -> Result<u16, Error> {
    let request = Request::get(
        "find ethtool's netlink family",
        GENL_ID_CTRL,
        &[CTRL_GETFAMILY, 1, 0, 0],
    )
    .text(CTRL_ATTR_FAMILY_NAME, name);
    let answer = socket.one(&request)?.unwrap_or_default();
    let id = behind(&answer, HEADER).find(|a| a.kind == CTRL_ATTR_FAMILY_ID);
    Ok(id.and_then(Attr::u16).unwrap_or(0))
}

fn decode(payload: &[u8]) -> Option<(u32, Mode)> {
    let (mut index, mut mode) = (None, Mode::default());
    for attr in behind(payload, HEADER) {
        match attr.kind {
            LINKMODES_HEADER => index = attr.find(HEADER_DEV_INDEX).and_then(Attr::u32),
            LINKMODES_SPEED => {
                mode.speed = attr.u32().filter(|s| *s != SPEED_UNKNOWN && *s != 0);
            }
            LINKMODES_DUPLEX => {
                mode.duplex = match attr.u8() {
                    Some(0) => Some("half"),
                    Some(1) => Some("full"),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    Some((index?, mode))
}
