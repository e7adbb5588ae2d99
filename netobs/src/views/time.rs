//! Times of events: the date is worked out once a second, the fraction for each event.

use crate::{event::Mono, wall::Wall};
use jiff::{Timestamp, tz::TimeZone};

/// Monotonic to wall-clock time, and its text.
pub struct Clock {
    wall: Wall,
    zone: TimeZone,
    second: u64,
    /// `HH:MM:SS` local, and `YYYY-MM-DDTHH:MM:SS` UTC.
    local: String,
    utc: String,
}

impl Clock {
    pub fn new(wall: Wall, zone: TimeZone) -> Self {
        Self {
            wall,
            zone,
            second: u64::MAX,
            local: String::new(),
            utc: String::new(),
        }
    }

    /// The wall clock may be set while we run: to be called whenever events were taken.
    pub fn look(&mut self) {
        self.wall.look();
    }

    /// Local `HH:MM:SS.micros`.
    pub fn push_local(&mut self, buf: &mut Vec<u8>, at: Mono) {
        let ns = self.turn(at);
        buf.extend_from_slice(self.local.as_bytes());
        push_fraction(buf, ns / 1000, 6);
    }

    /// RFC 3339, UTC, nanoseconds.
    pub fn push_utc(&mut self, buf: &mut Vec<u8>, at: Mono) {
        let ns = self.turn(at);
        buf.extend_from_slice(self.utc.as_bytes());
        push_fraction(buf, ns, 9);
        buf.push(b'Z');
    }

    /// Brings the texts to the second of `at`; returns the nanoseconds in it.
    fn turn(&mut self, at: Mono) -> u64 {
        let wall = self.wall.wall(at);
        let second = wall / 1_000_000_000;
        if second != self.second {
            self.second = second;
            let time = Timestamp::from_second(second.cast_signed()).unwrap_or_default();
            self.local = time
                .to_zoned(self.zone.clone())
                .strftime("%H:%M:%S")
                .to_string();
            self.utc = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        wall % 1_000_000_000
    }
}

fn push_fraction(buf: &mut Vec<u8>, mut n: u64, digits: usize) {
    let start = buf.len();
    buf.resize(start + digits + 1, b'0');
    buf[start] = b'.';
    for at in (start + 1..=start + digits).rev() {
        buf[at] = b'0' + u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_keep_their_zeros() {
        let mut clock = Clock::new(Wall::new(Mono(0), 1_700_000_000_000_000_000), TimeZone::UTC);
        let mut buf = Vec::new();
        clock.push_utc(&mut buf, Mono(1_000_000_042));
        assert_eq!(buf, b"2023-11-14T22:13:21.000000042Z");
        buf.clear();
        clock.push_local(&mut buf, Mono(1_000_042_999));
        assert_eq!(buf, b"22:13:21.000042");
    }
}
