//! Arithmetic of an expression, with the precedence of libpcap's grammar.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other token ends arithmetic"
)]

use super::{
    ast::{Arith, Proto},
    code,
    error::{FilterError, Span},
    lexer::Token,
    parser::{Parsed, Parser, Unit},
    words::Word,
};

/// How tightly an operator binds. libpcap gives `%` and `^` no rank: what stands right of them, or before them, waits for them.
type Rank = Option<u8>;

const MINUS: Rank = Some(9);

fn operator(token: &Token) -> Option<(u16, Rank)> {
    Some(match token {
        Token::Symbol(b'|') => (code::OR, Some(1)),
        Token::Symbol(b'&') => (code::AND, Some(2)),
        Token::ShiftLeft => (code::LSH, Some(3)),
        Token::ShiftRight => (code::RSH, Some(3)),
        Token::Symbol(b'+') => (code::ADD, Some(4)),
        Token::Symbol(b'-') => (code::SUB, Some(4)),
        Token::Symbol(b'*') => (code::MUL, Some(5)),
        Token::Symbol(b'/') => (code::DIV, Some(5)),
        Token::Symbol(b'%') => (code::MOD, None),
        Token::Symbol(b'^') => (code::XOR, None),
        _ => return None,
    })
}

/// Is the operation left of a value done before the one right of it?
fn left_first(left: Rank, right: Rank) -> bool {
    matches!((left, right), (Some(left), Some(right)) if left >= right)
}

/// Operators in one comparison: all may stand inside of each other, and each then takes its part of the stack.
const MOST: usize = 200;

/// A whole value up to what is no operator.
pub fn whole(parser: &mut Parser) -> Parsed<Arith> {
    let first = primary(parser)?;
    rest(parser, first).map(value)
}

pub fn value(unit: Unit) -> Arith {
    match unit {
        Unit::Number(n, _) => Arith::Number(n),
        Unit::Arith(a) => a,
        Unit::Term(..) | Unit::Value(_) => Arith::Length, // not reached: `rest` refuses them
    }
}

/// Operators and values after `first`; a lone number stays one.
pub fn rest(parser: &mut Parser, first: Unit) -> Parsed<Unit> {
    if operator(parser.peek()).is_none() {
        return match first {
            Unit::Number(..) | Unit::Arith(_) => Ok(first),
            Unit::Term(..) | Unit::Value(_) => Err(parser.expected("arithmetic")),
        };
    }
    climb(parser, value(first), None).map(Unit::Arith)
}

/// Takes operators while they bind tighter than what waits on the left.
fn climb(parser: &mut Parser, mut left: Arith, waiting: Option<Rank>) -> Parsed<Arith> {
    while let Some((op, rank)) = operator(parser.peek()) {
        if waiting.is_some_and(|waiting| left_first(waiting, rank)) {
            break;
        }
        parser.operators += 1;
        if parser.operators > MOST {
            return Err(FilterError::new("too much arithmetic", parser.span()));
        }
        let (_, span) = parser.next();
        let right = value(primary(parser)?);
        // Of values that wait for what stands right of them there are registers for sixteen.
        let right = parser.deeper(|p| climb(p, right, Some(rank)))?;
        left = Arith::Binary(op, Box::new(left), Box::new(right), span);
    }
    Ok(left)
}

/// One value.
pub fn primary(parser: &mut Parser) -> Parsed<Unit> {
    let (token, span) = (parser.peek().clone(), parser.span());
    match token {
        Token::Number(n) => {
            parser.next();
            Ok(Unit::Number(n, span))
        }
        Token::Word(Word::Len) => {
            parser.next();
            Ok(Unit::Arith(Arith::Length))
        }
        Token::Symbol(b'-') => {
            parser.next();
            let inner = parser.deeper(primary)?;
            let inner = climb(parser, value(inner), Some(MINUS))?;
            Ok(Unit::Arith(Arith::Negative(Box::new(inner))))
        }
        Token::Symbol(b'(') => {
            parser.next();
            let inner = parser.deeper(|p| {
                let first = primary(p)?;
                rest(p, first)
            })?;
            parser.close(b')')?;
            Ok(inner)
        }
        Token::Word(Word::Proto(proto)) => {
            parser.next();
            load(parser, proto, span).map(Unit::Arith)
        }
        _ => Err(parser.expected("a number, 'len', or bytes such as tcp[13]")),
    }
}

/// `[at]` or `[at:size]` after a protocol.
pub fn load(parser: &mut Parser, proto: Proto, from: Span) -> Parsed<Arith> {
    if !parser.take(&Token::Symbol(b'[')) {
        return Err(parser.expected("'['"));
    }
    let at = parser.deeper(whole)?;
    let size = if parser.take(&Token::Symbol(b':')) {
        parser.number()?
    } else {
        1
    };
    parser.close(b']')?;
    Ok(Arith::Load {
        proto,
        at: Box::new(at),
        size,
        span: parser.since(from),
    })
}
