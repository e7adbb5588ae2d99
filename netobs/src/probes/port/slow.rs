//! The second half of a scan: silent ports at the pace of their hosts.

use super::{
    Scan,
    patient::{Next, is_limited},
    state::{Reason, State},
};
use crate::{
    event::Mono,
    probes::{net::Proto, trace::Step},
};

impl Scan {
    /// Full speed is over: what stayed silent may have been closed.
    pub(super) fn step_patiently(&mut self, now: Mono) -> Step {
        if !self.patient.has_begun() {
            let limited: Vec<bool> = (0..self.plan.targets.len())
                .map(|host| self.is_limited(host))
                .collect();
            for place in self.patient.begin(now, |host| limited[host]) {
                self.settle_silent(place);
            }
        }
        loop {
            match self.patient.next(now) {
                Next::Ask(place) => return Step::Send(self.transmit(place, now)),
                Next::Settle(place) => self.settle_silent(place),
                Next::Wait(at) => return Step::Wait(at),
                Next::Done => return Step::Done,
            }
        }
    }

    fn is_limited(&self, host: usize) -> bool {
        let ports = self.plan.ports.len();
        let places = host * ports..(host + 1) * ports;
        // Other answers than "closed" are no errors, and under no limit.
        let errors = places.filter(|place| {
            let state = self.results[*place].as_ref().map(|port| port.state);
            state.is_none_or(|state| state == State::Closed)
        });
        let closed: Vec<bool> = errors
            .map(|place| self.results[place].is_some() && self.tries[place] == 1)
            .collect();
        is_limited(&closed, self.late[host])
    }

    /// Ports that are asked at the pace of a host that limits its errors, and the pace, nanoseconds.
    pub fn patience(&self) -> Option<(usize, u64)> {
        self.patient.left()
    }

    /// The run was stopped: what is still asked has been silent so far.
    pub fn give_up(&mut self) {
        for place in self.patient.rest() {
            self.settle_silent(place);
        }
    }

    pub(super) fn settle_silent(&mut self, place: usize) {
        if self.results[place].is_some() {
            return;
        }
        let state = match self.plan.proto {
            Proto::Udp => State::OpenFiltered,
            Proto::Tcp | Proto::Icmp | Proto::Other(_) => State::Filtered,
        };
        self.settle(place, state, Reason::Silence, None);
    }
}
