//! Filter arguments: values, names and prefixes, each negatable with `!`.

use super::{Failure, Status};
use crate::bpf::filters::{Filter, Filters, Value};
use clap::Args;
use netobs_ebpf::config::Class;
use std::{fs, io, net::IpAddr, os::unix::fs::MetadataExt as _, path::Path};

#[derive(Args, Default)]
pub struct FilterArgs {
    /// Owner's process id
    #[arg(long, value_name = "[!]PID", help_heading = FILTERS)]
    pub pid: Vec<String>,
    /// Owner's name, exactly, at most 15 bytes
    #[arg(long, value_name = "[!]NAME", help_heading = FILTERS)]
    pub comm: Vec<String>,
    /// Owner's user, by number or name
    #[arg(long, value_name = "[!]UID", help_heading = FILTERS)]
    pub uid: Vec<String>,
    /// Network namespace: inode number, name in /run/netns, path, or a process id
    #[arg(long, value_name = "[!]NETNS", help_heading = FILTERS)]
    pub netns: Vec<String>,
    /// Cgroup v2 and all below it: path or id
    #[arg(long, value_name = "[!]CGROUP", help_heading = FILTERS)]
    pub cgroup: Vec<String>,
    /// Container by id or the beginning of it
    #[arg(long, value_name = "[!]ID", help_heading = FILTERS)]
    pub container: Vec<String>,
    /// Either end's address, by prefix
    #[arg(long, value_name = "[!]CIDR", help_heading = FILTERS)]
    pub host: Vec<String>,
    /// Either end's port
    #[arg(long, value_name = "[!]PORT", help_heading = FILTERS)]
    pub port: Vec<String>,
}

const FILTERS: &str = "Filters (repeat for more; ! negates; applied in the kernel)";

impl FilterArgs {
    pub fn parse(&self) -> Result<Filters, Failure> {
        let mut filters = Filters::default();
        let mut add = |args: &[String], read: &dyn Fn(&str) -> Result<Vec<Value>, String>, name| {
            for arg in args {
                let (negated, text) = match arg.strip_prefix('!') {
                    Some(rest) => (true, rest.trim_start()),
                    None => (false, arg.as_str()),
                };
                let values = read(text).map_err(|why| {
                    Failure::new(Status::Usage, format!("--{name} '{arg}': {why}"))
                })?;
                filters
                    .0
                    .extend(values.into_iter().map(|value| Filter { value, negated }));
            }
            Ok::<(), Failure>(())
        };
        add(
            &self.pid,
            &numbers(Class::Pid, |t| number(t, u32::MAX.into())),
            "pid",
        )?;
        add(&self.comm, &one(comm), "comm")?;
        add(&self.uid, &numbers(Class::Uid, uid), "uid")?;
        add(&self.netns, &numbers(Class::Netns, netns), "netns")?;
        add(&self.cgroup, &numbers(Class::Cgroup, cgroup), "cgroup")?;
        add(&self.container, &containers, "container")?;
        add(&self.host, &one(host), "host")?;
        add(
            &self.port,
            &numbers(Class::Port, |t| number(t, 65_535)),
            "port",
        )?;
        Ok(filters)
    }
}

/// Reads one value where a filter may stand for several.
fn one(
    read: impl Fn(&str) -> Result<Value, String>,
) -> impl Fn(&str) -> Result<Vec<Value>, String> {
    move |text| read(text).map(|value| vec![value])
}

/// Reads a number of a class.
fn numbers(
    class: Class,
    read: impl Fn(&str) -> Result<u64, String>,
) -> impl Fn(&str) -> Result<Vec<Value>, String> {
    one(move |text| read(text).map(|n| Value::Number(class, n)))
}

fn number(text: &str, max: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n <= max => Ok(n),
        _ => Err(format!("expected a number from 0 to {max}")),
    }
}

fn comm(text: &str) -> Result<Value, String> {
    match text.len() {
        0 => Err("expected a process name".to_owned()),
        1..16 => Ok(Value::Comm(text.to_owned())),
        _ => Err(format!(
            "the kernel keeps 15 bytes of a name: use '{}'",
            clip(text)
        )),
    }
}

fn clip(text: &str) -> &str {
    let end = (0..=15)
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0);
    &text[..end]
}

fn uid(text: &str) -> Result<u64, String> {
    if let Ok(n) = number(text, u32::MAX.into()) {
        return Ok(n);
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&text))
        .and_then(|fields| fields.get(2)?.parse().ok())
        .ok_or_else(|| "no such user".to_owned())
}

/// Inode numbers of namespaces start at `PROC_DYNAMIC_FIRST`; what is smaller is a process id.
const FIRST_NETNS_INODE: u64 = 0xf000_0000;

fn netns(text: &str) -> Result<u64, String> {
    if let Ok(n) = text.parse::<u64>() {
        if n >= FIRST_NETNS_INODE {
            return Ok(n);
        }
        let path = format!("/proc/{n}/ns/net");
        return inode(Path::new(&path))
            .map_err(|why| unless_there(&why, format!("no process {n}")));
    }
    if text.contains('/') {
        return inode(Path::new(text)).map_err(|e| e.to_string());
    }
    let named = Path::new("/run/netns").join(text);
    let none = || "no such network namespace in /run/netns".to_owned();
    inode(&named).map_err(|why| unless_there(&why, none()))
}

/// Words for what is not there; other errors speak for themselves.
fn unless_there(why: &io::Error, words: String) -> String {
    if why.kind() == io::ErrorKind::NotFound {
        words
    } else {
        why.to_string()
    }
}

