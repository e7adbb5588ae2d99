//! Names that need no server: addresses as text, the hosts file, this host's own name.

use super::{Address, Config, Family, Step, Told, Why};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// An address in any way that C libraries read: `127.1`, `0x7f.1`, `fe80::1%eth0`, `[::1]`. None: a name. Err: says what is wrong.
pub fn literal(host: &str) -> Option<Result<Address, String>> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Some(found) = address(bare) {
        return Some(found);
    }
    if bare.contains(':') {
        return Some(Err(format!("'{host}' is no IPv6 address")));
    }
    if !bare.is_empty()
        && bare.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && !bare.ends_with('.')
    {
        // No domain is all digits: what looks like an address is a mistyped one.
        return Some(Err(format!("'{host}' is no IPv4 address")));
    }
    None
}

/// An address with or without an interface.
pub fn address(text: &str) -> Option<Result<Address, String>> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Ok(ip.into()));
    }
    if let Some(v4) = classic(text) {
        return Some(Ok(IpAddr::V4(v4).into()));
    }
    let (ip, zone) = text.split_once('%')?;
    let ip = ip.parse::<Ipv6Addr>().ok()?;
    Some(match interface(zone) {
        Some(scope) => Ok(Address {
            ip: ip.into(),
            scope,
        }),
        None => Err(format!("'{text}': no interface is called '{zone}'")),
    })
}

/// Its number, if it is there.
fn interface(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    rustix::net::netdevice::name_to_index(&any, name).ok()
}

/// `inet_aton(3)`: one to four numbers, decimal, octal or hexadecimal, the last one as wide as is left.
fn classic(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    let mut numbers = Vec::with_capacity(4);
    for part in &parts {
        numbers.push(number(part)?);
    }
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|n| *n > 255) {
        return None;
    }
    let wide = 8 * (4 - u32::try_from(first.len()).ok()?);
    if u64::from(*last) >= 1 << wide {
        return None;
    }
    let head = first.iter().enumerate();
    let head = head.fold(0, |sum, (at, n)| sum | n << (24 - 8 * at));
    Some(Ipv4Addr::from(head | last))
}

fn number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => (hex.to_owned(), 16),
        (None, Some(octal)) if !octal.is_empty() => (octal.to_owned(), 8),
        _ => (lower, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    u32::from_str_radix(&digits, radix).ok()
}

/// Every line that has the name counts, as with `multi on`. As for glibc a name with a dot at its end is another one.
pub fn files(host: &str, family: Family, config: &Config, steps: &mut Vec<Step>) -> Told {
    let plain = host;
    let mut addresses: Vec<Address> = Vec::new();
    let mut canonical = None;
    let mut other_family = false;
    for line in &config.hosts {
        if !line
            .names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(plain))
        {
            continue;
        }
        let Some(Ok(found)) = address(&line.address) else {
            continue;
        };
        if !family.takes(found.ip) {
            other_family = true;
            continue;
        }
        canonical.get_or_insert_with(|| line.names[0].clone());
        if !addresses.contains(&found) {
            addresses.push(found);
            steps.push(Step {
                source: "files".to_owned(),
                asked: plain.to_owned(),
                by: format!("{}:{}", line.file, line.line),
                outcome: line.address.clone(),
                time_us: None,
            });
        }
    }
    if !addresses.is_empty() {
        return Told::Found {
            addresses,
            canonical,
        };
    }
    let (why, outcome) = if other_family {
        (Why::NoAddress, format!("no {}", family.name()))
    } else {
        (Why::NoSuchName, "no such name".to_owned())
    };
    let text = format!("{host}: {outcome} in the hosts file");
    steps.push(Step {
        source: "files".to_owned(),
        asked: plain.to_owned(),
        by: "hosts".to_owned(),
        outcome,
        time_us: None,
    });
    Told::not(why, text)
}

/// nss-myhostname: `localhost` and this host's own name.
pub fn my_hostname(host: &str, family: Family, config: &Config, steps: &mut Vec<Step>) -> Told {
    let plain = host.trim_end_matches('.').to_ascii_lowercase();
    let own = plain == config.hostname.to_ascii_lowercase();
    if !own && plain != "localhost" && !plain.ends_with(".localhost") {
        return Told::Silent;
    }
    // For the own name systemd gives local addresses; this one always is one.
    let v4 = if own {
        Ipv4Addr::new(127, 0, 0, 2)
    } else {
        Ipv4Addr::LOCALHOST
    };
    let all = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(v4)];
    let addresses: Vec<Address> = all
        .into_iter()
        .filter(|ip| family.takes(*ip))
        .map(Address::from)
        .collect();
    for address in &addresses {
        steps.push(Step {
            source: "myhostname".to_owned(),
            asked: plain.clone(),
            by: "this host's name".to_owned(),
            outcome: address.ip.to_string(),
            time_us: None,
        });
    }
    Told::Found {
        addresses,
        canonical: Some(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_c_libraries_read_them() {
        for (text, ip) in [
            ("127.1", "127.0.0.1"),
            ("0x7f.0.0.010", "127.0.0.8"),
            ("2130706433", "127.0.0.1"),
            ("10.1.513", "10.1.2.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
        ] {
            let found = literal(text).unwrap().unwrap();
            assert_eq!(found.ip.to_string(), ip, "{text}");
        }
        assert_eq!(literal("::1%7").unwrap().unwrap().scope, 7);
        for bad in [
            "1.2.3.256",
            "1.2.3.4.5",
            "fe80::1%nosuch0",
            "a:b",
            "4294967296",
        ] {
            assert!(literal(bad).unwrap().is_err(), "{bad}");
        }
        for name in ["a.example", "x", "0x", "1.2.3.x", "", "1.example"] {
            assert!(literal(name).is_none(), "{name}");
        }
    }
}
