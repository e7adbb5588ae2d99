//! Ethernet and IPv6 addresses in the text of a filter: how far they go.

use super::lexer::{count, hex};

/// The forms of an Ethernet address, and how long it is here.
pub fn mac(rest: &[u8]) -> Option<([u8; 6], usize)> {
    let forms = [
        separated(rest, b':'),
        separated(rest, b'-'),
        separated(rest, b'.'),
        fours(rest),
    ];
    let plain = rest.get(..12).and_then(|bytes| {
        let digits: Vec<u8> = bytes.iter().filter_map(|b| nibble(*b)).collect();
        Some((join(&digits)?, 12))
    });
    let all = forms.into_iter().chain([plain]).flatten();
    all.max_by_key(|(_, len)| *len)
}

/// Six bytes of one or two digits.
fn separated(rest: &[u8], separator: u8) -> Option<([u8; 6], usize)> {
    let mut mac = [0; 6];
    let mut at = 0;
    for (index, byte) in mac.iter_mut().enumerate() {
        if index > 0 {
            (rest.get(at) == Some(&separator)).then_some(())?;
            at += 1;
        }
        let len = hex(rest, at).min(2);
        (len > 0).then_some(())?;
        // A third digit stands where the separator should, which refuses it.
        for digit in &rest[at..at + len] {
            *byte = *byte << 4 | nibble(*digit)?;
        }
        at += len;
    }
    Some((mac, at))
}

/// `aabb.ccdd.eeff`
fn fours(rest: &[u8]) -> Option<([u8; 6], usize)> {
    let bytes = rest.get(..14)?;
    (bytes[4] == b'.' && bytes[9] == b'.').then_some(())?;
    let digits = [&bytes[..4], &bytes[5..9], &bytes[10..14]].concat();
    let digits: Option<Vec<u8>> = digits.iter().map(|b| nibble(*b)).collect();
    Some((join(&digits?)?, 14))
}

fn join(digits: &[u8]) -> Option<[u8; 6]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    rest.is_empty().then(|| bytes.try_into().ok())?
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|n| u8::try_from(n).ok())
}

/// Bytes with colons after them, which are no address of any kind.
pub fn bad_mac(rest: &[u8]) -> usize {
    let (mut at, mut parts) = (0, 0);
    loop {
        let len = hex(rest, at).min(2);
        let colons = match len {
            0 => 0,
            _ => count(rest.get(at + len..).unwrap_or_default(), |b| b == b':'),
        };
        if colons == 0 {
            return if parts < 2 { 0 } else { at };
        }
        at += len + colons;
        parts += 1;
    }
}

/// How much of the text has the shape of an IPv6 address.
pub fn v6(text: &str) -> usize {
    const LONGEST: usize = 64;
    // No further: of nothing but colons, a long text would be counted to its end at each of them.
    let near = &text.as_bytes()[..text.len().min(LONGEST)];
    let run = count(near, |b| b.is_ascii_hexdigit() || b":.".contains(&b));
    // Zeros are left out in one place: no further than to the second.
    let left_out = |from: usize| text[from..run].find("::").map(|at| from + at + 1);
    let run = left_out(0).and_then(left_out).unwrap_or(run);
    let fits = |len: &usize| v6_shape(&text[..*len]);
    (2..=run).rev().find(fits).unwrap_or(0)
}

fn v6_shape(text: &str) -> bool {
    let group = |s: &str| (1..=4).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_hexdigit());
    let part = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let quad = |s: &str| s.split('.').count() == 4 && s.split('.').all(part);
    // How many groups, and whether an IPv4 address ends them.
    let groups = |s: &str| -> Option<(usize, bool)> {
        if s.is_empty() {
            return Some((0, false));
        }
        let parts: Vec<&str> = s.split(':').collect();
        let (last, first) = parts.split_last()?;
        let ended = quad(last);
        (first.iter().all(|s| group(s)) && (ended || group(last)))
            .then_some((first.len() + usize::from(!ended), ended))
    };
    match text.split_once("::") {
        None => matches!(groups(text), Some((8, false) | (6, true))),
        Some((left, right)) => match (groups(left), groups(right)) {
            (Some((a, false)), Some((b, ended))) => a + b <= if ended { 5 } else { 7 },
            _ => false,
        },
    }
}
