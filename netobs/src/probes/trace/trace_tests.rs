//! Traces over networks of every kind of trouble.

use super::{
    verdict::{Manner, manner, verdict},
    *,
};
use crate::probes::net::Stamped;
use crate::probes::simnet::{End, MS, Machine, Net, addr, run};

impl Machine for Tracer {
    fn step(&mut self, now: Mono) -> Step {
        Tracer::step(self, now)
    }

    fn on(&mut self, event: &Event) {
        Tracer::on(self, event);
    }
}

fn plan(proto: Proto) -> Plan {
    Plan {
        target: addr(200),
        proto,
        sport: 61_000,
        dport: 33_434,
        first: 1,
        max: 30,
        queries: 3,
        payload: 32,
        gap_ns: 0,
        wait_ns: 5_000 * MS,
        at_once: 128,
        token: 65_500,
    }
}

fn trace(net: &mut Net, proto: Proto) -> (Tracer, u64) {
    let mut tracer = Tracer::new(plan(proto));
    let took = run(net, &mut tracer);
    (tracer, took)
}

#[test]
fn every_hop_within_a_round_trip() {
    for hops in [1, 10, 30] {
        for proto in [Proto::Udp, Proto::Icmp, Proto::Tcp] {
            let (tracer, took) = trace(&mut Net::line(hops), proto);
            assert_eq!(tracer.hops().len(), hops);
            assert!(tracer.hops().iter().all(|hop| hop.answered() == 3));
            assert!(took < 22 * MS, "{took} ns for {hops} hops");
            let end = verdict(&tracer);
            assert!(end.reached, "{}", end.sentence);
        }
    }
}

#[test]
fn a_silent_hop_costs_less_than_three_round_trips() {
    let mut net = Net::line(10);
    net.routers[4].silent = true;
    let (tracer, took) = trace(&mut net, Proto::Udp);
    assert!(took < 70 * MS, "{took} ns");
    assert_eq!(manner(tracer.hops(), 4), Manner::Silent);
    let end = verdict(&tracer);
    assert!(
        end.sentence.contains("hop 5 stays silent"),
        "{}",
        end.sentence
    );
}

/// Its datagrams name no probe.
#[test]
fn a_served_port_ends_the_way() {
    for (silent, hops) in [
        (None, 1),
        (None, 4),
        (None, 30),
        (Some(2), 4),
        (Some(8), 10),
    ] {
        let mut net = Net::line(hops);
        net.end = End::Open;
        if let Some(silent) = silent {
            net.routers[silent].silent = true;
        }
        let (tracer, took) = trace(&mut net, Proto::Udp);
        let end = verdict(&tracer);
        assert!(end.reached, "{}", end.sentence);
        assert_eq!(tracer.hops().len(), hops, "{silent:?}");
        let last = tracer.hops().last().unwrap();
        assert_eq!(last.answered(), 3);
        assert!(last.replies().all(|reply| reply.from == addr(200)));
        let patience = if silent.is_some() { 70 } else { 22 };
        assert!(took < patience * MS, "{took} ns for {hops} hops");
    }
}

#[test]
fn a_limit_is_no_loss() {
    let mut net = Net::line(10);
    net.routers[2].limit = Some(1);
    let (tracer, _) = trace(&mut net, Proto::Udp);
    assert_eq!(manner(tracer.hops(), 2), Manner::RateLimited);
    assert!(
        verdict(&tracer)
            .sentence
            .contains("hop 3 limits its answers")
    );
}

#[test]
fn loss_duplicates_and_disorder() {
    let mut net = Net::line(10);
    (net.twice, net.jitter, net.loss) = (300, 8 * MS, 100);
    let (tracer, took) = trace(&mut net, Proto::Udp);
    assert!(tracer.duplicates > 0);
    assert_eq!(tracer.foreign, 0);
    assert!(took < 120 * MS, "{took}");
    for hop in tracer.hops() {
        let own = addr(if hop.ttl == 10 {
            200
        } else {
            usize::from(hop.ttl)
        });
        assert!(hop.replies().all(|reply| reply.from == own));
        assert!(
            hop.replies()
                .all(|reply| reply.rtt_ns >= 20 * MS && reply.rtt_ns < 29 * MS)
        );
    }
}

#[test]
fn a_silent_destination_is_where_it_stops() {
    let mut net = Net::line(5);
    net.end = End::Silent;
    let (tracer, took) = trace(&mut net, Proto::Udp);
    let end = verdict(&tracer);
    assert!(!end.reached);
    assert!(
        end.sentence.contains("stopped after hop 4 (10.0.4.1)"),
        "{}",
        end.sentence
    );
    assert!(took < 1_100 * MS, "{took}");
}

