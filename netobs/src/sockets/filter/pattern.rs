//! Shell patterns on the paths of UNIX sockets: `*`, `?`, `[a-z]`, letters of either case.

/// Whether all of `text` matches, as fnmatch(3) with `FNM_CASEFOLD`; no recursion, so no pattern takes long.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and the text it has not swallowed yet.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match step(&pattern[p.min(pattern.len())..], text[t]) {
            Step::Star => {
                star = Some((p, t));
                p += 1;
            }
            Step::Same(length) => (p, t) = (p + length, t + 1),
            Step::Other => match star {
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    (p, t) = (at + 1, swallowed + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p.min(pattern.len())..]
        .iter()
        .all(|byte| *byte == b'*')
}

enum Step {
    Star,
    /// The byte fits; so many bytes of the pattern are used.
    Same(usize),
    Other,
}

fn step(pattern: &[u8], byte: u8) -> Step {
    let same = |fits: bool, length| {
        if fits {
            Step::Same(length)
        } else {
            Step::Other
        }
    };
    match pattern {
        [] => Step::Other,
        [b'*', ..] => Step::Star,
        [b'?', ..] => Step::Same(1),
        [b'\\', escaped, ..] => same(escaped.eq_ignore_ascii_case(&byte), 2),
        [b'[', inside @ ..] => match class(inside, byte) {
            Some((fits, length)) => same(fits, length + 1),
            None => same(byte == b'[', 1),
        },
        [plain, ..] => same(plain.eq_ignore_ascii_case(&byte), 1),
    }
}

/// Whether a class that begins after `[` has the byte, and its length with the `]`.
fn class(inside: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(inside.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let end = start + 1 + inside.get(start + 1..)?.iter().position(|b| *b == b']')?;
    let byte = byte.to_ascii_lowercase();
    let (mut at, mut found) = (start, false);
    while at < end {
        let low = inside[at].to_ascii_lowercase();
        if at + 2 < end && inside[at + 1] == b'-' {
            found |= (low..=inside[at + 2].to_ascii_lowercase()).contains(&byte);
            at += 3;
        } else {
            found |= low == byte;
            at += 1;
        }
    }
    Some((found != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_of_the_shell() {
        for (pattern, text, want) in [
            ("/run/*", "/run/a/b", true),
            ("*.sock", "/RUN/X.SOCK", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "Bx", true),
            ("[!a-c]x", "bx", false),
            ("[x", "[x", true),
            ("\\*", "*", true),
            ("", "", true),
            ("*", "", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                want,
                "{pattern} {text}"
            );
        }
        let hard = "*a".repeat(500) + "b";
        assert!(!matches(hard.as_bytes(), "a".repeat(5000).as_bytes()));
    }
}
