//! Text to tokens: of all readings that fit, the longest counts, as in libpcap.

use super::{
    addresses::{bad_mac, mac, v6},
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

/// How many bytes from the first on fit.
pub fn count(bytes: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| fits(**b)).count()
}

/// Hexadecimal digits from `at` on.
pub fn hex(rest: &[u8], at: usize) -> usize {
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