/// The number of a namespace; another file's number would match nothing, in silence.
fn inode(path: &Path) -> io::Result<u64> {
    let found = fs::metadata(path)?;
    let same_kind = fs::metadata("/proc/self/ns/net")?;
    if found.dev() == same_kind.dev() {
        Ok(found.ino())
    } else {
        Err(io::Error::other(format!(
            "{} is no network namespace",
            path.display()
        )))
    }
}

fn cgroup(text: &str) -> Result<u64, String> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    crate::enrich::cgroup::id_of(text)
}

fn containers(text: &str) -> Result<Vec<Value>, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("expected a container id or the beginning of one (hexadecimal)".to_owned());
    }
    let ids = crate::enrich::cgroup::of_container(text);
    if ids.is_empty() {
        return Err("no cgroup of such a container".to_owned());
    }
    Ok(ids
        .into_iter()
        .map(|id| Value::Number(Class::Cgroup, id))
        .collect())
}

fn host(text: &str) -> Result<Value, String> {
    let (addr, len) = text
        .split_once('/')
        .map_or((text, None), |(a, l)| (a, Some(l)));
    let Ok(addr) = addr.parse::<IpAddr>() else {
        return Err(nearest_cidr(addr, len).map_or_else(
            || "not an address: expected one such as 10.0.0.0/8 or fd00::/8".to_owned(),
            |nearest| format!("not an address: try '{nearest}'"),
        ));
    };
    let max = if addr.is_ipv4() { 32 } else { 128 };
    let len = match len.map(str::parse::<u8>) {
        None => max,
        Some(Ok(len)) if len <= max => len,
        Some(_) => {
            let near = len.and_then(mask_length).unwrap_or(max);
            return Err(format!(
                "a prefix length is a number from 0 to {max}: try '{addr}/{near}'"
            ));
        }
    };
    Ok(Value::Host(addr, len))
}

/// What may have been meant, with the prefix length that was given if it can be.
fn nearest_cidr(addr: &str, len: Option<&str>) -> Option<String> {
    let (nearest, implied) = if addr.contains(':') {
        (nearest_ipv6(addr)?, None)
    } else {
        nearest_ipv4(addr)?
    };
    let max = if nearest.is_ipv4() { 32 } else { 128 };
    let len = len
        .and_then(|len| len.parse().ok())
        .filter(|len| *len <= max)
        .or(implied);
    Some(len.map_or_else(|| nearest.to_string(), |len: u8| format!("{nearest}/{len}")))
}

/// Four octets, each brought into range; fewer are a prefix of so many.
fn nearest_ipv4(text: &str) -> Option<(IpAddr, Option<u8>)> {
    let mut octets = [0; 4];
    let mut given = 0;
    for octet in text.split('.').take(4).filter(|octet| !octet.is_empty()) {
        let octet: u32 = octet.parse().ok()?;
        octets[usize::from(given)] = u8::try_from(octet).unwrap_or(u8::MAX);
        given += 1;
    }
    let implied = (given < 4).then_some(8 * given);
    (given > 0).then_some((octets.into(), implied))
}

/// As many bits as a netmask such as 255.255.0.0 has.
fn mask_length(text: &str) -> Option<u8> {
    let bits = u32::from(text.parse::<std::net::Ipv4Addr>().ok()?);
    let length = bits.leading_ones();
    (bits.checked_shl(length).unwrap_or(0) == 0).then_some(u8::try_from(length).ok()?)
}

/// The longest beginning that is an address, or only lacks its `::`.
fn nearest_ipv6(text: &str) -> Option<IpAddr> {
    (1..=text.len())
        .rev()
        .filter_map(|len| text.get(..len))
        .find_map(|part| {
            ["", ":", "::"]
                .iter()
                .find_map(|end| format!("{part}{end}").parse().ok())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(text: &str) -> Result<Value, String> {
        host(text)
    }

    #[test]
    fn hosts_are_addresses_or_prefixes() {
        assert_eq!(
            host_of("10.0.0.0/8"),
            Ok(Value::Host([10, 0, 0, 0].into(), 8))
        );
        assert_eq!(host_of("::1"), Ok(Value::Host("::1".parse().unwrap(), 128)));
        assert!(host_of("10.0.0.0/33").unwrap_err().contains("10.0.0.0/32"));
        assert!(host_of("10.1").unwrap_err().contains("10.1.0.0/16"));
        assert!(host_of("10.0.0.300").unwrap_err().contains("10.0.0.255"));
        assert!(host_of("10.0.0/8").unwrap_err().contains("'10.0.0.0/8'"));
        assert!(host_of("fe80:/64").unwrap_err().contains("'fe80::/64'"));
        assert!(
            host_of("10.0.0.0/255.255.0.0")
                .unwrap_err()
                .contains("'10.0.0.0/16'")
        );
        assert!(host_of("fe80::1::2").unwrap_err().contains("'fe80::1'"));
        assert!(
            host_of("fd00::12345/64")
                .unwrap_err()
                .contains("'fd00::1234/64'")
        );
        assert!(host_of("db-1").unwrap_err().contains("expected"));
    }

    #[test]
    fn negation_and_repetition() {
        let args = FilterArgs {
            port: vec!["80".into(), "!443".into()],
            comm: vec!["curl".into()],
            ..FilterArgs::default()
        };
        let filters = args.parse().unwrap();
        assert_eq!(filters.0.len(), 3);
        let (include, exclude) = filters.classes();
        assert_eq!(include, Class::Port.bit() | Class::Comm.bit());
        assert_eq!(exclude, Class::Port.bit());
        assert!(
            FilterArgs {
                port: vec!["70000".into()],
                ..FilterArgs::default()
            }
            .parse()
            .is_err()
        );
    }
}
