//! Numbers out of lines of /proc: decimal and hexadecimal words between spaces.

/// The words of a line, one after the other.
pub struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    pub fn new(line: &'a [u8]) -> Self {
        Self(line)
    }

    pub fn next(&mut self) -> Option<&'a [u8]> {
        let start = self
            .0
            .iter()
            .position(|byte| *byte != b' ' && *byte != b'\t')?;
        let rest = &self.0[start..];
        let end = rest.iter().position(|byte| *byte == b' ' || *byte == b'\t');
        let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.0 = rest;
        Some(word)
    }

    pub fn skip(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.next().map(drop))
    }

    pub fn decimal(&mut self) -> Option<u64> {
        decimal(self.next()?)
    }

    pub fn hex(&mut self) -> Option<u64> {
        hex(self.next()?)
    }

    pub fn hex32(&mut self) -> Option<u32> {
        u32::try_from(self.hex()?).ok()
    }

    pub fn decimal32(&mut self) -> Option<u32> {
        u32::try_from(self.decimal()?).ok()
    }

    /// `AAAA:BBBB`, both hexadecimal.
    pub fn hex_pair(&mut self) -> Option<(u64, u64)> {
        let word = self.next()?;
        let colon = word.iter().position(|byte| *byte == b':')?;
        Some((hex(&word[..colon])?, hex(&word[colon + 1..])?))
    }

    /// What follows, without the space before it.
    pub fn rest(&self) -> &'a [u8] {
        self.0.strip_prefix(b" ").unwrap_or(self.0)
    }
}

pub fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        let value = (*digit as char).to_digit(16)?;
        Some(number << 4 | u64::from(value))
    })
}

pub fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
