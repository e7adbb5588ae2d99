//! The grammar: conditions joined from left to right, brackets, negation.

use super::{
    Context, Expression, Filter, FilterError, Joint, Side, hosts,
    words::{Kind, Token, split},
};
use crate::socket::Family;

/// Brackets and negations that may stand inside each other.
const DEPTH: usize = 64;

/// Reads a filter; `text` is the words of the command line with spaces between them.
pub fn parse(text: &str, context: &Context<'_>) -> Result<Filter, FilterError> {
    let tokens = split(text);
    let mut parser = Parser {
        text,
        tokens: &tokens,
        next: 0,
        depth: 0,
        context,
        family: None,
    };
    let expression = if tokens.is_empty() {
        None
    } else {
        Some(parser.chain()?)
    };
    if let Some(token) = parser.peek() {
        return Err(parser.expected("'and', 'or' or a condition", Some(token)));
    }
    Ok(Filter {
        expression,
        family: parser.family,
        ephemeral: (0, 0),
    })
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    next: usize,
    depth: usize,
    pub context: &'a Context<'a>,
    /// Of an address written with one.
    pub family: Option<Family>,
}

const CONDITION: &str =
    "a condition: dst, src, dport, sport, dev, fwmark, cgroup, autobound, 'not' or '('";

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self, kinds: &[Kind]) -> Option<Kind> {
        let kind = self.peek().map(|token| token.kind)?;
        let found = kinds.contains(&kind).then_some(kind)?;
        self.next += 1;
        Some(found)
    }

    /// `found`: the token that stands there, or the end.
    pub fn expected(&self, what: &str, found: Option<Token<'_>>) -> FilterError {
        FilterError {
            text: self.text.to_owned(),
            at: found.map_or(self.text.len(), |token| token.at),
            expected: what.to_owned(),
            found: found.map_or("the end".to_owned(), |token| format!("'{}'", token.text)),
        }
    }

    fn chain(&mut self) -> Result<Expression, FilterError> {
        let first = self.single()?;
        let mut rest = Vec::new();
        loop {
            let joint = match self.peek().map(|token| token.kind) {
                None | Some(Kind::Close) => break,
                Some(Kind::And) => {
                    self.next += 1;
                    Joint::And
                }
                Some(Kind::Or) => {
                    self.next += 1;
                    Joint::Or
                }
                // Conditions that stand side by side must all hold.
                Some(_) => Joint::And,
            };
            rest.push((joint, self.single()?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            Expression::Chain(Box::new(first), rest)
        })
    }

    fn single(&mut self) -> Result<Expression, FilterError> {
        let token = self.peek();
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.expected("fewer brackets inside each other", token));
        }
        let expression = match token.map(|token| token.kind) {
            Some(Kind::Not) => {
                self.next += 1;
                Expression::Not(Box::new(self.single()?))
            }
            Some(Kind::Open) => {
                self.next += 1;
                let inner = self.chain()?;
                if self.take(&[Kind::Close]).is_none() {
                    return Err(self.expected("')', 'and', 'or' or a condition", self.peek()));
                }
                inner
            }
            Some(Kind::Word) => self.condition()?,
            _ => return Err(self.expected(CONDITION, token)),
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn condition(&mut self) -> Result<Expression, FilterError> {
        let token = self.peek();
        let Some(keyword) = token else {
            return Err(self.expected(CONDITION, None));
        };
        self.next += 1;
        match keyword.text {
            "autobound" => Ok(Expression::Autobound),
            "dst" => self.host(Side::Remote),
            "src" => self.host(Side::Local),
            "dport" => self.port(Side::Remote),
            "sport" => self.port(Side::Local),
            "dev" => self.plain("a network interface", |parser, text| {
                let number = || number(text).and_then(|n| u32::try_from(n).ok());
                (parser.context.interface)(text)
                    .or_else(number)
                    .map(Expression::Device)
            }),
            "fwmark" => self.plain("a mark as 0x1 or 0x1/0xff", |_, text| {
                let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
                let word = |text: &str| number(text).and_then(|n| u32::try_from(n).ok());
                Some(Expression::Mark {
                    value: word(value)?,
                    mask: word(mask)?,
                })
            }),
            "cgroup" => self.cgroup(),
            _ => Err(self.expected(CONDITION, token)),
        }
    }

    /// An operator of `kinds`, or none, then an operand.
    fn operand(&mut self, kinds: &[Kind], what: &str) -> Result<(Kind, Token<'a>), FilterError> {
        let operator = self.take(kinds).unwrap_or(Kind::Eq);
        match self.peek() {
            Some(token) if token.kind == Kind::Word => {
                self.next += 1;
                Ok((operator, token))
            }
            other => Err(self.expected(what, other)),
        }
    }

    fn plain(
        &mut self,
        what: &str,
        read: impl FnOnce(&Self, &str) -> Option<Expression>,
    ) -> Result<Expression, FilterError> {
        let (operator, token) = self.operand(&[Kind::Eq, Kind::Ne], what)?;
        match read(self, token.text) {
            Some(found) => Ok(negated(operator == Kind::Ne, found)),
            None => Err(self.expected(what, Some(token))),
        }
    }

    fn cgroup(&mut self) -> Result<Expression, FilterError> {
        let what = "the path of a cgroup";
        let (operator, token) = self.operand(&[Kind::Eq, Kind::Ne], what)?;
        match (self.context.cgroup)(token.text) {
            Ok(id) => Ok(negated(operator == Kind::Ne, Expression::Cgroup(id))),
            Err(why) => Err(self.expected(&format!("{what} ({why})"), Some(token))),
        }
    }

    fn host(&mut self, side: Side) -> Result<Expression, FilterError> {
        let what = "an address such as 10.0.0.0/8, [::1]:443, :ssh or a host name";
        // ss knows no `src != X`; what it means is clear.
        let (operator, token) = self.operand(&[Kind::Eq, Kind::Ne], what)?;
        let host = hosts::host(self, token)?;
        Ok(negated(operator == Kind::Ne, Expression::Host(side, host)))
    }

    fn port(&mut self, side: Side) -> Result<Expression, FilterError> {
        let all = [Kind::Eq, Kind::Ne, Kind::Ge, Kind::Le, Kind::Gt, Kind::Lt];
        let what = "a port such as :443 or :ssh";
        let (operator, token) = self.operand(&all, what)?;
        let host = hosts::port(self, token)?;
        let compare: fn(Side, i64) -> Expression = if matches!(operator, Kind::Ge | Kind::Lt) {
            Expression::AtLeast
        } else if matches!(operator, Kind::Le | Kind::Gt) {
            Expression::AtMost
        } else {
            return Ok(negated(operator == Kind::Ne, Expression::Host(side, host)));
        };
        let Some(port) = host.port else {
            return Err(self.expected("a port to compare with", Some(token)));
        };
        // `>` is not at most, `<` is not at least.
        let negate = matches!(operator, Kind::Gt | Kind::Lt);
        Ok(negated(negate, compare(side, port)))
    }
}

fn negated(negate: bool, expression: Expression) -> Expression {
    if negate {
        Expression::Not(Box::new(expression))
    } else {
        expression
    }
}

/// Decimal, `0x` hexadecimal, or `0` octal, as strtoul reads it.
pub(super) fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ if text.starts_with('+') => None,
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
