//! Tokens to an expression: the grammar and precedence of libpcap, its shorthand `port 80 or 443` included.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the grammar does not want here is refused, whatever it is"
)]

use super::{
    arith,
    ast::{Dir, Expr, Kind, Link, Primitive, Proto, Qualifiers, Relation, Value},
    error::{FilterError, Span},
    lexer::{self, Token},
    words::Word,
};

/// Parentheses and nots inside of each other.
const DEEPEST: usize = 100;

pub struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
    /// Of arithmetic, in the comparison that is read.
    pub operators: usize,
}

pub type Parsed<T> = Result<T, FilterError>;

/// What stands in parentheses, or alone, before it is known what it is for.
pub enum Unit {
    /// A condition; qualifiers for the bare values that may follow.
    Term(Expr, Qualifiers),
    /// A bare value, whose qualifiers came from the left.
    Value(Expr),
    /// A number that is no condition yet.
    Number(u32, Span),
    /// Arithmetic in parentheses.
    Arith(super::ast::Arith),
}

/// An empty expression is none.
pub fn parse(text: &str) -> Parsed<Option<Expr>> {
    let mut parser = Parser {
        tokens: lexer::tokens(text)?,
        at: 0,
        depth: 0,
        operators: 0,
    };
    if *parser.peek() == Token::End {
        return Ok(None);
    }
    let first = parser.unit(Qualifiers::UNDEFINED, false, true)?;
    let (expr, _) = parser.chain(first)?;
    match parser.peek() {
        Token::End => Ok(Some(expr)),
        _ => Err(parser.expected("'and', 'or' or the end")),
    }
}

impl Parser {
    pub fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    pub fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    /// From `from` to the end of what was read last.
    pub fn since(&self, from: Span) -> Span {
        let last = self.at.saturating_sub(1);
        (from.0, self.tokens[last].1.1.max(from.1))
    }

