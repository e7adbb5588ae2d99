//! Packets of every kind, damaged in every place: a line comes out, and nothing a terminal acts on.

use super::*;
use jiff::tz::TimeZone;

fn lines(shown: Shown, link: LinkType, data: &[u8], wire: u32) -> String {
    let mut lines = Lines::new(shown, Stamps::new(TimeZone::UTC, false), Box::new(Numbers));
    let packet = Packet {
        time_ns: 1_700_000_000_123_456_000,
        data,
        wire,
        interface: 0,
        way: None,
        comment: &[],
        process: None,
    };
    let interface = crate::capture::file::Interface {
        link,
        snaplen: 262_144,
        name: None,
        nanoseconds: false,
        swapped: false,
    };
    lines.packet(&interface, &packet);
    String::from_utf8(lines.pending().to_vec()).unwrap()
}

/// An Ethernet frame of IPv4.
fn frame(proto: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let total = u16::try_from(20 + payload.len()).unwrap();
    frame.extend([0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 1, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(payload);
    frame
}

const DNS: &[u8] = b"\x14\xea\x00\x35\x00\x29\x00\x00\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01";
const SYN: &[u8] = b"\x9c\x40\x00\x50\x00\x00\x03\xe8\x00\x00\x00\x00\x70\x02\xfa\xf0\x00\x00\x00\x00\x02\x04\x05\xb4\x01\x03\x03\x07";

#[test]
fn lines_of_tcpdump() {
    let wire = |data: &[u8]| u32::try_from(data.len()).unwrap();
    let show = |data: &[u8]| lines(Shown::default(), LinkType::Ethernet, data, wire(data));
    let stamp = "22:13:20.123456 ";
    assert_eq!(
        show(&frame(6, SYN)),
        format!(
            "{stamp}IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1000, win 64240, options [mss 1460,nop,wscale 7], length 0\n"
        )
    );
    assert_eq!(
        show(&frame(17, DNS)),
        format!("{stamp}IP 10.0.0.1.5354 > 10.0.0.2.53: 4660+ A? www.example.com. (33)\n")
    );
    assert_eq!(show(&[0; 10]), format!("{stamp} [|ether]\n"));
}

/// What is escaped in a comment is not escaped again, and what is not never gets out.
#[test]
fn comments_are_escaped_once() {
    let mut lines = Lines::new(
        Shown::default(),
        Stamps::new(TimeZone::UTC, false),
        Box::new(Numbers),
    );
    lines.comment(b"comm=\\x1b[2J \x1b[2J \xff");
    assert_eq!(lines.pending(), b"comm=\\x1b[2J \\x1b[2J \\xff");
}

/// With `-e` its number, too, where the interface has a name.
#[test]
fn interfaces_of_all() {
    let mut header = [8, 0, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    header[10] = 4;
    let data = [&header[..], &frame(17, &DNS[..20])[14..]].concat();
    let interface = |name: Option<&str>| Interface {
        link: LinkType::Sll2,
        snaplen: 262_144,
        name: name.map(str::to_owned),
        nanoseconds: false,
        swapped: false,
    };
    let show = |name: Option<&str>, link: bool| {
        let shown = Shown {
            link,
            quiet: true,
            ..Shown::default()
        };
        let mut lines = Lines::new(shown, Stamps::new(TimeZone::UTC, false), Box::new(Numbers));
        let packet = Packet {
            time_ns: 0,
            data: &data,
            wire: 60,
            interface: 0,
            way: None,
            comment: &[],
            process: None,
        };
        lines.packet(&interface(name), &packet);
        let line = String::from_utf8(lines.pending().to_vec()).unwrap();
        line["00:00:00.000000 ".len()..line.find("10.0.0.1").unwrap()].to_owned()
    };
    assert_eq!(show(Some("v0"), false), "v0    Out IP ");
    assert_eq!(
        show(Some("v0"), true),
        "v0    Out ifindex 7 02:00:00:00:00:01 "
    );
    assert_eq!(show(None, true), "ifindex 7 Out 02:00:00:00:00:01 ");
}

/// What stands before the place where a message is cut off.
#[test]
fn dns_that_is_cut_off() {
    let show = |data: &[u8]| {
        let line = lines(Shown::default(), LinkType::Ethernet, &frame(17, data), 0);
        line["22:13:20.123456 IP 10.0.0.1.".len()..].to_owned()
    };
    let mut more = DNS.to_vec();
    more[19] = 1; // an additional record, which is not there
    assert_eq!(
        show(&more),
        "5354 > 10.0.0.2.53: 4660+ [1au] A? www.example.com. [|domain]\n"
    );
    let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 1, 2, 3];
    let mut answer = [DNS, &record[..], &record[..8]].concat();
    answer[..12].copy_from_slice(&[0, 53, 0x14, 0xea, 0, 65, 0, 0, 0x12, 0x34, 0x81, 0x80]);
    answer[15] = 2;
    assert_eq!(
        show(&answer),
        "53 > 10.0.0.2.5354: 4660 2/0/0 A 10.1.2.3 [|domain]\n"
    );
}

/// What tcpdump reads otherwise, or not at all.
#[test]
fn lines_of_our_own() {
    let show = |shown: Shown, data: &[u8]| {
        let line = lines(shown, LinkType::Ethernet, data, 0);
        line["22:13:20.123456 IP 10.0.0.1".len()..].to_owned()
    };
    let quiet = Shown {
        quiet: true,
        ..Shown::default()
    };
    let inner = frame(6, SYN);
    let tunnel = |port: u16, head: &[u8; 8]| {
        let length = u16::try_from(16 + inner.len()).unwrap();
        let udp = [
            &[0x30, 0x39],
            &port.to_be_bytes()[..],
            &length.to_be_bytes(),
        ];
        let udp = [&udp.concat(), &[0, 0][..], head, &inner].concat();
        show(Shown::default(), &frame(17, &udp))
    };
    let network = [8, 0, 0, 0, 0, 0, 42, 0];
    for port in [4789, 8472] {
        assert_eq!(
            tunnel(port, &network),
            format!(
                ".12345 > 10.0.0.2.{port}: VXLAN, flags [I] (0x08), vni 42\nIP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1000, win 64240, options [mss 1460,nop,wscale 7], length 0\n"
            )
        );
    }
    assert_eq!(
        tunnel(8472, &[8, 0, 0, 0, 0, 0, 42, 1]),
        ".12345 > 10.0.0.2.8472: UDP, length 70\n"
    );
    let report = frame(2, b"\x16\0\0\0\xe0\x01\x01\x01");
    assert_eq!(show(quiet, &report), " > 10.0.0.2: igmp\n");
    let syn = [&SYN[..12], &[0xa0], &SYN[13..20]].concat();
    let with = |options: &[u8]| show(Shown::default(), &frame(6, &[&syn, options].concat()));
    for (options, told) in [
        (
            &b"\x1c\x04\x80\x10\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00"[..],
            "uto 0x8010 16392,nop",
        ),
        (
            b"\x13\x120123456789abcdef\x01\x00",
            "md5 30313233343536373839616263646566,nop,eol",
        ),
        (
            b"\x1d\x12\x01\x020123456789abcd\x01\x00",
            "tcp-ao keyid 1 rnextkeyid 2 mac 0x3031323334353637383961626364,nop,eol",
        ),
    ] {
        assert!(with(options).contains(told), "{}", with(options));
    }
}

#[test]
fn bytes_of_a_packet_never_reach_the_terminal_raw() {
    let text = b"\x9c\x40\x00\x50\x00\x00\x03\xe8\x00\x00\x00\x00\x50\x18\xfa\xf0\x00\x00\x00\x00GET /\x1b[31m\x07\xc2\x9b HTTP\r\n\x1b]0;x\x07";
    let name = [
        &DNS[..20],
        b"\x05\x1b[31m\x07exa\x07\x9bple\x03com\x00\x00\x01\x00\x01",
    ]
    .concat();
    for data in [frame(6, text), frame(17, &name)] {
        for verbose in 0..3 {
            for bytes in [
                Bytes::default(),
                Bytes {
                    ascii: true,
                    ..Bytes::default()
                },
                Bytes {
                    both: true,
                    ..Bytes::default()
                },
            ] {
                let shown = Shown {
                    verbose,
                    bytes,
                    ..Shown::default()
                };
                let said = lines(shown, LinkType::Ethernet, &data, 200);
                let odd = said
                    .chars()
                    .find(|c| c.is_control() && !"\n\t".contains(*c));
                assert_eq!(odd, None, "{said:?}");
            }
        }
    }
}

/// Headers of every kind with every byte changed, cut off everywhere, on every link.
#[test]
fn no_packet_is_too_odd() {
    let shown = [
        Shown::default(),
        Shown {
            verbose: 3,
            link: true,
            ..Shown::default()
        },
        Shown {
            verbose: 1,
            bytes: Bytes {
                both: true,
                link: true,
                ..Bytes::default()
            },
            ..Shown::default()
        },
    ];
    let links = [
        LinkType::Ethernet,
        LinkType::Raw,
        LinkType::Sll,
        LinkType::Sll2,
        LinkType::Null,
        LinkType::Loop,
    ];
    let gre = frame(47, &[&[0, 0, 0x65, 0x58], &frame(6, SYN)[..]].concat());
    let quoted = frame(
        1,
        &[&[3, 3, 0, 0, 0, 0, 0, 0], &frame(17, DNS)[14..]].concat(),
    );
    for data in [frame(6, SYN), frame(17, DNS), gre, quoted] {
        for link in links {
            for at in 0..data.len() {
                for byte in [0, 1, 5, 0x7f, 0xff] {
                    let mut odd = data.clone();
                    odd[at] = byte;
                    lines(shown[at % 3], link, &odd, u32::from(byte) * 3);
                }
                lines(shown[at % 3], link, &data[..at], 60);
            }
        }
    }
}

/// Random bytes behind every Ethernet type, IP protocol and port that is read; bounded, and the same each time.
#[test]
fn no_payload_is_too_odd() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let types = [
        0x0800_u16, 0x86dd, 0x0806, 0x8035, 0x8100, 0x8847, 0x8863, 0x8864, 0x6558, 0x0026, 0x9999,
    ];
    let ports = [53_u16, 5353, 67, 123, 4789, 8472, 6081, 80, 22];
    let shown = Shown {
        verbose: 3,
        link: true,
        ..Shown::default()
    };
    for round in 0..6_000_u64 {
        let len = usize::try_from(random() % 120).unwrap();
        let mut payload: Vec<u8> = (0..len).map(|_| random().to_be_bytes()[3]).collect();
        let data = if round % 2 == 0 {
            let kind = types[usize::try_from(random()).unwrap() % types.len()];
            [&[2; 12], &kind.to_be_bytes()[..], &payload].concat()
        } else {
            if let [_, _, a, b, ..] = &mut payload[..] {
                [*a, *b] = ports[usize::try_from(random()).unwrap() % ports.len()].to_be_bytes();
            }
            let protos = [1, 2, 4, 6, 17, 41, 47, 50, 51, 58, 89, 103, 112, 132];
            frame(
                protos[usize::try_from(random()).unwrap() % protos.len()],
                &payload,
            )
        };
        lines(shown, LinkType::Ethernet, &data, 100);
    }
}
