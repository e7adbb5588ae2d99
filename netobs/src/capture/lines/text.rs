//! Protocols that are lines of text: the first line, or with `-v` all of them.

use super::Lines;

/// Requests of HTTP, `WebDAV` included.
const METHODS: [&str; 38] = [
    "GET",
    "PUT",
    "COPY",
    "HEAD",
    "LOCK",
    "MOVE",
    "POLL",
    "POST",
    "BCOPY",
    "BMOVE",
    "MKCOL",
    "TRACE",
    "LABEL",
    "MERGE",
    "DELETE",
    "SEARCH",
    "UNLOCK",
    "REPORT",
    "UPDATE",
    "NOTIFY",
    "BDELETE",
    "CONNECT",
    "OPTIONS",
    "CHECKIN",
    "PROPFIND",
    "CHECKOUT",
    "CCM_POST",
    "SUBSCRIBE",
    "PROPPATCH",
    "BPROPFIND",
    "BPROPPATCH",
    "UNCHECKOUT",
    "MKACTIVITY",
    "MKWORKSPACE",
    "UNSUBSCRIBE",
    "RPC_CONNECT",
    "VERSION-CONTROL",
    "BASELINE-CONTROL",
];

/// What stands at the beginning of text.
enum First<'a> {
    Line(&'a [u8], &'a [u8]),
    /// Text that does not end here.
    Cut(&'a [u8]),
    /// No text.
    Binary,
}

impl Lines<'_> {
    /// One line that is text, before all that is not; with `-v`, too, it stays in the line of the packet.
    pub(super) fn version(&mut self, name: &str, data: &[u8]) {
        if let First::Line(line, _) = first(data) {
            self.say(": ");
            self.say(name);
            self.say(": ");
            self.text.escaped(line);
        }
    }

    pub(super) fn text_protocol(&mut self, name: &str, data: &[u8], length: usize) {
        self.say(": ");
        self.say(name);
        // The middle of a body is no news.
        if name == "HTTP" && !begins_http(data) {
            return;
        }
        let verbose = self.shown.verbose > 0;
        if verbose {
            self.text.put(format_args!(", length: {length}"));
        }
        let before = if verbose { "\n\t" } else { ": " };
        let mut rest = data;
        while !rest.is_empty() {
            match first(rest) {
                First::Binary => return,
                First::Cut(line) => {
                    self.say(before);
                    self.text.escaped(line);
                    self.cut(&name.to_ascii_lowercase());
                    return;
                }
                First::Line(line, after) => {
                    self.say(before);
                    self.text.escaped(line);
                    rest = after;
                }
            }
            if !verbose {
                return;
            }
        }
    }
}

fn first(data: &[u8]) -> First<'_> {
    let printable = |byte: &u8| byte.is_ascii_graphic() || b" \t".contains(byte);
    let end = data.iter().position(|byte| !printable(byte));
    let Some(end) = end else {
        return First::Cut(data);
    };
    match &data[end..] {
        [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => First::Line(&data[..end], after),
        _ => First::Binary,
    }
}

/// A request, or a version and a status of three digits.
fn begins_http(data: &[u8]) -> bool {
    let mut words = data.split(u8::is_ascii_whitespace);
    let first = words.next().unwrap_or_default();
    let method = METHODS
        .iter()
        .any(|method| method.as_bytes().eq_ignore_ascii_case(first));
    let status = words.find(|word| !word.is_empty()).unwrap_or_default();
    method || status.len() == 3 && status.iter().all(u8::is_ascii_digit)
}
