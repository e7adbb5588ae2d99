//! How names are resolved: the order of sources, the hosts file, the servers.

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Read as _},
    net::IpAddr,
    os::fd::{AsFd as _, OwnedFd},
};

/// No file of these is larger; what a container puts there is not trusted.
const MOST: u64 = 4 << 20;
/// `MAXNS` of glibc: servers beyond are not asked.
const SERVERS: usize = 3;

/// One fact about name resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// `order`, `server`, `search`, `option`, `host`, `missing`.
    pub kind: &'static str,
    /// Address of a server or host, domain of a search path, option, sources in order.
    pub value: String,
    /// Names of a host.
    pub names: Vec<String>,
    pub file: String,
    /// From 1; 0: not from a line.
    pub line: usize,
    /// What is odd about it.
    pub note: Option<String>,
}

/// Whose files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    Own,
    /// A namespace of `ip netns`: /etc/netns/NAME covers /etc.
    Named(String),
    /// A process: its own root directory.
    Process(u32),
}

impl Whose {
    /// By what `--netns` was given.
    pub fn of(netns: Option<&str>, name: Option<&str>, pid: Option<u32>) -> Self {
        let path = netns.unwrap_or_default();
        let named = ["/run/netns/", "/var/run/netns/"]
            .iter()
            .find_map(|dir| path.strip_prefix(dir));
        let process = path
            .strip_prefix("/proc/")
            .and_then(|rest| rest.strip_suffix("/ns/net"))
            .and_then(|pid| pid.parse().ok());
        match (name.or(named), pid.or(process)) {
            (Some(name), _) => Self::Named(name.to_owned()),
            (None, Some(pid)) => Self::Process(pid),
            (None, None) => Self::Own,
        }
    }

    /// The file that counts, as this one sees /etc, and its path for people.
    fn read(&self, name: &str) -> (String, io::Result<String>) {
        let own = format!("/etc/{name}");
        match self {
            Self::Own => (own.clone(), text(open(&own, flags(), Mode::empty()))),
            Self::Named(netns) => {
                let path = format!("/etc/netns/{netns}/{name}");
                match open(&path, flags(), Mode::empty()) {
                    Err(rustix::io::Errno::NOENT) => Self::Own.read(name),
                    found => (path, text(found)),
                }
            }
            Self::Process(pid) => {
                let root = format!("/proc/{pid}/root");
                let path = format!("{root}{own}");
                let found =
                    open(&root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).and_then(|root| {
                        // Links in a container's /etc lead within the container, not to our files.
                        openat2(
                            root.as_fd(),
                            &own[1..],
                            flags(),
                            Mode::empty(),
                            ResolveFlags::IN_ROOT,
                        )
                    });
                (path, text(found))
            }
        }
    }
}

const fn flags() -> OFlags {
    OFlags::RDONLY
        .union(OFlags::CLOEXEC)
        .union(OFlags::NONBLOCK)
}

fn text(opened: rustix::io::Result<OwnedFd>) -> io::Result<String> {
    let file = opened?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("no regular file"));
    }
    let mut bytes = Vec::new();
    File::from(file).take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Everything, in the order in which it matters.
pub fn read(whose: &Whose) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut take = |name: &str, parse: fn(&str, &str) -> Vec<Fact>| {
        let (file, text) = whose.read(name);
        match text {
            Ok(text) => facts.extend(parse(&file, &text)),
            Err(error) => facts.push(Fact {
                kind: "missing",
                value: name.to_owned(),
                note: Some(format!("{error}; {}", without(name))),
                file,
                ..Fact::default()
            }),
        }
    };
    take("nsswitch.conf", order);
    take("resolv.conf", servers);
    take("hosts", hosts);
    facts
}

/// What happens when a file is not there.
fn without(name: &str) -> &'static str {
    match name {
        "nsswitch.conf" => "glibc's own order counts: files, then dns",
        "resolv.conf" => "the server is 127.0.0.1, the search path this host's domain",
        _ => "no names from a file",
    }
}

/// The `hosts:` line.
fn order(file: &str, text: &str) -> Vec<Fact> {
    let found = lines(text).find_map(|(line, words)| {
        let sources = words.strip_prefix("hosts:")?;
        let value = sources
            .split_ascii_whitespace()
            .collect::<Vec<&str>>()
            .join(" ");
        Some(fact("order", value, file, line))
    });
    let built_in = || Fact {
        note: Some("no hosts: line; glibc's own order".to_owned()),
        ..fact("order", "files dns".to_owned(), file, 0)
    };
    vec![found.unwrap_or_else(built_in)]
}

