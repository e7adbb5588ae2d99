//! An expression to a flow graph: what each primitive asks of a packet, in the order in which libpcap asks it.
//!
//! `vlan`, `mpls`, `pppoes` and `geneve` move the offsets for all that stands right of them: that is libpcap's rule, and why
//! the expression is walked from left to right with a state.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a primitive does not name is refused"
)]

mod arith;
mod chain;
mod encap;
mod geneve;
mod hosts;
mod link;
mod llc;
mod load;
mod ports;
mod proto;
mod value;

use super::{
    Options,
    ast::{ByteOp, Expr, Link, Primitive, Proto},
    code::{
        ALU, AND, B, H, IMM, INTERFACE, JEQ, JGE, JGT, JSET, K, LD, LEN, MEMWORDS, OR, PACKET_TYPE,
        ST, Stmt, W,
    },
    error::{FilterError, Span},
    graph::{Graph, Test},
};
use crate::capture::link::LinkType;
use load::{Base, Offset};

type Lowered<T> = Result<T, FilterError>;

/// Comparisons in one filter; the optimizer's time and memory grow with their square.
const MOST: usize = 6_000;

/// The state of the walk.
struct Lower<'a> {
    graph: Graph,
    options: &'a Options<'a>,
    link: LinkType,
    /// The link-layer header that is looked at.
    header: Offset,
    /// Its field that names the next protocol; none on raw IP.
    kind: Option<Offset>,
    /// What follows it.
    payload: Offset,
    /// From there to the network header, with and without SNAP.
    network: u32,
    network_plain: u32,
    labels: u32,
    tags: u32,
    in_geneve: bool,
    /// VLAN tags that the NIC took off make the offsets vary.
    tags_vary: bool,
    optimize: bool,
    used: [bool; MEMWORDS],
    current: usize,
    /// The primitive being lowered, for errors.
    at: Span,
}

/// The graph, and whether it may be optimised: loops may not.
pub fn lower(expr: Option<&Expr>, options: &Options<'_>) -> Lowered<(Graph, bool)> {
    let mut lower = Lower::new(options);
    let Some(expr) = expr else {
        lower.graph.finish_empty(options.snaplen);
        return Ok((lower.graph, lower.optimize));
    };
    let whole = lower.expr(expr)?;
    lower.start_offsets(&whole);
    lower.graph.finish(&whole, options.snaplen);
    Ok((lower.graph, lower.optimize))
}

impl<'a> Lower<'a> {
    fn new(options: &'a Options<'a>) -> Self {
        let (kind, payload, plain) = match options.link {
            LinkType::Ethernet => (Some(12), 14, 3),
            LinkType::Sll => (Some(14), 16, 0),
            LinkType::Sll2 => (Some(0), 20, 0),
            LinkType::Null | LinkType::Loop => (Some(0), 4, 0),
            LinkType::Raw | LinkType::RawV4 | LinkType::RawV6 => (None, 0, 0),
            LinkType::Ppp => (Some(2), 4, 0),
        };
        Self {
            graph: Graph::default(),
            options,
            link: options.link,
            header: Offset::at(0),
            kind: kind.map(Offset::at),
            payload: Offset::at(payload),
            network: 0,
            network_plain: plain,
            labels: 0,
            tags: 0,
            in_geneve: false,
            tags_vary: false,
            optimize: true,
            used: [false; MEMWORDS],
            current: 0,
            at: (0, 0),
        }
    }

    fn refuse<T>(&self, what: impl Into<String>) -> Lowered<T> {
        Err(FilterError::new(what, self.at))
    }

    fn expr(&mut self, expr: &Expr) -> Lowered<Test> {
        match expr {
            Expr::Primitive(primitive, span) => {
                self.at = *span;
                if self.graph.blocks.len() > MOST {
                    return self.refuse("the filter is too large");
                }
                self.primitive(primitive)
            }
            Expr::Not(inner) => self.expr(inner).map(Test::not),
            Expr::Chain(first, rest) => {
                let mut all = self.expr(first)?;
                for (link, next) in rest {
                    let next = self.expr(next)?;
                    all = match link {
                        Link::And => self.graph.and(all, next),
                        Link::Or => self.graph.or(all, next),
                    };
                }
                Ok(all)
            }
        }
    }

    fn primitive(&mut self, primitive: &Primitive) -> Lowered<Test> {
        match primitive {
            Primitive::Value(value, of) => self.value(value, *of),
            Primitive::Proto(proto) => self.proto_name(*proto),
            Primitive::Broadcast(proto) => self.broadcast(*proto),
            Primitive::Multicast(proto) => self.multicast(*proto),
            Primitive::Less(n) => Ok(self.length(JGT, *n).not()),
            Primitive::Greater(n) => Ok(self.length(JGE, *n)),
            Primitive::Byte(at, op, n) => self.byte(*at, *op, *n),
            Primitive::Inbound => self.direction(false),
            Primitive::Outbound => self.direction(true),
            Primitive::IfIndex(n) => self.interface(*n),
            Primitive::Vlan(id) => self.vlan(*id),
            Primitive::Mpls(label) => self.mpls(*label),
            Primitive::PppoeDiscovery => self.link_type(link::PPPOE_DISCOVERY),
            Primitive::PppoeSession(session) => self.pppoe(*session),
            Primitive::Geneve(vni) => self.geneve(*vni),
            Primitive::Llc(kind) => self.llc(*kind),
            Primitive::Relation(relation, left, right) => self.relation(*relation, left, right),
        }
    }

