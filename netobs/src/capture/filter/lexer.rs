//! Text to tokens: of all readings that fit, the longest counts, as in libpcap.

use super::{
    error::{FilterError, Span},
    words::{self, Word},
};
use std::net::Ipv6Addr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(Word),
    Number(u32),
    /// A name, or what only its place explains: `ssh`, `80-90`.
    Id(String),
    Dotted(String),
    V6(Ipv6Addr),
    Mac([u8; 6]),
    Arcnet,
    Symbol(u8),
    AtLeast,
    AtMost,
    Unequal,
    ShiftLeft,
    ShiftRight,
    End,
}

/// Longest expression that is read.
const MOST: usize = 1 << 16;

pub fn tokens(text: &str) -> Result<Vec<(Token, Span)>, FilterError> {
    if text.len() > MOST {
        let what = format!("the expression is longer than {MOST} bytes");
        return Err(FilterError::whole(what));
    }
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if b" \r\n\t".contains(byte) {
            at += 1;
            continue;
        }
        let (token, len) = token(text, at)?;
        tokens.push((token, (at, at + len)));
        at += len;
    }
    tokens.push((Token::End, (at, at)));
    Ok(tokens)
}

/// Kinds of token in the order in which they win when equally long.
#[derive(Clone, Copy)]
enum Kind {
    Keyword,
    Mac,
    Number,
    Dotted,
    V6,
    BadMac,
    Id,
}

fn token(text: &str, at: usize) -> Result<(Token, usize), FilterError> {
    let rest = &text.as_bytes()[at..];
    if let Some(found) = symbol(rest) {
        return Ok(found);
    }
    if rest[0] == b'\\' {
        let len = 1 + count(&rest[1..], |b| !b" !()\n\t".contains(&b));
        let name = text.get(at + 1..at + len).unwrap_or_default();
        return if len > 1 {
            Ok((Token::Id(name.to_owned()), len))
        } else {
            Err(FilterError::new("expected a name after '\\'", (at, at + 1)))
        };
    }
    if rest[0] == b'$' && hex(rest, 1) > 0 {
        return Ok((Token::Arcnet, 1 + hex(rest, 1).min(2)));
    }
    let id = id(rest);
    let readings = [
        (Kind::Keyword, keyword(&text[at..at + id]).map_or(0, |_| id)),
        (Kind::Mac, mac(rest).map_or(0, |(_, len)| len)),
        (Kind::Number, digits(rest)),
        (Kind::Dotted, dotted(rest)),
        (Kind::V6, v6(&text[at..])),
        (Kind::BadMac, bad_mac(rest)),
        (Kind::Id, id),
    ];
    // The last of equal ones wins `max_by_key`: so from behind.
    let longest = readings.into_iter().rev().max_by_key(|(_, len)| *len);
    let (kind, len) = longest.unwrap_or((Kind::Id, 0));
    let span = (at, at + len.max(1));
    let found = text.get(at..at + len).unwrap_or_default();
    let token = match kind {
        _ if len == 0 => {
            let wide = text[at..].chars().next().map_or(1, char::len_utf8);
            let what = "expected a word, a number or an address";
            return Err(FilterError::new(what, (at, at + wide)));
        }
        Kind::Keyword => keyword(found),
        Kind::Mac => mac(rest).map(|(mac, _)| Token::Mac(mac)),
        Kind::Number => Some(Token::Number(number(found, span)?)),
        Kind::Dotted => Some(Token::Dotted(found.to_owned())),
        Kind::V6 => match found.parse() {
            Ok(addr) => Some(Token::V6(addr)),
            Err(_) => return Err(FilterError::new("expected an IPv6 address", span)),
        },
        Kind::BadMac => return Err(FilterError::new("expected an Ethernet address", span)),
        Kind::Id => Some(Token::Id(found.to_owned())),
    };
    token
        .map(|token| (token, len))
        .ok_or_else(|| FilterError::new("expected a word", span))
}

fn symbol(rest: &[u8]) -> Option<(Token, usize)> {
    let two = match rest.get(..2) {
        Some(b">=") => Some(Token::AtLeast),
        Some(b"<=") => Some(Token::AtMost),
        Some(b"!=") => Some(Token::Unequal),
        Some(b"==") => Some(Token::Symbol(b'=')),
        Some(b"<<") => Some(Token::ShiftLeft),
        Some(b">>") => Some(Token::ShiftRight),
        Some(b"&&") => Some(Token::Word(Word::And)),
        Some(b"||") => Some(Token::Word(Word::Or)),
        _ => None,
    };
    if let Some(token) = two {
        return Some((token, 2));
    }
    if rest[0] == b'!' {
        return Some((Token::Word(Word::Not), 1));
    }
    // An address may begin with a colon.
    let address = rest[0] == b':' && rest.get(1) == Some(&b':');
    (b"+-*/%:[]<>()&|^=".contains(&rest[0]) && !address).then(|| (Token::Symbol(rest[0]), 1))
}

fn keyword(text: &str) -> Option<Token> {
    let word = words::word(text).map(Token::Word);
    word.or_else(|| words::number(text).map(Token::Number))
}

fn count(bytes: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| fits(**b)).count()
}

/// Hexadecimal digits from `at` on.
fn hex(rest: &[u8], at: usize) -> usize {
    count(rest.get(at..).unwrap_or_default(), |b| {
        b.is_ascii_hexdigit()
    })
}

fn id(rest: &[u8]) -> usize {
    if !rest[0].is_ascii_alphanumeric() {
        return 0;
    }
    let mut len = count(rest, |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    while b"-_".contains(&rest[len - 1]) {
        len -= 1; // a name does not end so
    }
    len
}

/// Decimal, octal or hexadecimal digits.
fn digits(rest: &[u8]) -> usize {
    if matches!(rest, [b'0', b'x' | b'X', d, ..] if d.is_ascii_hexdigit()) {
        return 2 + hex(rest, 2);
    }
    count(rest, |b| b.is_ascii_digit())
}

fn number(text: &str, span: Span) -> Result<u32, FilterError> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    u32::from_str_radix(digits, radix).map_err(|_| {
        let what = if radix == 8 && digits.contains(['8', '9']) {
            "expected an octal number, as it begins with 0"
        } else {
            "expected a number of at most 32 bits"
        };
        FilterError::new(what, span)
    })
}

/// Two to four numbers with dots between them.
fn dotted(rest: &[u8]) -> usize {
    let mut len = digits(rest);
    let mut parts = usize::from(len > 0);
    while (1..4).contains(&parts) && rest.get(len) == Some(&b'.') {
        let more = digits(rest.get(len + 1..).unwrap_or_default());
        if more == 0 {
            break;
        }
        len += 1 + more;
        parts += 1;
    }
    if parts < 2 { 0 } else { len }
}

/// The forms of an Ethernet address, and how long it is here.
fn mac(rest: &[u8]) -> Option<([u8; 6], usize)> {
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
        // Before a separator all digits must be taken.
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
fn bad_mac(rest: &[u8]) -> usize {
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
fn v6(text: &str) -> usize {
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
