//! Primitives that take no address: `vlan 5`, `broadcast`, `less 64`, `llc ui`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the grammar does not want here is refused, whatever it is"
)]

use super::{
    ast::{ByteOp, Llc, Primitive, Proto},
    error::FilterError,
    lexer::Token,
    parser::{Parsed, Parser},
    words::Word,
};

impl Parser {
    /// Primitives that take no address.
    pub(super) fn other(&mut self, proto: Option<Proto>) -> Parsed<Primitive> {
        let Token::Word(word) = *self.peek() else {
            return proto
                .map(Primitive::Proto)
                .ok_or_else(|| self.expected("a primitive"));
        };
        match (word, proto) {
            (Word::Broadcast, _) => {
                self.next();
                return Ok(Primitive::Broadcast(proto.unwrap_or(Proto::Default)));
            }
            (Word::Multicast, _) => {
                self.next();
                return Ok(Primitive::Multicast(proto.unwrap_or(Proto::Default)));
            }
            (_, Some(proto)) => return Ok(Primitive::Proto(proto)),
            (_, None) => {}
        }
        let (_, span) = self.next();
        match word {
            Word::Less => Ok(Primitive::Less(self.number()?)),
            Word::Greater => Ok(Primitive::Greater(self.number()?)),
            Word::Byte => self.byte(),
            Word::Inbound => Ok(Primitive::Inbound),
            Word::Outbound => Ok(Primitive::Outbound),
            Word::IfIndex => Ok(Primitive::IfIndex(self.number()?)),
            Word::Vlan => Ok(Primitive::Vlan(self.optional_number()?)),
            Word::Mpls => Ok(Primitive::Mpls(self.optional_number()?)),
            Word::PppoeDiscovery => Ok(Primitive::PppoeDiscovery),
            Word::PppoeSession => Ok(Primitive::PppoeSession(self.optional_number()?)),
            Word::Geneve => Ok(Primitive::Geneve(self.optional_number()?)),
            Word::Llc => self.llc().map(Primitive::Llc),
            Word::Foreign | Word::Rnr => {
                let what = "not supported: a primitive of 802.11, ATM, SS7 or pf";
                Err(FilterError::new(what, span))
            }
            _ => Err(FilterError::new("expected a primitive", span)),
        }
    }

    fn byte(&mut self) -> Parsed<Primitive> {
        let index = self.number()?;
        let op = match self.peek() {
            Token::Symbol(b'&') => ByteOp::And,
            Token::Symbol(b'|') => ByteOp::Or,
            Token::Symbol(b'<') => ByteOp::Less,
            Token::Symbol(b'>') => ByteOp::Greater,
            Token::Symbol(b'=') => ByteOp::Equal,
            _ => return Err(self.expected("'=', '<', '>', '&' or '|'")),
        };
        self.next();
        Ok(Primitive::Byte(index, op, self.number()?))
    }

    /// A number, perhaps in parentheses, if one stands here.
    fn optional_number(&mut self) -> Parsed<Option<u32>> {
        match self.peek() {
            Token::Number(_) => self.number().map(Some),
            Token::Symbol(b'(') => self.deeper(|p| {
                p.next();
                let inner = p.optional_number()?;
                p.close(b')')?;
                inner.map(Some).ok_or_else(|| p.expected("a number"))
            }),
            _ => Ok(None),
        }
    }

    fn llc(&mut self) -> Parsed<Llc> {
        const KINDS: [(&str, Llc); 13] = [
            ("i", Llc::Information),
            ("s", Llc::Supervisory),
            ("u", Llc::Unnumbered),
            ("rr", Llc::SupervisoryKind(0x01)),
            ("rej", Llc::SupervisoryKind(0x09)),
            ("ui", Llc::UnnumberedKind(0x03)),
            ("ua", Llc::UnnumberedKind(0x63)),
            ("disc", Llc::UnnumberedKind(0x43)),
            ("dm", Llc::UnnumberedKind(0x0f)),
            ("sabme", Llc::UnnumberedKind(0x6f)),
            ("test", Llc::UnnumberedKind(0xe3)),
            ("xid", Llc::UnnumberedKind(0xaf)),
            ("frmr", Llc::UnnumberedKind(0x87)),
        ];
        if self.take_word(Word::Rnr) {
            return Ok(Llc::SupervisoryKind(0x05));
        }
        let Token::Id(name) = self.peek() else {
            return Ok(Llc::Any);
        };
        let known = KINDS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        let kind = known.map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| self.expected("a kind of LLC frame: i, s, u, rr, ui ..."))?;
        self.next();
        Ok(kind)
    }
}