    pub fn next(&mut self) -> (Token, Span) {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    pub fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.next();
        }
        found
    }

    pub fn take_word(&mut self, word: Word) -> bool {
        self.take(&Token::Word(word))
    }

    pub fn expected(&self, what: &str) -> FilterError {
        FilterError::new(format!("expected {what}"), self.span())
    }

    pub fn number(&mut self) -> Parsed<u32> {
        match self.peek() {
            Token::Number(n) => {
                let n = *n;
                self.next();
                Ok(n)
            }
            _ => Err(self.expected("a number")),
        }
    }

    pub fn close(&mut self, symbol: u8) -> Parsed<()> {
        if self.take(&Token::Symbol(symbol)) {
            return Ok(());
        }
        Err(self.expected(&format!("'{}'", char::from(symbol))))
    }

    pub fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(FilterError::new("nested too deeply", self.span()));
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn link(&mut self) -> Option<Link> {
        if self.take_word(Word::And) {
            Some(Link::And)
        } else {
            self.take_word(Word::Or).then_some(Link::Or)
        }
    }

    /// Conditions joined from the left; each may be a bare value of what stands before it.
    fn chain(&mut self, first: Unit) -> Parsed<(Expr, Qualifiers)> {
        let (first, mut of) = self.term(first)?;
        let mut rest = Vec::new();
        while let Some(link) = self.link() {
            let unit = self.unit(of, true, true)?;
            let next = match unit {
                Unit::Value(expr) => expr,
                Unit::Number(n, span) => {
                    Expr::Primitive(Primitive::Value(Value::Number(n), of), span)
                }
                unit => {
                    let (expr, qualifiers) = self.term(unit)?;
                    of = qualifiers;
                    expr
                }
            };
            rest.push((link, next));
        }
        Ok((chained(first, rest), of))
    }

    /// Bare values joined from the left, all with the same qualifiers.
    fn values(&mut self, first: Expr, of: Qualifiers) -> Parsed<Expr> {
        let mut rest = Vec::new();
        while let Some(link) = self.link() {
            rest.push((link, self.value(of)?));
        }
        Ok(chained(first, rest))
    }

    fn term(&self, unit: Unit) -> Parsed<(Expr, Qualifiers)> {
        match unit {
            Unit::Term(expr, of) => Ok((expr, of)),
            _ => Err(self.expected("a comparison such as '= 0'")),
        }
    }

    /// One bare value after qualifiers.
    fn value(&mut self, of: Qualifiers) -> Parsed<Expr> {
        match self.unit(of, true, false)? {
            Unit::Value(expr) => Ok(expr),
            Unit::Number(n, span) => Ok(Expr::Primitive(
                Primitive::Value(Value::Number(n), of),
                span,
            )),
            Unit::Term(..) | Unit::Arith(_) => Err(self.expected("a value")),
        }
    }

    /// The smallest whole thing here. `values`, `terms`: what may stand here.
    fn unit(&mut self, of: Qualifiers, values: bool, terms: bool) -> Parsed<Unit> {
        match self.peek().clone() {
            Token::Word(Word::Not) => {
                self.next();
                let inner = self.deeper(|p| p.unit(of, values, terms))?;
                Ok(match inner {
                    Unit::Term(expr, of) => Unit::Term(Expr::Not(Box::new(expr)), of),
                    Unit::Value(expr) => Unit::Value(Expr::Not(Box::new(expr))),
                    Unit::Number(n, span) if values => {
                        let value = Primitive::Value(Value::Number(n), of);
                        Unit::Value(Expr::Not(Box::new(Expr::Primitive(value, span))))
                    }
                    Unit::Number(..) | Unit::Arith(_) => return Err(self.expected("a comparison")),
                })
            }
            Token::Symbol(b'(') => {
                let from = self.span();
                self.next();
                let inner = self.deeper(|p| p.group(of, values, terms))?;
                self.close(b')')?;
                match inner {
                    Unit::Number(..) | Unit::Arith(_) if terms => self.comparison(inner, from),
                    inner => Ok(inner),
                }
            }
            Token::Id(_) | Token::Dotted(_) | Token::V6(_) | Token::Mac(_) | Token::Arcnet
                if values =>
            {
                self.bare(of).map(Unit::Value)
            }
            Token::Number(n) if values && !terms => {
                let (_, span) = self.next();
                Ok(Unit::Number(n, span))
            }
            Token::Number(_) | Token::Symbol(b'-') | Token::Word(Word::Len) if terms => {
                let from = self.span();
                let first = arith::primary(self)?;
                self.comparison(first, from)
            }
            Token::Word(_) if terms => self.primitive(),
            _ if terms => Err(self.expected("a primitive such as 'host' or 'tcp'")),
            _ => Err(self.expected("a value such as an address, a port or a name")),
        }
    }

    /// What stands in parentheses.
    fn group(&mut self, of: Qualifiers, values: bool, terms: bool) -> Parsed<Unit> {
        let nested = *self.peek() == Token::Symbol(b'(');
        let first = self.unit(of, values, terms)?;
        match first {
            // libpcap takes no list of values that begins with a parenthesis.
            Unit::Value(_) if nested => Err(self.expected("a value without parentheses")),
            Unit::Value(expr) => self.values(expr, of).map(Unit::Value),
            Unit::Number(n, span) => {
                let joined = matches!(self.peek(), Token::Word(Word::And | Word::Or));
                if !joined || !values {
                    return Ok(Unit::Number(n, span));
                }
                let first = Expr::Primitive(Primitive::Value(Value::Number(n), of), span);
                self.values(first, of).map(Unit::Value)
            }
            Unit::Arith(a) => Ok(Unit::Arith(a)),
            Unit::Term(..) => {
                let (expr, _) = self.chain(first)?;
                // What follows the parentheses takes the qualifiers from before them.
                Ok(Unit::Term(expr, of))
            }
        }
    }

    /// Arithmetic that may be compared; a lone number may also be a value.
    fn comparison(&mut self, first: Unit, from: Span) -> Parsed<Unit> {
        let left = arith::rest(self, first)?;
        let relation = match self.peek() {
            Token::Symbol(b'>') => Relation::Greater,
            Token::AtLeast => Relation::AtLeast,
            Token::Symbol(b'=') => Relation::Equal,
            Token::AtMost => Relation::AtMost,
            Token::Symbol(b'<') => Relation::Less,
            Token::Unequal => Relation::Unequal,
            _ => return Ok(left),
        };
        self.next();
        let left = arith::value(left);
        let right = arith::whole(self)?;
        self.operators = 0;
        let span = self.since(from);
        let primitive = Primitive::Relation(relation, left, right);
        Ok(Unit::Term(
            Expr::Primitive(primitive, span),
            Qualifiers::UNDEFINED,
        ))
    }

    /// An address or a name.
    fn bare(&mut self, of: Qualifiers) -> Parsed<Expr> {
        let (token, from) = self.next();
        let value = match token {
            Token::Id(name) => Value::Name(name),
            Token::Mac(mac) => Value::Mac(mac),
            Token::Arcnet => Value::Arcnet,
            Token::V6(addr) if self.take(&Token::Symbol(b'/')) => {
                Value::V6Length(addr, self.number()?)
            }
            Token::V6(addr) => Value::V6(addr),
            Token::Dotted(text) if self.take(&Token::Symbol(b'/')) => {
                Value::DottedLength(text, self.number()?)
            }
            Token::Dotted(text) if self.take_word(Word::Mask) => match self.next() {
                (Token::Dotted(mask), _) => Value::DottedMask(text, mask),
                (_, span) => return Err(FilterError::new("expected a netmask", span)),
            },
            Token::Dotted(text) => Value::Dotted(text),
            _ => return Err(FilterError::new("expected a value", from)),
        };
        Ok(Expr::Primitive(
            Primitive::Value(value, of),
            self.since(from),
        ))
    }

    /// What begins with a word: a protocol, qualifiers and a value, or a primitive of its own.
    fn primitive(&mut self) -> Parsed<Unit> {
        let from = self.span();
        let proto = match self.peek() {
            Token::Word(Word::Proto(proto)) => Some(*proto),
            _ => None,
        };
        if proto.is_some() {
            self.next();
            if *self.peek() == Token::Symbol(b'[') {
                let first = arith::load(self, proto.unwrap_or(Proto::Default), from)?;
                return self.comparison(Unit::Arith(first), from);
            }
        }
        if let Some(qualifiers) = self.head(proto.unwrap_or(Proto::Default))? {
            let mut value = self.value(qualifiers)?;
            if let Expr::Primitive(_, span) = &mut value {
                span.0 = from.0; // an error is about the qualifiers too
            }
            return Ok(Unit::Term(value, qualifiers));
        }
        let primitive = self.other(proto)?;
        let expr = Expr::Primitive(primitive, self.since(from));
        Ok(Unit::Term(expr, Qualifiers::UNDEFINED))
    }

    /// Direction and type; none when neither stands here.
    fn head(&mut self, proto: Proto) -> Parsed<Option<Qualifiers>> {
        let dir = self.direction()?;
        let Token::Word(word) = *self.peek() else {
            let kind = Kind::Default;
            return Ok(dir.map(|dir| Qualifiers { proto, dir, kind }));
        };
        let (kind, directed) = match word {
            Word::Host => (Kind::Host, true),
            Word::Net => (Kind::Net, true),
            Word::Port => (Kind::Port, true),
            Word::PortRange => (Kind::PortRange, true),
            Word::Carries => (Kind::Proto, false),
            Word::ProtoChain => (Kind::ProtoChain, false),
            Word::Gateway => (Kind::Gateway, false),
            _ => (Kind::Default, true),
        };
        if kind == Kind::Default {
            return Ok(dir.map(|dir| Qualifiers { proto, dir, kind }));
        }
        if !directed && dir.is_some() {
            return Err(self.expected("'host', 'net', 'port', 'portrange' or a value"));
        }
        self.next();
        let dir = dir.unwrap_or(Dir::Default);
        Ok(Some(Qualifiers { proto, dir, kind }))
    }

    /// `src`, `dst`, or both with `or` or `and`.
    fn direction(&mut self) -> Parsed<Option<Dir>> {
        let (first, other) = match self.peek() {
            Token::Word(Word::Src) => (Dir::Src, Word::Dst),
            Token::Word(Word::Dst) => (Dir::Dst, Word::Src),
            _ => return Ok(None),
        };
        self.next();
        let both = match self.link() {
            None => return Ok(Some(first)),
            Some(Link::And) => Dir::And,
            Some(Link::Or) => Dir::Or,
        };
        if self.take_word(other) {
            return Ok(Some(both));
        }
        let name = if other == Word::Src { "'src'" } else { "'dst'" };
        Err(self.expected(name))
    }
}

fn chained(first: Expr, rest: Vec<(Link, Expr)>) -> Expr {
    if rest.is_empty() {
        first
    } else {
        Expr::Chain(Box::new(first), rest)
    }
}
