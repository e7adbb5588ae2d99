//! PPP without framing: the protocol it names, and what negotiates.

use super::{Lines, Read, be16, from};

const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
const PAP: u16 = 0xc023;
const CHAP: u16 = 0xc223;

impl Lines<'_> {
    pub(super) fn ppp(&mut self, data: &[u8], length: usize) -> Read {
        let (kind, size) = protocol(data)?;
        let name = match kind {
            IPV4 => "IP",
            IPV6 => "IP6",
            0xc021 => "LCP",
            PAP => "PAP",
            CHAP => "CHAP",
            0x8021 => "IPCP",
            0x8057 => "IP6CP",
            _ => "unknown",
        };
        if self.shown.link {
            self.text
                .put(format_args!("{name} (0x{kind:04x}), length {length}: "));
        }
        let (inner, rest) = (from(data, size), length.saturating_sub(size));
        match kind {
            IPV4 => self.carried(0x0800, inner, rest),
            IPV6 => self.carried(0x86dd, inner, rest),
            _ => {
                self.say(name);
                if let [code, id, ..] = *inner {
                    let said = message(kind, code);
                    self.text
                        .put(format_args!(", {said} (0x{code:02x}), id {id}"));
                }
                self.text.put(format_args!(", length {length}"));
                Some(())
            }
        }
    }
}

/// What a header names, and its length: one byte if both ends agreed to that, which then is odd.
fn protocol(data: &[u8]) -> Option<(u16, usize)> {
    let first = *data.first()?;
    if first & 1 == 1 {
        return Some((first.into(), 1));
    }
    Some((be16(data, 0)?, 2))
}

fn message(kind: u16, code: u8) -> &'static str {
    let names: &[&str] = match kind {
        PAP => &["unknown", "Auth-Req", "Auth-ACK", "Auth-NACK"],
        CHAP => &["unknown", "Challenge", "Response", "Success", "Fail"],
        _ => &[
            "Vendor-Ext",
            "Conf-Request",
            "Conf-Ack",
            "Conf-Nack",
            "Conf-Reject",
            "Term-Request",
            "Term-Ack",
            "Code-Reject",
            "Prot-Reject",
            "Echo-Request",
            "Echo-Reply",
            "Discard",
        ],
    };
    names.get(usize::from(code)).unwrap_or(&"unknown")
}
