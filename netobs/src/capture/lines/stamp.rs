//! Times before each line: `-t` to `-ttttt`.

use crate::line::Line;
use jiff::{Timestamp, tz::TimeZone};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    #[default]
    Clock,
    /// `-t`
    None,
    /// `-tt`: seconds since 1970.
    Seconds,
    /// `-ttt`: since the packet before.
    Delta,
    /// `-tttt`: with the date.
    Date,
    /// `-ttttt`: since the first packet.
    SinceFirst,
}

pub struct Stamps {
    zone: TimeZone,
    /// `--nano`
    nanoseconds: bool,
    /// The second whose text is known.
    second: u64,
    clock: String,
    first: Option<u64>,
    last: Option<u64>,
}

const SECOND: u64 = 1_000_000_000;

impl Stamps {
    pub fn new(zone: TimeZone, nanoseconds: bool) -> Self {
        Self {
            zone,
            nanoseconds,
            second: u64::MAX,
            clock: String::new(),
            first: None,
            last: None,
        }
    }

    pub(super) fn push(&mut self, text: &mut Line, stamp: Stamp, time_ns: u64) {
        let since = match stamp {
            Stamp::SinceFirst => Some(self.first),
            Stamp::Delta => Some(self.last),
            Stamp::Clock | Stamp::None | Stamp::Seconds | Stamp::Date => None,
        };
        self.first.get_or_insert(time_ns);
        self.last = Some(time_ns);
        match (stamp, since) {
            (Stamp::None, _) => return,
            (Stamp::Seconds, _) => {
                text.number(time_ns / SECOND);
            }
            (_, Some(since)) => {
                let since = since.unwrap_or(time_ns);
                let (sign, passed) = if time_ns < since {
                    (b"-", since - time_ns)
                } else {
                    (b" ", time_ns - since)
                };
                let seconds = passed / SECOND;
                text.raw(sign).put(format_args!(
                    "{:02}:{:02}:{:02}",
                    seconds / 3600,
                    seconds / 60 % 60,
                    seconds % 60
                ));
                self.fraction(text, passed);
                text.raw(b" ");
                return;
            }
            _ => {
                self.turn(stamp, time_ns / SECOND);
                text.raw(self.clock.as_bytes());
            }
        }
        self.fraction(text, time_ns);
        text.raw(b" ");
    }

    /// Works the clock out once a second.
    fn turn(&mut self, stamp: Stamp, second: u64) {
        if second == self.second {
            return;
        }
        self.second = second;
        let time = Timestamp::from_second(second.cast_signed()).unwrap_or_default();
        let format = if stamp == Stamp::Date {
            "%Y-%m-%d %H:%M:%S"
        } else {
            "%H:%M:%S"
        };
        self.clock = time
            .to_zoned(self.zone.clone())
            .strftime(format)
            .to_string();
    }

    fn fraction(&self, text: &mut Line, ns: u64) {
        let (mut rest, digits) = if self.nanoseconds {
            (ns % SECOND, 9)
        } else {
            (ns % SECOND / 1000, 6)
        };
        let mut bytes = [b'0'; 10];
        bytes[0] = b'.';
        for at in (1..=digits).rev() {
            bytes[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        text.raw(&bytes[..=digits]);
    }
}