    fn length(&mut self, jump: u16, n: u32) -> Test {
        self.graph.test(vec![Stmt::new(LD | LEN, 0)], jump | K, n)
    }

    /// `byte AT OP N`. Of `&` and `|` libpcap forgets to load the byte; so do we, as the same packets are wanted.
    fn byte(&mut self, at: u32, op: ByteOp, n: u32) -> Lowered<Test> {
        let forgetful = |code| vec![Stmt::new(ALU | code | K, n)];
        match op {
            ByteOp::Equal => self.equal(Base::Header, at, B, n),
            ByteOp::Less => self.compare(Base::Header, at, B, JGE, n).map(Test::not),
            ByteOp::Greater => self.compare(Base::Header, at, B, JGT, n),
            ByteOp::And => Ok(self.graph.test(forgetful(AND), JEQ | K, 0).not()),
            ByteOp::Or => Ok(self.graph.test(forgetful(OR), JEQ | K, 0).not()),
        }
    }

    fn broadcast(&mut self, proto: Proto) -> Lowered<Test> {
        const EVERYBODY: [u8; 6] = [0xff; 6];
        match proto {
            Proto::Default | Proto::Link if self.link == LinkType::Ethernet => {
                let check = self.has_header()?;
                let to_all = self.bytes(Base::Header, 0, &EVERYBODY)?;
                Ok(self.after(check, to_all))
            }
            Proto::Default | Proto::Link => self.refuse("this link has no broadcast"),
            Proto::Ip => {
                let Some(netmask) = self.options.netmask else {
                    return self
                        .refuse("the netmask is not known, so 'ip broadcast' cannot be told");
                };
                let host = !netmask;
                let ip = self.link_type(link::IP)?;
                let zeros = self.masked(Base::Payload, 16, W, 0, host)?;
                let ones = self.masked(Base::Payload, 16, W, host, host)?;
                let either = self.graph.or(zeros, ones);
                Ok(self.graph.and(ip, either))
            }
            _ => self.refuse("'broadcast' is known of the link and of ip only"),
        }
    }

    fn multicast(&mut self, proto: Proto) -> Lowered<Test> {
        match proto {
            Proto::Default | Proto::Link if self.link == LinkType::Ethernet => {
                let check = self.has_header()?;
                let load = self.load(Base::Header, 0, B)?;
                let group = self.graph.test(load, JSET | K, 1);
                Ok(self.after(check, group))
            }
            Proto::Ip => {
                let ip = self.link_type(link::IP)?;
                let group = self.compare(Base::Payload, 16, B, JGE, 224)?;
                Ok(self.graph.and(ip, group))
            }
            Proto::Ip6 => {
                let ip = self.link_type(link::IP6)?;
                let group = self.equal(Base::Payload, 24, B, 255)?;
                Ok(self.graph.and(ip, group))
            }
            _ => self.refuse("'multicast' is known of Ethernet, ip and ip6 only"),
        }
    }

    fn direction(&mut self, outbound: bool) -> Lowered<Test> {
        const OUTGOING: u32 = 4; // PACKET_OUTGOING, LINUX_SLL_OUTGOING
        let sent = match self.link {
            LinkType::Sll => self.equal(Base::Header, 0, H, OUTGOING)?,
            LinkType::Sll2 => self.equal(Base::Header, 10, B, OUTGOING)?,
            _ if self.options.live => self.equal(Base::Header, PACKET_TYPE, H, OUTGOING)?,
            _ => return self.refuse("files of this link do not tell the direction"),
        };
        Ok(if outbound { sent } else { sent.not() })
    }

    fn interface(&mut self, index: u32) -> Lowered<Test> {
        match self.link {
            LinkType::Sll2 => self.equal(Base::Header, 4, W, index),
            _ if self.options.live => self.equal(Base::Header, INTERFACE, W, index),
            _ => self.refuse("files of this link do not tell the interface"),
        }
    }

    /// A test that always ends the same way.
    fn always(&mut self, outcome: bool) -> Test {
        let load = vec![Stmt::new(LD | IMM, u32::from(!outcome))];
        self.graph.test(load, JEQ | K, 0)
    }

    fn after(&mut self, check: Option<Test>, test: Test) -> Test {
        match check {
            Some(check) => self.graph.and(check, test),
            None => test,
        }
    }

    /// A free word of scratch memory.
    fn register(&mut self) -> Lowered<usize> {
        for _ in 0..MEMWORDS {
            if !self.used[self.current] {
                self.used[self.current] = true;
                return Ok(self.current);
            }
            self.current = (self.current + 1) % MEMWORDS;
        }
        self.refuse("too many values at once")
    }

    fn release(&mut self, register: usize) {
        self.used[register % MEMWORDS] = false;
    }

    /// Offsets that vary begin as 0.
    fn start_offsets(&mut self, whole: &Test) {
        if !self.tags_vary {
            return;
        }
        let mut start = vec![Stmt::new(LD | IMM, 0)];
        let registers = [
            self.payload.register,
            self.kind.and_then(|kind| kind.register),
        ];
        for register in registers.into_iter().flatten() {
            start.push(store(register));
        }
        self.graph.prepend(whole, start);
    }
}

fn store(register: usize) -> Stmt {
    Stmt::new(ST, u32::try_from(register).unwrap_or(0))
}
