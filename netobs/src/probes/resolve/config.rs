//! What resolv.conf, nsswitch.conf, hosts and the environment ask of a resolver.

use super::Why;
use crate::host::resolver::{self, Fact, Whose};
use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};

/// Limits of glibc: `RES_MAXNDOTS`, `RES_MAXRETRANS`, `RES_MAXRETRY`, `MAXNS`.
const MOST_DOTS: usize = 15;
const MOST_SECONDS: u64 = 30;
const MOST_TRIES: u32 = 5;
const MOST_SERVERS: usize = 3;

/// One word of the `hosts:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Files,
    Dns,
    MyHostname,
    /// `mdns4_minimal`, `resolve`, `wins`: not spoken here.
    Other(String),
    /// `[NOTFOUND=return]`
    Stop(Stop),
}

/// When the sources after an action are not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    not_found: bool,
    unavailable: bool,
}

impl Stop {
    /// Whether what the source right before said of the last name it tried ends the search. None: it said nothing, as one that we
    /// do not speak.
    pub(super) fn stops(self, said: Option<Why>) -> bool {
        match said {
            None => false,
            Some(Why::NoSuchName | Why::NoAddress | Why::BadName) => self.not_found,
            // glibc takes a server that fails or refuses for one that is not there.
            Some(Why::ServerFailed | Why::Refused | Why::NoAnswer) => self.unavailable,
        }
    }

    /// `NOTFOUND=return`, `!UNAVAIL=return`.
    fn take(&mut self, word: &str) {
        let Some((status, action)) = word.split_once('=') else {
            return;
        };
        let stop = action.eq_ignore_ascii_case("return");
        let (status, negated) = match status.strip_prefix('!') {
            Some(status) => (status, true),
            None => (status, false),
        };
        let all: [(&str, &mut bool); 2] = [
            ("NOTFOUND", &mut self.not_found),
            ("UNAVAIL", &mut self.unavailable),
        ];
        for (name, flag) in all {
            if name.eq_ignore_ascii_case(status) != negated {
                *flag = stop;
            }
        }
    }
}

/// One line of a hosts file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub address: String,
    pub names: Vec<String>,
    pub file: String,
    pub line: usize,
}

/// Everything that a resolver needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "options of resolv.conf")]
pub struct Config {
    pub order: Vec<Source>,
    pub servers: Vec<SocketAddr>,
    pub search: Vec<String>,
    pub hosts: Vec<Host>,
    /// Names with fewer dots go through the search list first.
    pub dots: usize,
    pub timeout: Duration,
    pub tries: u32,
    pub rotate: bool,
    pub over_tcp: bool,
    pub edns: bool,
    pub no_aaaa: bool,
    pub hostname: String,
}

impl Config {
    /// By the files of this host, or of a namespace or process.
    pub fn read(whose: &Whose) -> Self {
        let hostname = rustix::system::uname();
        let mut config = Self::new(
            &resolver::read(whose),
            &hostname.nodename().to_string_lossy(),
        );
        // As glibc: the environment stands above the file.
        if let Ok(domains) = env::var("LOCALDOMAIN") {
            config.search = domains.split_ascii_whitespace().map(absolute).collect();
        }
        for option in env::var("RES_OPTIONS")
            .unwrap_or_default()
            .split_ascii_whitespace()
        {
            config.option(option);
        }
        config
    }

    /// From facts that were read.
    pub fn new(facts: &[Fact], hostname: &str) -> Self {
        let mut config = Self {
            order: vec![Source::Files, Source::Dns],
            servers: Vec::new(),
            search: Vec::new(),
            hosts: Vec::new(),
            dots: 1,
            timeout: Duration::from_secs(5),
            tries: 2,
            rotate: false,
            over_tcp: false,
            edns: false,
            no_aaaa: false,
            hostname: hostname.to_owned(),
        };
        for fact in facts {
            match fact.kind {
                "order" => config.order = order(&fact.value),
                "server" if config.servers.len() < MOST_SERVERS => {
                    config.servers.extend(server(&fact.value));
                }
                "search" => config.search.push(absolute(&fact.value)),
                "option" => config.option(&fact.value),
                "host" if fact.note.is_none() => config.hosts.push(Host {
                    address: fact.value.clone(),
                    names: fact.names.clone(),
                    file: fact.file.clone(),
                    line: fact.line,
                }),
                _ => {}
            }
        }
        if config.servers.is_empty() {
            config.servers.push((Ipv4Addr::LOCALHOST, 53).into());
        }
        let no_search = !facts.iter().any(|fact| fact.kind == "search");
        if let (true, Some((_, domain))) = (no_search, hostname.split_once('.')) {
            config.search = vec![absolute(domain)];
        }
        config
    }

