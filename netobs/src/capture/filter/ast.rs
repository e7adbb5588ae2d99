//! An expression, read: primitives with their qualifiers, and arithmetic.

use super::error::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    Default,
    Link,
    Ip,
    Arp,
    Rarp,
    Sctp,
    Tcp,
    Udp,
    Icmp,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Radio,
    Ip6,
    Icmp6,
    Ah,
    Esp,
    Atalk,
    Aarp,
    Decnet,
    Lat,
    Sca,
    Moprc,
    Mopdl,
    Iso,
    Esis,
    Isis,
    IsisL1,
    IsisL2,
    IsisIih,
    IsisLsp,
    IsisSnp,
    IsisCsnp,
    IsisPsnp,
    Clnp,
    Stp,
    Ipx,
    Netbeui,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dir {
    Default,
    Src,
    Dst,
    Or,
    And,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Default,
    Host,
    Net,
    Port,
    PortRange,
    Gateway,
    Proto,
    ProtoChain,
    /// What stands before gives a bare value no meaning.
    Undefined,
}

/// What a value stands for: `tcp dst port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qualifiers {
    pub proto: Proto,
    pub dir: Dir,
    pub kind: Kind,
}

impl Qualifiers {
    pub const UNDEFINED: Self = Self {
        proto: Proto::Default,
        dir: Dir::Default,
        kind: Kind::Undefined,
    };
}

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Name(String),
    Number(u32),
    /// One to four numbers with dots.
    Dotted(String),
    DottedLength(String, u32),
    DottedMask(String, String),
    V6(std::net::Ipv6Addr),
    V6Length(std::net::Ipv6Addr, u32),
    Mac([u8; 6]),
    /// `$ab`, an address of `ARCnet`.
    Arcnet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Greater,
    AtLeast,
    Equal,
    AtMost,
    Less,
    Unequal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arith {
    Number(u32),
    Length,
    Load {
        proto: Proto,
        at: Box<Arith>,
        size: u32,
        span: Span,
    },
    Negative(Box<Arith>),
    /// The operation by its number in the machine.
    Binary(u16, Box<Arith>, Box<Arith>, Span),
}

/// Which frames of the logical link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Llc {
    Any,
    Information,
    Supervisory,
    Unnumbered,
    SupervisoryKind(u32),
    UnnumberedKind(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOp {
    And,
    Or,
    Less,
    Greater,
    Equal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Primitive {
    Value(Value, Qualifiers),
    Proto(Proto),
    Broadcast(Proto),
    Multicast(Proto),
    Less(u32),
    Greater(u32),
    Byte(u32, ByteOp, u32),
    Inbound,
    Outbound,
    IfIndex(u32),
    Vlan(Option<u32>),
    Mpls(Option<u32>),
    PppoeDiscovery,
    PppoeSession(Option<u32>),
    Geneve(Option<u32>),
    Llc(Llc),
    Relation(Relation, Arith, Arith),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Primitive(Primitive, Span),
    Not(Box<Expr>),
    /// `and` and `or` bind alike, from the left.
    Chain(Box<Expr>, Vec<(Link, Expr)>),
}