#[test]
fn a_refusal_ends_the_way() {
    let mut net = Net::line(9);
    net.routers[3].refuses = Some(What::Error { kind: 3, code: 1 });
    let (tracer, took) = trace(&mut net, Proto::Udp);
    assert_eq!(tracer.hops().len(), 4);
    assert!(took < 25 * MS);
    let end = verdict(&tracer);
    assert!(
        end.sentence.contains("10.0.4.1 says !H"),
        "{}",
        end.sentence
    );
    assert!(!end.reached);
}

#[test]
fn a_loop_is_named() {
    let mut net = Net::line(6);
    net.round_from = Some(3);
    let (tracer, _) = trace(&mut net, Proto::Udp);
    let end = verdict(&tracer).sentence;
    assert!(
        end.contains("loop from hop 4 on, between 10.0.4.1 and 10.0.5.1"),
        "{end}"
    );
}

#[test]
fn ecmp_with_a_constant_flow_shows_one_way() {
    let mut net = Net::line(6);
    net.routers[2].addrs = vec![addr(31), addr(32), addr(33)];
    let (tracer, _) = trace(&mut net, Proto::Udp);
    assert_eq!(verdict::speakers(&tracer.hops()[2]).len(), 1);
}

#[test]
fn a_translator_does_not_hide_the_hops_behind_it() {
    let mut net = Net::line(8);
    net.routers[2].rewrites = true;
    let (tracer, _) = trace(&mut net, Proto::Udp);
    let rewritten: Vec<bool> = tracer
        .hops()
        .iter()
        .take(7)
        .map(|hop| hop.replies().all(|r| r.rewritten))
        .collect();
    assert_eq!(rewritten, [false, false, false, true, true, true, true]);
    assert!(verdict::translated(&tracer, &tracer.hops()[3]));
}

#[test]
fn forged_answers_change_nothing() {
    let mut tracer = Tracer::new(plan(Proto::Udp));
    let Step::Send(probe) = tracer.step(Mono(5)) else {
        panic!("nothing to send");
    };
    let mut forged = probe.identity;
    forged.token ^= 0x100;
    let answer = |identity, at| {
        Event::Answer(Answer {
            at: Mono(at),
            identity,
            from: addr(66),
            what: What::TimeExceeded,
            ttl: None,
            quote: None,
            extensions: None,
            len: 0,
            stamped: Stamped::default(),
        })
    };
    tracer.on(&answer(forged, 9));
    forged = probe.identity;
    forged.a += 1;
    tracer.on(&answer(forged, 9));
    assert_eq!((tracer.foreign, tracer.hops()[0].answered()), (2, 0));
    tracer.on(&answer(probe.identity, 12));
    tracer.on(&answer(probe.identity, 15));
    assert_eq!((tracer.hops()[0].answered(), tracer.duplicates), (1, 1));
    assert_eq!(tracer.hops()[0].replies().next().unwrap().rtt_ns, 7);
}

#[test]
fn the_kernels_time_of_sending_counts() {
    let mut tracer = Tracer::new(plan(Proto::Icmp));
    let Step::Send(probe) = tracer.step(Mono(100)) else {
        panic!("nothing to send");
    };
    tracer.on(&Event::Sent {
        identity: probe.identity,
        at: Mono(140),
    });
    tracer.on(&Event::Answer(Answer {
        at: Mono(200),
        identity: probe.identity,
        from: addr(200),
        what: What::EchoReply,
        ttl: Some(64),
        quote: None,
        extensions: None,
        len: 40,
        stamped: Stamped::default(),
    }));
    assert_eq!(tracer.hops()[0].replies().next().unwrap().rtt_ns, 60);
}

/// What this host drops shows the hop, and is told apart.
#[test]
fn answers_dropped_here_show_their_hop() {
    let mut tracer = Tracer::new(plan(Proto::Icmp));
    let Step::Send(probe) = tracer.step(Mono(100)) else {
        panic!("nothing to send");
    };
    tracer.on(&Event::Dropped(Answer {
        at: Mono(200),
        identity: probe.identity,
        from: addr(200),
        what: What::EchoReply,
        ttl: Some(64),
        quote: None,
        extensions: None,
        len: 40,
        stamped: Stamped::default(),
    }));
    assert!(tracer.hops()[0].replies().next().unwrap().dropped);
    let sentence = verdict(&tracer).sentence;
    assert!(
        sentence.contains("1 answers reached this host"),
        "{sentence}"
    );
}