fn servers(file: &str, text: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut count = 0;
    // Of several search and domain lines the last one counts.
    let mut search: Vec<Fact> = Vec::new();
    for (line, words) in lines(text) {
        let mut words = words.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => {
                count += 1;
                facts.push(server(file, line, words.next().unwrap_or_default(), count));
            }
            Some("search" | "domain") => {
                search = words
                    .map(|domain| fact("search", domain.to_owned(), file, line))
                    .collect();
            }
            Some("options") => {
                facts.extend(words.map(|option| fact("option", option.to_owned(), file, line)));
            }
            _ => {}
        }
    }
    if count == 0 {
        facts.push(Fact {
            note: Some("no nameserver line: glibc asks this host".to_owned()),
            ..fact("server", "127.0.0.1".to_owned(), file, 0)
        });
    }
    facts.extend(search);
    facts.sort_by_key(|fact| match fact.kind {
        "server" => 0,
        "search" => 1,
        _ => 2,
    });
    facts
}

fn server(file: &str, line: usize, address: &str, count: usize) -> Fact {
    let plain = address.split('%').next().unwrap_or_default();
    let note = match plain.parse::<IpAddr>() {
        Err(_) => Some("no address: ignored".to_owned()),
        Ok(_) if count > SERVERS => Some("not asked: glibc takes three".to_owned()),
        Ok(ip) if ip == IpAddr::from([127, 0, 0, 53]) => Some(
            "systemd-resolved on this host; its servers: /run/systemd/resolve/resolv.conf"
                .to_owned(),
        ),
        Ok(_) => None,
    };
    Fact {
        note,
        ..fact("server", address.to_owned(), file, line)
    }
}

fn hosts(file: &str, text: &str) -> Vec<Fact> {
    let parse = |(line, words): (usize, &str)| {
        let words = words.split('#').next().unwrap_or_default();
        let mut words = words.split_ascii_whitespace();
        let value = words.next()?.to_owned();
        let names: Vec<String> = words.map(str::to_owned).collect();
        let plain = value.split('%').next().unwrap_or_default();
        let note = match (plain.parse::<IpAddr>(), names.is_empty()) {
            (Err(_), _) => Some("no address: ignored".to_owned()),
            (Ok(_), true) => Some("no name: ignored".to_owned()),
            (Ok(_), false) => None,
        };
        Some(Fact {
            names,
            note,
            ..fact("host", value, file, line)
        })
    };
    lines(text).filter_map(parse).collect()
}

fn fact(kind: &'static str, value: String, file: &str, line: usize) -> Fact {
    Fact {
        kind,
        value,
        file: file.to_owned(),
        line,
        ..Fact::default()
    }
}

/// Lines that say something, numbered from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf() {
        let text = "# c\nsearch a.example\nnameserver 10.0.0.1\noptions ndots:5 rotate\nnameserver fe80::1%eth0\nsearch b.example c.example\nnameserver x\nnameserver 1.1.1.1\n";
        let facts = servers("f", text);
        let shown: Vec<(&str, &str)> = facts.iter().map(|f| (f.kind, f.value.as_str())).collect();
        let want = [
            ("server", "10.0.0.1"),
            ("server", "fe80::1%eth0"),
            ("server", "x"),
            ("server", "1.1.1.1"),
            ("search", "b.example"),
            ("search", "c.example"),
            ("option", "ndots:5"),
            ("option", "rotate"),
        ];
        assert_eq!(shown, want);
        assert!(facts[2].note.is_some() && facts[3].note.is_some() && facts[0].note.is_none());
    }

    #[test]
    fn hosts_and_order() {
        let facts = hosts("f", "127.0.0.1 localhost l # x\n\nbad name\n::1\n");
        assert_eq!(facts[0].names, ["localhost", "l"]);
        assert!(facts[1].note.is_some() && facts[2].note.is_some());
        assert_eq!(
            order("f", "passwd: files\nhosts:\tfiles  dns\n")[0].value,
            "files dns"
        );
        assert!(order("f", "")[0].note.is_some());
    }

    #[test]
    fn whose_files() {
        assert_eq!(
            Whose::of(Some("db"), Some("db"), None),
            Whose::Named("db".to_owned())
        );
        assert_eq!(
            Whose::of(Some("/run/netns/db"), None, None),
            Whose::Named("db".to_owned())
        );
        assert_eq!(
            Whose::of(Some("/proc/12/ns/net"), None, None),
            Whose::Process(12)
        );
        assert_eq!(Whose::of(None, None, None), Whose::Own);
    }
}
