//! Packets of every kind, damaged in every place: a line comes out, and nothing a terminal acts on.

use super::*;
use jiff::tz::TimeZone;

fn lines(shown: Shown, link: LinkType, data: &[u8], wire: u32) -> String {
    let mut lines = Lines::new(shown, Stamps::new(TimeZone::UTC, false), Box::new(Numbers));
    let packet = Packet {
        time_ns: 1_700_000_000_123_456_000,
        data,
        wire,
        interface: 0,
    };
    lines.packet(link, &packet);
    String::from_utf8(lines.pending().to_vec()).unwrap()
}