    fn option(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        match name {
            "ndots" => self.dots = value.parse().map_or(self.dots, |n: usize| n.min(MOST_DOTS)),
            "timeout" => {
                let seconds = value.parse().map_or(5, |n: u64| n.clamp(1, MOST_SECONDS));
                self.timeout = Duration::from_secs(seconds);
            }
            "attempts" => self.tries = value.parse().map_or(2, |n: u32| n.clamp(1, MOST_TRIES)),
            "rotate" => self.rotate = true,
            "use-vc" => self.over_tcp = true,
            "edns0" => self.edns = true,
            "no-aaaa" => self.no_aaaa = true,
            _ => {}
        }
    }

    /// `files, dns`: for people.
    pub fn order_text(&self) -> String {
        let names: Vec<&str> = self
            .order
            .iter()
            .filter_map(|source| match source {
                Source::Files => Some("files"),
                Source::Dns => Some("dns"),
                Source::MyHostname => Some("myhostname"),
                Source::Other(name) => Some(name.as_str()),
                Source::Stop(_) => None,
            })
            .collect();
        names.join(", ")
    }
}

fn absolute(domain: &str) -> String {
    format!("{}.", domain.trim_end_matches('.'))
}

/// Words of the `hosts:` line; actions stand in brackets, with or without blanks.
fn order(line: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut rest = line;
    while let Some(word) = rest.split_ascii_whitespace().next() {
        if word.starts_with('[') {
            let (inside, after) = rest
                .trim_start()
                .trim_start_matches('[')
                .split_once(']')
                .unwrap_or((rest, ""));
            let mut stop = Stop::default();
            inside.split_ascii_whitespace().for_each(|w| stop.take(w));
            sources.push(Source::Stop(stop));
            rest = after;
            continue;
        }
        let end = rest.trim_start().find([' ', '\t', '[']);
        let (name, after) = rest
            .trim_start()
            .split_at(end.unwrap_or(rest.trim_start().len()));
        sources.push(match name {
            "files" => Source::Files,
            "dns" => Source::Dns,
            "myhostname" => Source::MyHostname,
            other => Source::Other(other.to_owned()),
        });
        rest = after;
    }
    // systemd-resolved alone: what it would answer, the servers of resolv.conf answer as well.
    let is_dns = |source: &Source| matches!(source, Source::Dns);
    if !sources.iter().any(is_dns) {
        for source in &mut sources {
            if matches!(source, Source::Other(name) if name == "resolve") {
                *source = Source::Dns;
            }
        }
    }
    sources
}

/// An address, of a link with its interface.
fn server(text: &str) -> Option<SocketAddr> {
    let address = super::local::address(text)?.ok()?;
    // The unspecified address is this host, for the kernel as for glibc.
    let ip = match address.ip {
        IpAddr::V6(ip) => {
            return Some(SocketAddrV6::new(ip, 53, 0, address.scope).into());
        }
        ip @ IpAddr::V4(_) => ip,
    };
    Some(SocketAddr::new(ip, 53))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(kind: &'static str, value: &str) -> Fact {
        Fact {
            kind,
            value: value.to_owned(),
            ..Fact::default()
        }
    }

    #[test]
    fn facts_become_a_configuration() {
        let facts = [
            fact(
                "order",
                "files mdns4_minimal [NOTFOUND=return] dns myhostname",
            ),
            fact("server", "10.0.0.1"),
            fact("server", "nonsense"),
            fact("search", "a.example"),
            fact("option", "ndots:99"),
            fact("option", "timeout:0"),
            fact("option", "attempts:x"),
            fact("option", "rotate"),
        ];
        let config = Config::new(&facts, "h.lab.example");
        let stop = Stop {
            not_found: true,
            ..Stop::default()
        };
        let want = [
            Source::Files,
            Source::Other("mdns4_minimal".to_owned()),
            Source::Stop(stop),
            Source::Dns,
            Source::MyHostname,
        ];
        assert_eq!(config.order, want);
        assert_eq!(config.servers, ["10.0.0.1:53".parse().unwrap()]);
        assert_eq!(config.search, ["a.example."]);
        assert_eq!((config.dots, config.tries), (15, 2));
        assert_eq!(config.timeout, Duration::from_secs(1));
        assert!(config.rotate);
    }

    #[test]
    fn what_is_not_said() {
        let config = Config::new(&[], "h.lab.example");
        assert_eq!(config.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(config.search, ["lab.example."]);
        assert_eq!(Config::new(&[], "h").search, Vec::<String>::new());
    }

    #[test]
    fn a_source_that_says_nothing_stops_nothing() {
        let all = order("mdns4_minimal [NOTFOUND=return] dns");
        let Source::Stop(stop) = all[1] else {
            panic!("{all:?}");
        };
        assert!(!stop.stops(None) && stop.stops(Some(Why::NoSuchName)));
        assert!(!stop.stops(Some(Why::NoAnswer)));
    }

    #[test]
    fn resolved_alone_is_dns() {
        assert_eq!(order("files resolve"), [Source::Files, Source::Dns]);
        let all = order("resolve [!UNAVAIL=return] dns");
        assert!(matches!(&all[1], Source::Stop(stop) if stop.not_found && !stop.unavailable));
        for odd in ["[", "files [NOTFOUND", "[]", "a[x]b"] {
            drop(order(odd));
        }
    }
}
