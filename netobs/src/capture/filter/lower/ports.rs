//! Ports and ranges of ports: of first fragments over IPv4, of packets without extensions over IPv6.

use super::{Lower, Lowered, link, load::Base};
use crate::capture::filter::{
    ast::Dir,
    code::{B, H, JEQ, JGE, JGT, JSET, K},
    graph::Test,
};

pub(super) const TCP: u32 = 6;
pub(super) const UDP: u32 = 17;
pub(super) const SCTP: u32 = 132;

/// One port, or all from the first to the last.
#[derive(Clone, Copy)]
pub(super) enum Ports {
    One(u32),
    Range(u32, u32),
}

impl Lower<'_> {
    /// Ports of `proto`, or of all three that have them.
    pub(super) fn ports(&mut self, ports: Ports, proto: Option<u32>, dir: Dir) -> Lowered<Test> {
        let v4 = self.ports_over(ports, proto, dir, false)?;
        let v6 = self.ports_over(ports, proto, dir, true)?;
        Ok(self.graph.or(v6, v4))
    }

    pub(super) fn ports_over(
        &mut self,
        ports: Ports,
        proto: Option<u32>,
        dir: Dir,
        v6: bool,
    ) -> Lowered<Test> {
        let carried = self.link_type(if v6 { link::IP6 } else { link::IP })?;
        let any = if let Some(proto) = proto {
            self.ports_of(ports, proto, dir, v6)?
        } else {
            let tcp = self.ports_of(ports, TCP, dir, v6)?;
            let udp = self.ports_of(ports, UDP, dir, v6)?;
            let either = self.graph.or(tcp, udp);
            let sctp = self.ports_of(ports, SCTP, dir, v6)?;
            self.graph.or(sctp, either)
        };
        Ok(self.graph.and(carried, any))
    }

    fn ports_of(&mut self, ports: Ports, proto: u32, dir: Dir, v6: bool) -> Lowered<Test> {
        let carried = if v6 {
            self.equal(Base::Payload, 6, B, proto)?
        } else {
            let carried = self.equal(Base::Payload, 9, B, proto)?;
            let first = self.first_fragment()?;
            self.graph.and(carried, first)
        };
        let base = if v6 { Base::Ipv6Next } else { Base::Ipv4Next };
        let ports = self.both(dir, &mut |lower, is_source| {
            lower.port_at(base, if is_source { 0 } else { 2 }, ports)
        })?;
        Ok(self.graph.and(carried, ports))
    }

    fn port_at(&mut self, base: Base, at: u32, ports: Ports) -> Lowered<Test> {
        match ports {
            Ports::One(port) => self.compare(base, at, H, JEQ, port),
            Ports::Range(a, b) => {
                let low = self.compare(base, at, H, JGE, a.min(b))?;
                let high = self.compare(base, at, H, JGT, a.max(b))?.not();
                Ok(self.graph.and(low, high))
            }
        }
    }

    /// Not a later fragment, which has no ports.
    pub(super) fn first_fragment(&mut self) -> Lowered<Test> {
        let load = self.load(Base::Payload, 6, H)?;
        Ok(self.graph.test(load, JSET | K, 0x1fff).not())
    }
}
