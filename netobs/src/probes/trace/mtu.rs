//! The path MTU, link by link: what is too big is refused with the MTU of the next link by the router in front of it.

use super::{Plan, Step};
use crate::{
    event::Mono,
    probes::net::{Event, Identity, Probe, Proto, SendError, What},
};
use std::net::IpAddr;

/// A link that takes less than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrowing {
    /// The router in front of the link; none: larger packets vanish without a word.
    pub by: Option<IpAddr>,
    pub mtu: u16,
}

/// Where nobody says the MTU, these are tried in turn (RFC 1191, 7.1, and what tunnels leave over).
const PLATEAUS: [u16; 12] = [
    9000, 8000, 4352, 1500, 1492, 1480, 1472, 1460, 1400, 1280, 1006, 576,
];
/// A size counts as swallowed when so many probes of it stay without answer.
const TRIES: u8 = 2;

/// Finds the MTU of one path.
#[derive(Debug)]
pub struct Mtu {
    plan: Plan,
    /// Size of the packet that is tried, IP header included.
    size: u16,
    tries: u8,
    count: u32,
    flying: Option<(Identity, Mono)>,
    /// How long a probe may take.
    wait_ns: u64,
    pub narrowings: Vec<Narrowing>,
    /// The largest packet that got through.
    pub path_mtu: Option<u16>,
    done: bool,
}

impl Mtu {
    /// `link` is the MTU of this machine's way out.
    pub fn new(plan: Plan, link: u16, wait_ns: u64) -> Self {
        Self {
            count: 1 << 12,
            plan,
            size: link,
            tries: 0,
            flying: None,
            wait_ns,
            narrowings: Vec::new(),
            path_mtu: None,
            done: false,
        }
    }

    pub fn step(&mut self, now: Mono) -> Step {
        if self.done {
            return Step::Done;
        }
        if let Some((_, sent)) = self.flying {
            let until = Mono(sent.0 + self.wait_ns);
            if now < until {
                return Step::Wait(until);
            }
            self.flying = None;
            if self.tries >= TRIES {
                self.shrink(None, 0);
                return self.step(now);
            }
        }
        let probe = self.probe();
        self.tries += 1;
        self.flying = Some((probe.identity, now));
        Step::Send(probe)
    }

    fn probe(&mut self) -> Probe {
        let ip = if self.plan.target.is_ipv4() { 20 } else { 40 };
        self.count += 1;
        let mut probe = self.plan.probe(self.count, 0, u8::MAX);
        // The headers of UDP and ICMP are as long.
        probe.payload = self.size.saturating_sub(ip + 8);
        probe
    }

    fn shrink(&mut self, by: Option<IpAddr>, told: u32) {
        let told = u16::try_from(told)
            .ok()
            .filter(|told| *told > 0 && *told < self.size);
        let lower = PLATEAUS.iter().copied().find(|size| *size < self.size);
        self.flying = None;
        self.tries = 0;
        let Some(mtu) = told.or(lower) else {
            // Nothing gets through, whatever its size: that is no matter of the MTU.
            self.narrowings.retain(|narrowing| narrowing.by.is_some());
            self.done = true;
            return;
        };
        self.size = mtu;
        match self.narrowings.last_mut() {
            // Guesses in a row are one narrowing.
            Some(last) if last.by == by => last.mtu = mtu,
            _ => self.narrowings.push(Narrowing { by, mtu }),
        }
    }

    pub fn on(&mut self, event: &Event) {
        let Some((flying, _)) = self.flying else {
            return;
        };
        match event {
            Event::Failed { identity, error } if *identity == flying => match error {
                SendError::TooBig => self.shrink(None, 0),
                SendError::NoRoute
                | SendError::Prohibited
                | SendError::HostDown
                | SendError::Full
                | SendError::Other(_) => self.done = true,
            },
            Event::Answer(answer) | Event::Dropped(answer)
                if answer.identity == flying
                    || (answer.what == What::Datagram
                        && answer.identity.flow() == flying.flow()) =>
            {
                match answer.what {
                    What::TooBig { mtu } => self.shrink(Some(answer.from), mtu),
                    What::EchoReply
                    | What::SynAck
                    | What::Rst
                    | What::Datagram
                    | What::TimeExceeded
                    | What::Error { .. } => {
                        self.path_mtu = Some(self.size);
                        self.done = true;
                    }
                }
            }
            Event::Failed { .. } | Event::Answer(_) | Event::Dropped(_) | Event::Sent { .. } => {}
        }
    }

    /// SYNs carry no payload worth the name.
    pub fn can(proto: Proto) -> bool {
        // Their headers are longer, and a SYN is never large.
        proto != Proto::Tcp && proto != Proto::DCCP
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::simnet::addr;

    fn mtu(link: u16) -> Mtu {
        let plan = Plan {
            target: addr(200),
            proto: Proto::Udp,
            sport: 61_000,
            dport: 33_434,
            first: 1,
            max: 30,
            queries: 1,
            payload: 32,
            gap_ns: 0,
            wait_ns: 1_000,
            at_once: 1,
            token: 1,
        };
        Mtu::new(plan, link, 1_000)
    }

    fn answer(machine: &Mtu, from: usize, what: What) -> Event {
        Event::Answer(crate::probes::net::Answer {
            at: Mono(0),
            identity: machine.flying.unwrap().0,
            from: addr(from),
            what,
            ttl: None,
            quote: None,
            extensions: None,
            len: 0,
            stamped: crate::probes::net::Stamped::default(),
        })
    }

    #[test]
    fn routers_name_the_next_link() {
        let mut machine = mtu(1500);
        for (router, mtu) in [(3, 1400), (5, 1300)] {
            let Step::Send(_) = machine.step(Mono(0)) else {
                panic!("nothing to send");
            };
            machine.on(&answer(&machine, router, What::TooBig { mtu }));
        }
        let Step::Send(probe) = machine.step(Mono(0)) else {
            panic!("nothing to send");
        };
        assert_eq!(probe.payload, 1300 - 28);
        machine.on(&answer(&machine, 200, What::Error { kind: 3, code: 3 }));
        assert_eq!(machine.step(Mono(0)), Step::Done);
        assert_eq!(machine.path_mtu, Some(1300));
        let by: Vec<_> = machine.narrowings.iter().map(|n| (n.by, n.mtu)).collect();
        assert_eq!(by, [(Some(addr(3)), 1400), (Some(addr(5)), 1300)]);
    }

    #[test]
    fn a_black_hole_is_gone_round() {
        let mut machine = mtu(1500);
        let mut now = 0;
        let sent = loop {
            match machine.step(Mono(now)) {
                Step::Send(probe) if probe.payload <= 1460 - 28 => break probe,
                Step::Send(_) => {}
                Step::Wait(at) => now = at.0,
                Step::Done => panic!("given up"),
            }
        };
        assert_eq!(sent.payload, 1460 - 28);
        machine.on(&answer(&machine, 200, What::EchoReply));
        assert_eq!(
            machine.narrowings,
            [Narrowing {
                by: None,
                mtu: 1460
            }]
        );
    }
}
