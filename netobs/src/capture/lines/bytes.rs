//! The bytes of a packet under its line: `-A`, `-x`, `-X`, and with the link's header `-AA`, `-xx`, `-XX`.

use super::Lines;
use crate::{capture::link::LinkType, line::Line};

/// Which bytes are shown, and how.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    pub ascii: bool,
    pub hex: bool,
    pub both: bool,
    /// Of these, the form with the header of the link.
    pub link: bool,
}

impl Bytes {
    /// Then what nobody reads is not shown twice.
    pub(super) fn shows_hex(self) -> bool {
        self.hex || self.both
    }
}

const A_LINE: usize = 16;

impl Lines<'_> {
    pub(super) fn bytes(&mut self, data: &[u8], header: usize, link: LinkType) {
        let Bytes {
            ascii,
            hex,
            both,
            link: with_link,
        } = self.shown.bytes;
        let raw = matches!(link, LinkType::Raw | LinkType::RawV4 | LinkType::RawV6);
        let data = if with_link || raw {
            data
        } else {
            &data[header..]
        };
        if both {
            dump(&mut self.text, data, true);
        } else if hex {
            dump(&mut self.text, data, false);
        } else if ascii {
            letters(&mut self.text, data);
        }
    }
}

/// Hexadecimal in pairs, with letters beside it or not.
pub(super) fn dump(text: &mut Line, data: &[u8], with_letters: bool) {
    rows(text, "\n\t", data, with_letters);
}

/// The same, each row after `before`.
pub(super) fn rows(text: &mut Line, before: &str, data: &[u8], with_letters: bool) {
    for (row, bytes) in data.chunks(A_LINE).enumerate() {
        text.put(format_args!("{before}0x{:04x}:  ", row * A_LINE));
        let mut width = 0;
        for (at, byte) in bytes.iter().enumerate() {
            text.put(format_args!("{byte:02x}"));
            width += 2;
            if at % 2 == 1 && at + 1 < bytes.len() {
                text.raw(b" ");
                width += 1;
            }
        }
        if with_letters {
            // A line of all bytes takes 39 columns.
            text.put(format_args!("{:1$}  ", "", 39 - width));
            let shown: Vec<u8> = bytes.iter().map(|byte| letter(*byte)).collect();
            text.raw(&shown);
        }
    }
}

fn letter(byte: u8) -> u8 {
    if byte.is_ascii_graphic() { byte } else { b'.' }
}

fn letters(text: &mut Line, data: &[u8]) {
    text.raw(b"\n");
    let mut rest = data;
    while let [byte, after @ ..] = rest {
        rest = after;
        let shown = match byte {
            // A line of DOS and one of Unix end alike.
            b'\r' if after.first() == Some(&b'\n') => continue,
            b'\n' | b'\t' | b' ' => *byte,
            byte => letter(*byte),
        };
        text.raw(&[shown]);
    }
}
