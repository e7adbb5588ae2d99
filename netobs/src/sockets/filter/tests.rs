//! The grammar and its errors, and what filters make of rows.

use super::super::*;
use super::{number, parse};
use crate::socket::{End, Family, Row, Table, Tables};
use crate::sockets::ports::Services;

fn with<T>(work: impl FnOnce(&Context<'_>) -> T) -> T {
    let services =
        Services::parse("ssh 22/tcp\ndomain 53/tcp\ndomain 53/udp\nodd 1/tcp\nodd 2/udp\n");
    let context = Context {
        tables: Tables::one(Table::Tcp).with(Table::Udp),
        family: None,
        services: &services,
        interface: &|name| (name == "lo").then_some(1),
        resolve: &|name| match name {
            "localhost" => vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            _ => Vec::new(),
        },
        cgroup: &|path| (path == "/here").then_some(7).ok_or_else(|| "gone".into()),
    };
    work(&context)
}

fn row(local: &str, remote: &str) -> Row {
    let end = |text: &str| {
        let address: std::net::SocketAddr = text.parse().unwrap();
        End {
            ip: address.ip(),
            port: u32::from(address.port()),
        }
    };
    let family = if local.starts_with('[') {
        Family::Inet6
    } else {
        Family::Inet
    };
    Row {
        family,
        local: end(local),
        remote: end(remote),
        ..Row::default()
    }
}

fn holds(filter: &str, row: &Row) -> bool {
    let filter = with(|context| parse(filter, context)).unwrap_or_else(|e| panic!("{e}"));
    filter.matches(row)
}

#[test]
fn conditions_on_addresses_and_ports() {
    let four = row("10.1.2.3:22", "192.0.2.1:40000");
    for (filter, want) in [
        ("", true),
        ("sport = :ssh", true),
        ("sport 22", true),
        ("dport gt 1024", true),
        ("dport < :1024", false),
        ("sport >= 22 sport <= 22", true),
        ("sport != :22", false),
        ("src 10/8", true),
        ("src 10.1.2.3:22", true),
        ("src 10.0.0.0/255.0.0.0", true),
        ("not src 10.1.0.0/16", false),
        ("dst 192.0.2.1:*", true),
        ("src *:22", true),
        ("src :23", false),
        ("src ::/0", false),
        ("dst localhost", false),
        (
            "( dport = :ssh or sport = :ssh ) and not src 127.0.0.1",
            true,
        ),
        ("(sport=:22)", true),
        ("sport = :22 or sport = :23 and sport = :24", false),
        ("dev lo", false),
        ("dev != lo", true),
        ("fwmark 0x1/0xff", false),
        ("fwmark 0", true),
        ("cgroup /here", false),
        ("! ! sport 22", true),
    ] {
        assert_eq!(holds(filter, &four), want, "{filter}");
    }
}

#[test]
fn addresses_of_ipv6() {
    let six = row("[2001:db8::1]:443", "[2001:db8::2]:5000");
    let mapped = row("[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.2]:81");
    for (filter, row, want) in [
        ("src [2001:db8::1]:443", &six, true),
        ("src 2001:db8::1", &six, true),
        ("src 2001:db8::1:443", &six, true),
        ("src 2001:db8::/32", &six, true),
        ("src [2001:db8::]/32:443", &six, true),
        ("src 0.0.0.0/0", &six, false),
        ("src 10.0.0.1", &mapped, true),
        ("src ::ffff:10.0.0.0/104", &mapped, true),
        ("dst [::1]", &six, false),
        ("inet6:2001:db8::/32 or autobound", &six, false),
    ] {
        if filter.starts_with("inet6:") {
            continue; // not a condition by itself
        }
        assert_eq!(holds(filter, row), want, "{filter}");
    }
    let filter = with(|context| parse("src inet6:2001:db8::/32", context)).unwrap();
    assert_eq!(filter.family, Some(Family::Inet6));
    assert!(filter.matches(&six));
}

#[test]
fn paths_of_unix_sockets() {
    let mut row = Row {
        family: Family::Unix,
        ..Row::default()
    };
    row.unix.name = b"\0abc12".to_vec();
    assert!(holds("src unix:@abc*", &row));
    assert!(holds("autobound", &row));
    assert!(!holds("dst unix:/run/*", &row));
    assert!(!holds("src 10.0.0.0/8", &row));
}

#[test]
fn errors_say_where_and_what() {
    for (filter, at, expected) in [
        ("sport gt abc", 9, "a port such as :443"),
        ("sport =", 7, "a port such as"),
        ("( sport = :22", 13, "')'"),
        ("sport = :22 )", 12, "'and', 'or'"),
        ("and sport 22", 0, "a condition"),
        ("sport 22 and", 12, "a condition"),
        ("spot = :22", 0, "a condition"),
        ("dst 10.0.0.0/33", 4, "an address prefix"),
        ("dst [::1", 4, "']'"),
        ("sport :70000", 6, "0 to 65535"),
        ("dport = :odd", 8, "one for TCP"),
        ("dst no.such.host", 4, "name of a host"),
        ("dev nothere", 4, "a network interface"),
        ("fwmark x", 7, "a mark"),
        ("cgroup /gone", 7, "the path of a cgroup (gone)"),
        ("sport gt *", 9, "a port to compare"),
        ("dst = = 1", 6, "an address"),
        ("", 0, ""),
    ] {
        if filter.is_empty() {
            continue;
        }
        let error = with(|context| parse(filter, context)).unwrap_err();
        assert_eq!(error.at, at, "{filter}: {error}");
        assert!(error.expected.contains(expected), "{filter}: {error}");
    }
    let deep = "( ".repeat(10_000) + "sport 22";
    assert!(with(|context| parse(&deep, context)).is_err());
    let long = vec!["sport 22"; 20_000].join(" or ");
    let filter = with(|context| parse(&long, context)).unwrap();
    assert!(filter.matches(&row("1.1.1.1:22", "1.1.1.1:1")));
    assert!(filter.bytecode().is_empty());
}

#[test]
fn no_words_panic() {
    const WORDS: [&str; 24] = [
        "(",
        ")",
        "not",
        "!",
        "and",
        "or",
        "dst",
        "src",
        "sport",
        "dport",
        "dev",
        "fwmark",
        "cgroup",
        "autobound",
        "=",
        ">=",
        "!=",
        ":22",
        "[::1",
        "::1",
        "10/8",
        "unix:*",
        "link:",
        "\u{fc}[\u{20ac}",
    ];
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut words = Vec::new();
        for _ in 0..8 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            words.push(WORDS[usize::try_from(state >> 33).unwrap() % WORDS.len()]);
        }
        let text = words.join(if state & 4096 == 0 { " " } else { "" });
        match with(|context| parse(&text, context)) {
            Ok(filter) => {
                filter.bytecode();
                filter.matches(&Row::default());
            }
            Err(error) => assert!(error.to_string().contains("expected"), "{text}"),
        }
    }
}

#[test]
fn numbers_as_strtoul_reads_them() {
    assert_eq!(number("0x16"), Some(22));
    assert_eq!(number("010"), Some(8));
    assert_eq!(number("0"), Some(0));
    assert_eq!((number("+1"), number("-1"), number("")), (None, None, None));
}
