//! What is wrong with an expression, and where.

use std::fmt;

/// A part of the expression: bytes from, to.
pub type Span = (usize, usize);

/// An expression that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// What is wrong, in words.
    pub what: String,
    /// Which bytes of the expression it is about; none when it is about the whole.
    pub at: Option<Span>,
    pub expression: String,
}

impl FilterError {
    pub fn new(what: impl Into<String>, at: Span) -> Self {
        Self {
            what: what.into(),
            at: Some(at),
            expression: String::new(),
        }
    }

    pub fn whole(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            at: None,
            expression: String::new(),
        }
    }

    /// With the expression it is about, to be shown.
    #[must_use]
    pub fn of(mut self, expression: &str) -> Self {
        expression.clone_into(&mut self.expression);
        self
    }
}

/// Longest part of an expression that is shown.
const SHOWN: usize = 60;

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((from, to)) = self.at else {
            return write!(f, "filter: {}", self.what);
        };
        let before = self.expression.get(..from).unwrap_or_default();
        write!(
            f,
            "filter, column {}: {}",
            before.chars().count() + 1,
            self.what
        )?;
        let found = self.expression.get(from..to).unwrap_or_default();
        let found: String = found.chars().take(SHOWN).collect();
        if found.is_empty() {
            write!(f, ", found the end")
        } else {
            write!(f, ", found '{}'", found.escape_debug())
        }
    }
}

impl std::error::Error for FilterError {}
