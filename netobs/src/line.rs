//! One line of text under construction: no allocation per field, untrusted bytes escaped.

use crate::{event::Ends, names::Names};
use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// Lines waiting to be written, the last one under construction.
#[derive(Default)]
pub struct Line {
    buf: Vec<u8>,
    start: usize,
    /// Bytes of the line that take no column: colours.
    invisible: usize,
}

impl Line {
    pub fn begin(&mut self) {
        self.start = self.buf.len();
        self.invisible = 0;
    }

    pub fn end(&mut self) {
        while self.buf.len() > self.start && self.buf.last() == Some(&b' ') {
            self.buf.pop();
        }
        self.buf.push(b'\n');
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.buf
    }

    pub fn clear(&mut self) {
        self.buf.clear();
        self.start = 0;
    }

    /// Takes back what was written beyond `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.buf.truncate(length);
    }

    /// Goes to a column of the line, at least one space on.
    pub fn column(&mut self, column: usize) -> &mut Self {
        let here = self.buf.len() - self.start - self.invisible;
        let spaces = if here < column {
            column - here
        } else {
            usize::from(here > 0)
        };
        self.buf.resize(self.buf.len() + spaces, b' ');
        self
    }

    /// Bytes we chose ourselves.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.buf.extend_from_slice(bytes);
        self
    }

    /// Bytes that take no room on the screen.
    pub fn colour(&mut self, sequence: &str) -> &mut Self {
        self.invisible += sequence.len();
        self.raw(sequence.as_bytes())
    }

    /// Text that we made ourselves.
    pub fn put(&mut self, text: std::fmt::Arguments<'_>) -> &mut Self {
        self.buf
            .write_fmt(text)
            .expect("writing to memory does not fail");
        self
    }

    /// A word of ours after a space.
    pub fn word(&mut self, word: &str) -> &mut Self {
        self.buf.push(b' ');
        self.raw(word.as_bytes())
    }

    /// ` key=`, for a value to follow.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.word(key);
        self.raw(b"=")
    }

    pub fn number(&mut self, n: u64) -> &mut Self {
        let mut digits = itoa::Buffer::new();
        self.raw(digits.format(n).as_bytes())
    }

    pub fn hex(&mut self, n: u64) -> &mut Self {
        write!(self.buf, "{n:#x}").expect("writing to memory does not fail");
        self
    }

    /// Bytes from outside: what a terminal could act on is written `\xNN`.
    pub fn escaped(&mut self, bytes: &[u8]) -> &mut Self {
        if bytes
            .iter()
            .all(|b| (0x20..0x7f).contains(b) && *b != b'\\')
        {
            return self.raw(bytes);
        }
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.escaped_char(c);
            }
            for byte in chunk.invalid() {
                self.escaped_byte(*byte);
            }
        }
        self
    }

    fn escaped_char(&mut self, c: char) {
        let mut utf8 = [0; 4];
        if c == '\\' {
            self.raw(b"\\\\");
        } else if c.is_control() || is_format(c) {
            for byte in c.encode_utf8(&mut utf8).bytes() {
                self.escaped_byte(byte);
            }
        } else {
            self.raw(c.encode_utf8(&mut utf8).as_bytes());
        }
    }

    fn escaped_byte(&mut self, byte: u8) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        self.raw(b"\\x").raw(&digits);
    }

    /// `950ns` `12.3us` `4.56ms` `7.89s` `2m05s` `3h07m`.
    pub fn duration(&mut self, ns: u64) -> &mut Self {
        match ns {
            0..1_000 => self.number(ns).raw(b"ns"),
            1_000..1_000_000 => self.three_digits(ns, 1_000).raw(b"us"),
            1_000_000..1_000_000_000 => self.three_digits(ns, 1_000_000).raw(b"ms"),
            1_000_000_000..60_000_000_000 => self.three_digits(ns, 1_000_000_000).raw(b"s"),
            60_000_000_000..3_600_000_000_000 => self.two_parts(ns / 1_000_000_000, b"m", b"s"),
            _ => self.two_parts(ns / 60_000_000_000, b"h", b"m"),
        }
    }

    fn two_parts(&mut self, n: u64, first: &[u8], second: &[u8]) -> &mut Self {
        self.number(n / 60).raw(first);
        if n % 60 < 10 {
            self.raw(b"0");
        }
        self.number(n % 60).raw(second)
    }

    /// `512` `1.50K` `20.0M`: powers of 1024.
    pub fn bytes(&mut self, n: u64) -> &mut Self {
        match n {
            0..1_024 => self.number(n),
            1_024..1_048_576 => self.three_digits(n, 1 << 10).raw(b"K"),
            1_048_576..1_073_741_824 => self.three_digits(n, 1 << 20).raw(b"M"),
            _ => self.three_digits(n, 1 << 30).raw(b"G"),
        }
    }

    /// `n / unit` with three significant digits, rounded down.
    fn three_digits(&mut self, n: u64, unit: u64) -> &mut Self {
        let whole = n / unit;
        self.number(whole);
        let hundredths = n % unit * 100 / unit;
        match whole {
            0..10 if hundredths < 10 => self.raw(b".0").number(hundredths),
            0..10 => self.raw(b".").number(hundredths),
            10..100 => self.raw(b".").number(hundredths / 10),
            _ => self,
        }
    }

    pub fn ip(&mut self, addr: IpAddr) -> &mut Self {
        match addr {
            IpAddr::V4(v4) => self.dotted(v4, None),
            IpAddr::V6(v6) => {
                write!(self.buf, "{v6}").expect("writing to memory does not fail");
                self
            }
        }
    }

    /// `10.0.0.1:80`, `[fd00::1]:80`.
    pub fn socket(&mut self, addr: &SocketAddr) -> &mut Self {
        match addr.ip() {
            IpAddr::V4(v4) => self.dotted(v4, Some(addr.port())),
            IpAddr::V6(v6) => {
                self.raw(b"[").ip(v6.into()).raw(b"]:");
                self.number(u64::from(addr.port()))
            }
        }
    }

    /// `10.0.0.1`, `10.0.0.1:80`: put together first, as each piece added costs as much as its digits.
    fn dotted(&mut self, addr: Ipv4Addr, port: Option<u16>) -> &mut Self {
        let mut text = [b'.'; "255.255.255.255:65535".len()];
        let mut digits = itoa::Buffer::new();
        let mut end = 0;
        let mut put = |at: usize, number: &str| {
            text[at..at + number.len()].copy_from_slice(number.as_bytes());
            at + number.len()
        };
        for (nth, octet) in addr.octets().into_iter().enumerate() {
            end = put(end + usize::from(nth > 0), digits.format(octet));
        }
        if let Some(port) = port {
            let colon = end;
            end = put(colon + 1, digits.format(port));
            text[colon] = b':';
        }
        self.raw(&text[..end])
    }

    /// Bytes that `push` appends, all of our own choosing.
    pub fn with(&mut self, push: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        push(&mut self.buf);
        self
    }

    /// Two columns as wide as `ends`, for packets that have addresses only.
    pub fn addresses(&mut self, from: IpAddr, to: IpAddr) -> &mut Self {
        let here = self.buf.len() - self.start - self.invisible;
        self.ip(from).column(here + END_WIDTH).raw(b"-> ").ip(to);
        self.column(here + 2 * END_WIDTH + 2)
    }

    /// `local -> remote`, the remote end aligned.
    pub fn ends(&mut self, ends: &Ends, arrow: &str, names: &Names) -> &mut Self {
        let here = self.buf.len() - self.start - self.invisible;
        names.endpoint(self, &ends.local, ends.proto);
        self.column(here + END_WIDTH)
            .raw(arrow.as_bytes())
            .raw(b" ");
        let here = self.buf.len() - self.start - self.invisible;
        if ends.has_remote() {
            names.endpoint(self, &ends.remote, ends.proto);
        } else {
            self.raw(b"*");
        }
        self.column(here + END_WIDTH - 1)
    }
}

