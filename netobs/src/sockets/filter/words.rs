//! Words of a filter and where they stand.

/// What a word is to the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Not,
    And,
    Or,
    Open,
    Close,
    Eq,
    Ne,
    Ge,
    Le,
    Gt,
    Lt,
    /// A keyword or an operand: its place tells.
    Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub at: usize,
}

/// Words that begin a condition.
const KEYWORDS: [&str; 7] = ["dst", "src", "dport", "sport", "dev", "fwmark", "cgroup"];

fn kind(word: &str) -> Kind {
    match word {
        "!" | "not" => Kind::Not,
        "&" | "&&" | "and" => Kind::And,
        "|" | "||" | "or" => Kind::Or,
        "(" => Kind::Open,
        ")" => Kind::Close,
        "=" | "==" | "eq" => Kind::Eq,
        "!=" | "ne" | "neq" => Kind::Ne,
        ">=" | "ge" | "geq" => Kind::Ge,
        "<=" | "le" | "leq" => Kind::Le,
        ">" | "gt" => Kind::Gt,
        "<" | "lt" => Kind::Lt,
        _ => Kind::Word,
    }
}

/// Splits at white space as ss does, and also where ss wants a space that people leave out: `(sport=:22)`.
pub fn split(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    for piece in text.split([' ', '\t', '\n']) {
        split_piece(piece, at, &mut tokens);
        at += piece.len() + 1;
    }
    tokens
}

fn split_piece<'a>(piece: &'a str, mut at: usize, tokens: &mut Vec<Token<'a>>) {
    let mut rest = piece;
    let mut push = |text: &'a str, at| {
        if !text.is_empty() {
            let kind = kind(text);
            tokens.push(Token { kind, text, at });
        }
    };
    // A bracket that opens, or a negation, before a keyword; an operand may begin with neither.
    while rest.len() > 1 && (rest.starts_with('(') || (rest.starts_with('!') && rest != "!=")) {
        push(&rest[..1], at);
        (rest, at) = (&rest[1..], at + 1);
    }
    let mut closing = 0;
    while rest.len() > 1 && rest.ends_with(')') {
        closing += 1;
        rest = &rest[..rest.len() - 1];
    }
    let operator = |c: char| matches!(c, '=' | '!' | '<' | '>');
    let end = rest.find(operator).unwrap_or(rest.len());
    if KEYWORDS.contains(&&rest[..end]) && end < rest.len() {
        let value = rest[end..]
            .find(|c| !operator(c))
            .map_or(rest.len(), |n| end + n);
        push(&rest[..end], at);
        push(&rest[end..value], at + end);
        push(&rest[value..], at + value);
    } else {
        push(rest, at);
    }
    at += rest.len();
    for place in 0..closing {
        push(")", at + place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(&str, usize)> {
        split(text).into_iter().map(|t| (t.text, t.at)).collect()
    }

    #[test]
    fn spaces_may_be_left_out() {
        assert_eq!(words("a  b"), [("a", 0), ("b", 3)]);
        let tight = [("(", 0), ("sport", 1), ("=", 6), (":22", 7), (")", 10)];
        assert_eq!(words("(sport=:22)"), tight);
        assert_eq!(words("!(dst 1"), [("!", 0), ("(", 1), ("dst", 2), ("1", 6)]);
        assert_eq!(words("sport != :1"), [("sport", 0), ("!=", 6), (":1", 9)]);
        assert_eq!(words("src /a=b"), [("src", 0), ("/a=b", 4)]);
    }
}
