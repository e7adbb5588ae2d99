//! Programs as libpcap 1.10 makes them (the labs compare many more), what they match, and text that is no expression.

use super::{known::Known, *};

fn options(link: LinkType) -> Options<'static> {
    Options {
        link,
        snaplen: 262_144,
        optimize: true,
        live: false,
        swapped: false,
        netmask: Some(0),
        names: &Known,
    }
}

fn program(expression: &str) -> Result<Program, String> {
    compile(expression, &options(LinkType::Ethernet)).map_err(|error| error.to_string())
}

fn refused(expression: &str) -> String {
    program(expression).unwrap_err()
}

#[test]
fn a_program_as_libpcap_makes_it() {
    let wanted = "\
(000) ldh      [12]
(001) jeq      #0x800           jt 2\tjf 12
(002) ldb      [23]
(003) jeq      #0x6             jt 4\tjf 12
(004) ldh      [20]
(005) jset     #0x1fff          jt 12\tjf 6
(006) ldxb     4*([14]&0xf)
(007) ldh      [x + 14]
(008) jeq      #0x50            jt 11\tjf 9
(009) ldh      [x + 16]
(010) jeq      #0x50            jt 11\tjf 12
(011) ret      #262144
(012) ret      #0
";
    assert_eq!(program("ip and tcp port http").unwrap().to_string(), wanted);
    assert_eq!(program("").unwrap().to_string(), "(000) ret      #262144\n");
}

#[test]
fn precedence_and_shorthand() {
    for (one, other) in [
        ("port 80 or 53", "port 80 or port 53"),
        ("tcp or udp and icmp", "(tcp or udp) and icmp"),
        ("not tcp and udp", "(not tcp) and udp"),
        (
            "host 10.0.0.1 and (10.0.0.2 or 10.0.0.3)",
            "host 10.0.0.1 and (host 10.0.0.2 or host 10.0.0.3)",
        ),
        ("tcp[0] + 2 * 3 = 7", "tcp[0] + (2 * 3) = 7"),
        ("tcp[0] % 4 + 1 = 3", "tcp[0] % (4 + 1) = 3"),
        ("ip proto \\udp", "ip proto 17"),
        ("tcp[tcpflags] & tcp-syn != 0", "tcp[13] & 2 != 0"),
        ("tcp && !(port 80)", "tcp and not port 80"),
    ] {
        assert_eq!(program(one), program(other), "{one}");
    }
}

#[test]
fn an_error_says_where_and_what() {
    for (expression, words) in [
        (
            "host 10.0.0.1 and",
            "column 18: expected a primitive such as 'host' or 'tcp', found the end",
        ),
        ("tcp and gateway foo", "column 9: not supported: 'gateway'"),
        ("tcp or wlan type data", "column 13"),
        (
            "net 10.0.0.1/8",
            "column 1: the address has bits set beyond the prefix, found 'net 10.0.0.1/8'",
        ),
        (
            "port nosuch",
            "column 1: the service 'nosuch' is not in /etc/services",
        ),
        (
            "host nosuch",
            "the host 'nosuch' is not known: no such name",
        ),
        ("udp port http", "is of tcp"),
        (
            "tcp and udp[9:3] = 1",
            "column 9: 1, 2 or 4 bytes can be loaded",
        ),
        ("10.0.0.1", "column 1"),
        ("tcp and 80", "nothing says what this is"),
        ("1 = 2", "matches no packet at all"),
    ] {
        assert!(
            refused(expression).contains(words),
            "{expression}: {}",
            refused(expression)
        );
    }
    assert!(refused(&"(".repeat(5000)).contains("nested too deeply"));
    assert!(refused(&"tcp or ".repeat(20_000)).contains("longer than"));
}

#[test]
fn packets_match_as_far_as_they_go() {
    let mut frame = vec![0; 14];
    frame[12] = 8;
    let header = [
        0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    frame.extend(header);
    frame.extend([0, 80, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2]);
    let wire = 74;
    for (expression, matches) in [
        ("tcp port 80", true),
        ("udp or tcp[13] = 2", true),
        ("host db", true),
        ("len = 74", true),
        ("greater 75", false),
        ("tcp[14:2] = 0", false),
        // A load beyond the end refuses, also inside of a not.
        ("not tcp[14:2] = 0", false),
        ("ip6 or arp", false),
    ] {
        let program = program(expression).unwrap();
        assert_eq!(program.matches(&frame, wire), matches, "{expression}");
    }
}

/// As long as expressions may be, and of the shapes that go deepest or cost most: a program or an error, in time and on the stack.
#[test]
fn no_text_is_too_long() {
    let nested = |before: &str, after: &str, times| {
        (0..times).fold("1".to_owned(), |inner, _| {
            format!("({before}{inner}{after})")
        })
    };
    let texts = [
        nested(&"1 % ".repeat(170), "", 90) + " = 1",
        nested("", &" + 1".repeat(170), 90) + " = 1",
        nested("", " + 1 + 1", 90) + " = 1",
        [&nested("", " + 1 + 1", 90), " = 1 and "]
            .concat()
            .repeat(40)
            + "tcp",
        format!("{}1 = 1", "- ".repeat(30_000)),
        format!("{}tcp", "not ".repeat(16_000)),
        format!("port 1{}", " or 1".repeat(13_000)),
        format!("{}0{} = 0", "tcp[".repeat(90), "]".repeat(90)),
        format!("{}1 = 1", "len + ".repeat(190)),
        ":".repeat(65_000),
        "::1".repeat(20_000),
    ];
    for text in texts {
        assert!(text.len() <= 1 << 16, "{}", text.len());
        assert!(program(&text).map_or(true, |program| program.insns.len() < 1000));
    }
}

const PARTS: [&str; 46] = [
    "host ",
    "10.0.0.1 ",
    "and ",
    "or ",
    "not ",
    "( ",
    ") ",
    "tcp ",
    "port ",
    "80 ",
    "[",
    "]",
    ":",
    "13",
    " & ",
    "0xffffffff ",
    "= ",
    "!= ",
    "net ",
    "10/8 ",
    "vlan ",
    "mpls ",
    "pppoes ",
    "geneve ",
    "ip6 ",
    "protochain ",
    "src ",
    "dst ",
    "ether ",
    "::1 ",
    "aa:bb:cc:dd:ee:ff ",
    "/ ",
    "% ",
    "<< ",
    "- ",
    "len ",
    "llc ",
    "decnet ",
    "\\udp ",
    "$1 ",
    "ü",
    "\0",
    "iso ",
    "udp[",
    "icmp6[0] ",
    "broadcast ",
];

/// Words and signs of the language in any order: a program or an error, in bounded time, and never a panic.
#[test]
fn no_text_is_too_odd() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let frame: Vec<u8> = (0..60).collect();
    let links = [
        LinkType::Ethernet,
        LinkType::Raw,
        LinkType::Sll2,
        LinkType::Null,
    ];
    for _ in 0..20_000 {
        let text: String = (0..=random(9))
            .map(|_| PARTS[random(PARTS.len())])
            .collect();
        let options = Options {
            live: random(2) == 0,
            optimize: random(4) > 0,
            ..options(links[random(4)])
        };
        if let Ok(program) = compile(&text, &options) {
            program.matches(&frame, 60);
            program.matches(&frame[..random(60)], 60);
        }
    }
}
