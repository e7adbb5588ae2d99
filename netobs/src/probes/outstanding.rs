//! Probes that may still be answered: found by what an answer quotes, forgotten oldest first.

use super::net::{Answer, Identity, Proto, What};
use std::collections::{HashMap, VecDeque};

/// Bounded: an answer to a probe that was pushed out is foreign.
pub struct Outstanding<T> {
    by_identity: HashMap<Identity, T>,
    /// Flows of UDP, whose datagrams come back without a token.
    by_flow: HashMap<Identity, Identity>,
    order: VecDeque<Identity>,
    most: usize,
}

/// How sure the match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Exact,
    /// Found by the IPv4 identification: the checksum or a port was rewritten on the way.
    Rewritten,
}

impl<T: Copy> Outstanding<T> {
    pub fn new(most: usize) -> Self {
        Self {
            by_identity: HashMap::new(),
            by_flow: HashMap::new(),
            order: VecDeque::new(),
            most,
        }
    }

    pub fn insert(&mut self, identity: Identity, value: T) {
        if self.by_identity.insert(identity, value).is_none() {
            self.order.push_back(identity);
        }
        if identity.proto != Proto::Icmp {
            self.by_flow.entry(identity.flow()).or_insert(identity);
        }
        while self.order.len() > self.most {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.by_identity.remove(&oldest);
            if self.by_flow.get(&oldest.flow()) == Some(&oldest) {
                self.by_flow.remove(&oldest.flow());
            }
        }
    }

    pub fn get(&self, identity: &Identity) -> Option<T> {
        self.by_identity.get(identity).copied()
    }

    pub fn get_mut(&mut self, identity: &Identity) -> Option<&mut T> {
        self.by_identity.get_mut(identity)
    }

    /// The probe that an answer belongs to.
    pub fn find(&self, answer: &Answer) -> Option<(T, Match)> {
        if let Some(identity) = self.exactly(answer) {
            return Some((self.get(&identity)?, Match::Exact));
        }
        self.rewritten(answer)
            .map(|found| (found, Match::Rewritten))
    }

    /// The probe that an answer names, if nothing on the way changed what it is known by.
    pub fn exactly(&self, answer: &Answer) -> Option<Identity> {
        let identity = answer.identity;
        if self.by_identity.contains_key(&identity) {
            return Some(identity);
        }
        let datagram = answer.what == What::Datagram;
        let first = self.by_flow.get(&identity.flow()).copied();
        first.filter(|first| datagram && self.by_identity.contains_key(first))
    }

    /// A UDP checksum changes when a translator on the way changes addresses or ports; the identification, which we set to the
    /// same token, does not. One port must still be ours: a forger has to guess both.
    fn rewritten(&self, answer: &Answer) -> Option<T> {
        let id = u32::from(answer.quote?.id?);
        if answer.identity.proto != Proto::Udp || id == 0 {
            return None;
        }
        let mut wanted = answer.identity;
        wanted.token = id;
        self.get(&wanted).or_else(|| {
            let mut candidates = self
                .order
                .iter()
                .filter(|i| i.token == id && i.peer == wanted.peer && i.b == wanted.b);
            let only = candidates.next()?;
            candidates.next().is_none().then(|| self.get(only))?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Mono,
        probes::net::{Quote, Stamped, What},
    };

    fn identity(token: u32) -> Identity {
        Identity {
            peer: "10.0.0.9".parse().unwrap(),
            proto: Proto::Udp,
            a: 40_000,
            b: 33_434,
            token,
        }
    }

    fn answer(identity: Identity, id: Option<u16>) -> Answer {
        let here = "10.0.0.1".parse().unwrap();
        Answer {
            at: Mono(1),
            identity,
            from: here,
            what: What::TimeExceeded,
            ttl: None,
            quote: Some(Quote {
                source: here,
                ttl: 1,
                tos: 0,
                id,
            }),
            extensions: None,
            len: 0,
            stamped: Stamped::default(),
        }
    }

    #[test]
    fn by_token_by_flow_and_by_identification() {
        let mut table = Outstanding::new(8);
        table.insert(identity(5), 'a');
        table.insert(identity(6), 'b');
        let found = |i, id| table.find(&answer(i, id));
        assert_eq!(found(identity(6), None), Some(('b', Match::Exact)));
        let mut datagram = answer(identity(0), None);
        datagram.what = What::Datagram;
        assert_eq!(table.find(&datagram), Some(('a', Match::Exact)));
        assert_eq!(found(identity(0), None), None, "an error without a token");
        assert_eq!(found(identity(77), Some(6)), Some(('b', Match::Rewritten)));
        assert_eq!(found(identity(77), Some(7)), None, "never sent");
        let mut other = identity(77);
        other.a = 1;
        assert_eq!(found(other, Some(6)), Some(('b', Match::Rewritten)));
        other.b = 1;
        assert_eq!(found(other, Some(6)), None, "a wrong quoted flow");
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut table = Outstanding::new(2);
        for token in 1..=3 {
            table.insert(identity(token), token);
        }
        assert_eq!(table.get(&identity(1)), None);
        assert_eq!(table.get(&identity(3)), Some(3));
    }
}
