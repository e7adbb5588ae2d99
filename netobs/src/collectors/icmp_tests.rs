//! ICMP errors from bytes to text and JSON.

use super::*;
use crate::{
    enrich::About,
    event::{Comm, Common, Event, Mono, Owner},
    views::{View, json::Json, text::Text, time::Clock},
    wall::Wall,
};
use netobs_ebpf::{event::Header, icmp::event::RECEIVED, packet::Packet};
use zerocopy::{FromZeros as _, IntoBytes as _};

const UDP4: &[u8] = &[
    0x45, 0, 0, 38, 0, 0, 0x40, 0, 1, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0, 53, 0, 18,
    0, 0,
];

fn raw(ethertype: u16, form: u8, direction: u8, parts: &[&[u8]]) -> raw::Icmp {
    let mut raw = raw::Icmp::new_zeroed();
    let bytes = parts.concat();
    raw.packet.bytes[..bytes.len()].copy_from_slice(&bytes);
    raw.packet.len = u16::try_from(bytes.len()).unwrap();
    raw.packet.ethertype = ethertype;
    (raw.form, raw.direction) = (form, direction);
    raw
}

fn icmp4(kind: u8, code: u8, rest: [u8; 4]) -> Vec<u8> {
    let mut outer = vec![
        0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1,
    ];
    outer.extend([kind, code, 0, 0]);
    outer.extend(rest);
    outer
}

fn shown(event: Icmp, json: bool) -> String {
    let common = Common {
        at: Mono(1_000_000_000),
        hook: 0,
        owner: Owner::Process {
            pid: 42,
            comm: Comm(*b"dig\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        },
        uid: Some(0),
        netns: 7,
        cgroup: 0,
        sk: 0,
        ino: 0,
    };
    let clock = Clock::new(Wall::new(Mono(0), 0), jiff::tz::TimeZone::UTC);
    let event = Event {
        common,
        body: Body::Icmp(event),
    };
    let mut view: Box<dyn View> = if json {
        Box::new(Json::new(clock))
    } else {
        Box::new(Text::new(clock, false, 7))
    };
    view.event(&event, &About::default(), &Names::new(true));
    String::from_utf8(view.pending().to_vec()).unwrap()
}

#[test]
fn a_received_error_quotes_our_flow() {
    let raw = raw(
        0x0800,
        OUTER,
        RECEIVED,
        &[&icmp4(3, 4, [0, 0, 5, 20]), UDP4],
    );
    let Some(Body::Icmp(event)) = decode(Kind::Icmp, raw.as_bytes()) else {
        panic!("no event")
    };
    assert_eq!((event.kind, event.code, event.mtu), (3, 4, Some(1300)));
    assert_eq!(event.from, Some("10.0.0.9".parse().unwrap()));
    let [ends] = event.searches()[..] else {
        panic!("one socket is looked for")
    };
    assert_eq!(ends.local, "10.0.0.1:12345".parse().unwrap());
    insta::assert_snapshot!(shown(event.clone(), false), @"00:00:01.000000 icmp            42      dig              10.0.0.1:12345        -> 10.0.0.2:53           udp fragmentation needed mtu=1300 received from 10.0.0.9");
    insta::assert_snapshot!(shown(event, true), @r#"{"ts":"1970-01-01T00:00:01.000000000Z","event":"icmp","pid":42,"comm":"dig","uid":0,"netns":7,"cgroup":null,"container":null,"pod":null,"proto":"udp","family":"ipv4","saddr":"10.0.0.1","sport":12345,"daddr":"10.0.0.2","dport":53,"direction":"received","type":3,"code":4,"what":"fragmentation needed","mtu":1300,"gateway":null,"from":"10.0.0.9","to":"10.0.0.1"}"#);
}

#[test]
fn a_sent_error_is_looked_for_at_both_ends() {
    let mut raw = raw(0x0800, netobs_ebpf::icmp::event::QUOTED, SENT, &[UDP4]);
    (raw.kind, raw.code, raw.to[0]) = (3, 3, u32::from_ne_bytes([10, 0, 0, 1]));
    let event = read(&raw).unwrap();
    assert_eq!((event.what(), event.from), ("port unreachable", None));
    assert_eq!(event.to, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(event.searches()[0].local, "10.0.0.2:53".parse().unwrap());
    raw.kind = 11;
    assert!(read(&raw).unwrap().searches().is_empty());
}

#[test]
fn an_echo_request_has_a_socket_too() {
    let mut echo = UDP4[..20].to_vec();
    echo[9] = 1;
    echo.extend([8, 0, 0, 0, 0x12, 0x34, 0, 1]);
    let event = read(&raw(
        0x0800,
        OUTER,
        RECEIVED,
        &[&icmp4(3, 1, [0; 4]), &echo],
    ))
    .unwrap();
    let ports: Vec<u16> = event
        .searches()
        .iter()
        .map(|ends| ends.local.port())
        .collect();
    assert_eq!(ports, [0x1234, 1]);
}

#[test]
fn redirects_name_the_gateway() {
    let raw4 = raw(
        0x0800,
        OUTER,
        RECEIVED,
        &[&icmp4(5, 1, [10, 0, 0, 254]), UDP4],
    );
    assert_eq!(
        read(&raw4).unwrap().gateway,
        Some("10.0.0.254".parse().unwrap())
    );
    let mut six = vec![137, 0, 0, 0, 0, 0, 0, 0];
    six.extend(Ipv6Addr::from(1).octets());
    six.extend(Ipv6Addr::from(2).octets());
    let event = read(&raw(0x86dd, MESSAGE, SENT, &[&six])).unwrap();
    assert_eq!(event.gateway, Some("::1".parse().unwrap()));
    assert_eq!(event.quoted.destination, Some("::2".parse().unwrap()));
}

#[test]
fn cut_off_bytes_are_no_error() {
    for len in 0..64 {
        let whole = [icmp4(3, 3, [0; 4]), UDP4.to_vec()].concat();
        let part = &whole[..len.min(whole.len())];
        let _unused: Option<Icmp> = read(&raw(0x0800, OUTER, RECEIVED, &[part]));
    }
    assert!(size_of::<raw::Icmp>() == size_of::<Header>() + size_of::<Packet>() + 24);
}
