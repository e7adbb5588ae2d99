//! Hosts limit their ICMP errors (Linux: one a second to each peer after six), so that closed UDP ports look silent: these are
//! asked again, one at a time, at the pace that the host keeps.

use crate::event::Mono;

/// Linux's pace, and a little; where errors come faster the gap shrinks until one stays out.
const FIRST_GAP_NS: u64 = 1_050_000_000;
const LEAST_GAP_NS: u64 = 10_000_000;
const MOST_GAP_NS: u64 = 4_000_000_000;
/// So many ports taken at random that stay silent at this pace speak for all.
const BARREN: u32 = 8;
/// Silent ports in a row that the limit of a host may explain; and answers before a silent end that look like its burst.
const RUN: usize = 8;
const BURST: usize = 5;

/// One host's silent ports.
#[derive(Debug, Default)]
struct Host {
    /// In no order, so that the first ones speak for the rest.
    silent: Vec<usize>,
    asked: Option<usize>,
    /// It was asked twice; gap and floor before that.
    again: Option<(u64, u64)>,
    /// When the port that was asked counts as silent, and the next one may be asked.
    at: u64,
    gap_ns: u64,
    /// Not below this: there an answer stayed out.
    floor_ns: u64,
    barren: u32,
    hits: u32,
}

/// All hosts of a scan.
#[derive(Debug)]
pub struct Patient {
    hosts: Vec<Host>,
    begun: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Ask(usize),
    /// It is silent for good.
    Settle(usize),
    Wait(Mono),
    Done,
}

/// How a host's ports came out when they were asked at full speed, in the order of asking.
pub fn is_limited(closed_at_once: &[bool], answered_later: bool) -> bool {
    let closed = closed_at_once.iter().filter(|closed| **closed).count();
    if closed == 0 {
        return false;
    }
    let runs: Vec<usize> = closed_at_once
        .split(|closed| *closed)
        .skip(1)
        .map(<[bool]>::len)
        .collect();
    let tail = runs.last().copied().unwrap_or(0);
    answered_later || runs.iter().any(|run| *run >= RUN) || (tail > 0 && closed >= BURST)
}

impl Patient {
    pub fn new(hosts: usize) -> Self {
        Self {
            hosts: (0..hosts).map(|_| Host::default()).collect(),
            begun: false,
        }
    }

    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    /// A port that was silent at full speed.
    pub fn hold(&mut self, host: usize, place: usize) {
        self.hosts[host].silent.push(place);
    }

    /// Full speed is over; the ports of hosts that do not limit are silent for good.
    pub fn begin(&mut self, now: Mono, limited: impl Fn(usize) -> bool) -> Vec<usize> {
        self.begun = true;
        let mut settled = Vec::new();
        for (n, host) in self.hosts.iter_mut().enumerate() {
            if !limited(n) {
                settled.append(&mut host.silent);
            }
            shuffle(&mut host.silent);
            host.gap_ns = FIRST_GAP_NS;
            host.at = now.0 + FIRST_GAP_NS;
        }
        settled
    }

    /// Ports still to be asked at the pace of a host that is known to limit, and that pace.
    pub fn left(&self) -> Option<(usize, u64)> {
        let slow = self.hosts.iter().filter(|host| host.hits > 0);
        let (left, gap) = slow.fold((0, 0), |(left, gap), host| {
            (left.max(host.silent.len()), gap.max(host.gap_ns))
        });
        (left > 0).then_some((left, gap))
    }

    pub fn next(&mut self, now: Mono) -> Next {
        let mut wake: Option<u64> = None;
        for host in &mut self.hosts {
            if let Some(next) = host.due(now) {
                return next;
            }
            if !host.is_done() {
                wake = Some(wake.map_or(host.at, |at| at.min(host.at)));
            }
        }
        wake.map_or(Next::Done, |at| Next::Wait(Mono(at)))
    }