/// `255.255.255.255:65535` and a space.
const END_WIDTH: usize = 22;

/// Characters that change how others are shown: bidirectional overrides, zero-width and the like.
pub fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Line)) -> String {
        let mut line = Line::default();
        line.begin();
        write(&mut line);
        String::from_utf8(line.buf).unwrap()
    }

    #[test]
    fn durations_and_sizes_keep_three_digits() {
        for (ns, want) in [
            (950, "950ns"),
            (1_000, "1.00us"),
            (12_345, "12.3us"),
            (999_999, "999us"),
            (4_560_000, "4.56ms"),
            (7_890_000_000, "7.89s"),
            (125_000_000_000, "2m05s"),
            (11_220_000_000_000, "3h07m"),
        ] {
            assert_eq!(text(|l| _ = l.duration(ns)), want);
        }
        for (n, want) in [
            (0, "0"),
            (1023, "1023"),
            (1536, "1.50K"),
            (20 << 20, "20.0M"),
        ] {
            assert_eq!(text(|l| _ = l.bytes(n)), want);
        }
    }

    #[test]
    fn addresses_of_any_length() {
        for text in ["0.0.0.0", "10.0.0.1", "255.255.255.255", "fe80::1"] {
            let addr = text.parse().unwrap();
            assert_eq!(self::text(|l| _ = l.ip(addr)), text);
        }
        for text in ["1.2.3.4:0", "255.255.255.255:65535", "[2001:db8::1]:443"] {
            let addr = text.parse().unwrap();
            assert_eq!(self::text(|l| _ = l.socket(&addr)), text);
        }
    }

    #[test]
    fn untrusted_bytes_cannot_reach_a_terminal() {
        assert_eq!(
            text(|l| _ = l.escaped(b"\x1b[31mred\x07")),
            "\\x1b[31mred\\x07"
        );
        assert_eq!(
            text(|l| _ = l.escaped("a\u{202e}b".as_bytes())),
            "a\\xe2\\x80\\xaeb"
        );
        assert_eq!(text(|l| _ = l.escaped(b"\xff\\")), "\\xff\\\\");
        assert_eq!(text(|l| _ = l.escaped("größe".as_bytes())), "größe");
        // C1 control characters are escape sequences of one character.
        assert_eq!(text(|l| _ = l.escaped("\u{9b}".as_bytes())), "\\xc2\\x9b");
    }
}