    /// What was asked has been answered.
    pub fn answered(&mut self, host: usize, place: usize) {
        let host = &mut self.hosts[host];
        if host.asked != Some(place) {
            return;
        }
        (host.asked, host.again) = (None, None);
        host.hits += 1;
        host.barren = 0;
        let faster = (host.gap_ns / 4 * 3).max(LEAST_GAP_NS);
        host.gap_ns = faster.max(host.floor_ns).min(host.gap_ns);
    }

    /// All that is still held: the scan ends before its time.
    pub fn rest(&mut self) -> Vec<usize> {
        let hosts = self.hosts.iter_mut();
        hosts
            .flat_map(|host| {
                let asked = host.asked.take();
                std::mem::take(&mut host.silent).into_iter().chain(asked)
            })
            .collect()
    }
}

impl Host {
    const fn is_done(&self) -> bool {
        self.asked.is_none() && self.silent.is_empty()
    }

    fn due(&mut self, now: Mono) -> Option<Next> {
        if now.0 < self.at || self.is_done() {
            return None;
        }
        let Some(place) = self.asked else {
            let place = self.silent.pop()?;
            if self.hits == 0 && self.barren >= BARREN {
                return Some(Next::Settle(place));
            }
            return Some(self.ask(place, now));
        };
        let Some((gap, floor)) = self.again else {
            // It is closed and we are too fast, or it is open: a slower second question tells.
            self.again = Some((self.gap_ns, self.floor_ns));
            self.floor_ns = (self.gap_ns / 3 * 4).min(MOST_GAP_NS);
            self.gap_ns = self.floor_ns;
            return Some(self.ask(place, now));
        };
        (self.gap_ns, self.floor_ns) = (gap, floor);
        (self.asked, self.again) = (None, None);
        self.barren += 1;
        Some(Next::Settle(place))
    }

    fn ask(&mut self, place: usize, now: Mono) -> Next {
        self.asked = Some(place);
        self.at = now.0 + self.gap_ns;
        Next::Ask(place)
    }
}

/// In the order of a hash: the same in every run, and not that of the ports.
fn shuffle(places: &mut [usize]) {
    places.sort_by_key(|place| place.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_shows_in_who_stays_silent() {
        let burst = [vec![true; 6], vec![false; 20]].concat();
        assert!(is_limited(&burst, false));
        let few = [vec![true; 6], vec![false; 1]].concat();
        assert!(is_limited(&few, false));
        let between = [true, false, true, false, true, true, true];
        assert!(
            !is_limited(&between, false),
            "two services among closed ports"
        );
        assert!(is_limited(&between, true));
        assert!(
            !is_limited(&[false; 30], false),
            "nothing is closed: a firewall"
        );
    }

    /// A host with a bucket of errors; how many ports it called closed, and how long that took.
    fn run(ports: usize, open: usize, each_ns: u64) -> (usize, u64) {
        let mut patient = Patient::new(1);
        (0..ports).for_each(|place| patient.hold(0, place));
        assert!(patient.begin(Mono(0), |_| true).is_empty());
        let (mut now, mut last, mut closed) = (0, 0, 0);
        loop {
            match patient.next(Mono(now)) {
                Next::Ask(place) if place >= open && now >= last + each_ns => {
                    last = now;
                    closed += 1;
                    patient.answered(0, place);
                }
                Next::Ask(_) | Next::Settle(_) => {}
                Next::Wait(at) => now = at.0,
                Next::Done => return (closed, now),
            }
        }
    }

    #[test]
    fn the_pace_is_the_hosts() {
        let second = 1_000_000_000;
        let (closed, took) = run(100, 3, second);
        assert_eq!(closed, 97);
        assert!(took < 125 * second, "{took}");
        let (closed, took) = run(1000, 0, 5_000_000);
        assert_eq!(closed, 1000);
        assert!(took < 30 * second, "a fast host is asked fast: {took}");
        let (closed, took) = run(1000, 1000, second);
        assert_eq!(closed, 0);
        assert!(took < 25 * second, "a firewall is not waited for: {took}");
        let (closed, _) = run(40, 0, 2 * second);
        assert!(closed >= 36, "a slower host: {closed}");
    }
}
