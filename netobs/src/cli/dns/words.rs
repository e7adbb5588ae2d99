//! dig's words: `NAME`, `TYPE`, `CLASS`, `@SERVER` and `+option`, in any order.

use crate::{
    probes::dns::{Limits, question},
    views::ask::dns::Parts,
};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use std::{str::FromStr as _, time::Duration};

/// Longer than anybody waits for one answer.
const LONGEST: u64 = 3_600;
const MOST_TRIES: u32 = 100;
const KNOWN: &str = "short tcp tls recurse dnssec edns bufsize=N ignore cdflag adflag search domain=NAME ndots=N time=N tries=N \
                     retry=N trace all comments question answer authority additional stats, and no... of each";

/// What the words amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "dig's own switches")]
pub struct Words {
    /// Name with its type and class.
    pub asked: Vec<(Name, RecordType, DNSClass)>,
    /// After `@`.
    pub servers: Vec<String>,
    pub parts: Parts,
    pub limits: Limits,
    pub short: bool,
    pub tcp: bool,
    pub tls: bool,
    pub trace: bool,
    pub recurse: bool,
    pub dnssec: bool,
    pub edns: Option<u16>,
    pub checking_disabled: bool,
    pub authentic_data: bool,
    pub search: bool,
    pub domains: Vec<String>,
    pub dots: Option<usize>,
    kind: Option<RecordType>,
    class: DNSClass,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            asked: Vec::new(),
            servers: Vec::new(),
            parts: Parts::ALL,
            limits: Limits::default(),
            short: false,
            tcp: false,
            tls: false,
            trace: false,
            recurse: true,
            dnssec: false,
            edns: Some(question::PAYLOAD),
            checking_disabled: false,
            authentic_data: true,
            search: false,
            domains: Vec::new(),
            dots: None,
            kind: None,
            class: DNSClass::IN,
        }
    }
}

/// A type by name or as `TYPE257`.
pub fn kind(text: &str) -> Option<RecordType> {
    let upper = text.to_ascii_uppercase();
    if upper == "ANY" || upper == "*" {
        return Some(RecordType::ANY);
    }
    if let Some(number) = upper.strip_prefix("TYPE") {
        return number.parse::<u16>().ok().map(RecordType::from);
    }
    // Transfers are no single answer; these are no types to ask for.
    let odd = ["AXFR", "IXFR", "OPT", "ZERO", "TSIG", "SIG", "ANAME"];
    RecordType::from_str(&upper)
        .ok()
        .filter(|_| !odd.contains(&upper.as_str()))
}

impl Words {
    pub fn take(&mut self, word: &str) -> Result<(), String> {
        if let Some(server) = word.strip_prefix('@') {
            if server.is_empty() {
                return Err("'@' without a server".to_owned());
            }
            self.servers.push(server.to_owned());
            return Ok(());
        }
        if let Some(option) = word.strip_prefix('+') {
            return self.option(option);
        }
        if let Some(kind) = kind(word) {
            self.set_kind(kind);
            return Ok(());
        }
        if let Ok(class) = DNSClass::from_str(&word.to_ascii_uppercase()) {
            self.class = class;
            if let Some(last) = self.asked.last_mut() {
                last.2 = class;
            }
            return Ok(());
        }
        self.name(word)
    }

    /// A type is that of the name before it, or of the name to come.
    pub fn set_kind(&mut self, kind: RecordType) {
        match self.asked.last_mut() {
            Some(last) => last.1 = kind,
            None => self.kind = Some(kind),
        }
    }

    pub fn name(&mut self, word: &str) -> Result<(), String> {
        let name = question::name(word).map_err(|error| error.to_string())?;
        // Whether it was written with a dot at its end counts for the search list.
        let mut written = name;
        written.set_fqdn(word.ends_with('.'));
        let kind = self.kind.unwrap_or(RecordType::A);
        self.asked.push((written, kind, self.class));
        Ok(())
    }

    pub fn reverse(&mut self, ip: std::net::IpAddr) {
        self.asked
            .push((question::reverse(ip), RecordType::PTR, DNSClass::IN));
    }

    fn option(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        if let Some(value) = value {
            return self.valued(name, value);
        }
        let (name, on) = match name.strip_prefix("no") {
            Some(name) => (name, false),
            None => (name, true),
        };
        match name {
            "short" => self.short = on,
            "tcp" | "vc" => self.tcp = on,
            "tls" => self.tls = on,
            "trace" => self.trace = on,
            "recurse" | "rec" | "rdflag" => self.recurse = on,
            "dnssec" | "do" => self.dnssec = on,
            "edns" => self.edns = on.then_some(question::PAYLOAD),
            "ignore" => self.limits.keep_truncated = on,
            "cdflag" | "cd" => self.checking_disabled = on,
            "adflag" | "ad" => self.authentic_data = on,
            "search" | "defname" => self.search = on,
            other => return self.part(other, on).ok_or_else(|| unknown(option)),
        }
        Ok(())
    }

    fn part(&mut self, name: &str, on: bool) -> Option<()> {
        let parts = &mut self.parts;
        match name {
            "all" => *parts = if on { Parts::ALL } else { Parts::NONE },
            "comments" => parts.comments = on,
            "question" | "qu" => parts.question = on,
            "answer" | "ans" => parts.answer = on,
            "authority" | "auth" => parts.authority = on,
            "additional" | "add" => parts.additional = on,
            "stats" => parts.stats = on,
            // What we print anyway, or never.
            "cmd" | "multiline" | "cookie" | "ttlid" | "class" | "qr" => {}
            _ => return None,
        }
        Some(())
    }

    fn valued(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("+{name}={value}: expected a number"))
        };
        let tries = |n: u64| u32::try_from(n).unwrap_or(MOST_TRIES).clamp(1, MOST_TRIES);
        match name {
            "time" | "timeout" => {
                self.limits.timeout = Duration::from_secs(number()?.clamp(1, LONGEST));
            }
            "tries" => self.limits.tries = tries(number()?),
            "retry" => self.limits.tries = tries(number()?.saturating_add(1)),
            "bufsize" | "bufsiz" => {
                let size = u16::try_from(number()?);
                self.edns = Some(size.map_err(|_| format!("+{name}={value}: at most 65535"))?);
            }
            "edns" if value == "0" => self.edns = Some(question::PAYLOAD),
            "domain" => {
                question::name(value).map_err(|error| error.to_string())?;
                self.domains = vec![value.to_owned()];
                self.search = true;
            }
            "ndots" => self.dots = Some(usize::try_from(number()?).unwrap_or(usize::MAX)),
            other => return Err(unknown(&format!("{other}="))),
        }
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    format!("+{name} is not known; known are: {KNOWN}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Words, String> {
        let mut words = Words::default();
        line.split(' ').try_for_each(|word| words.take(word))?;
        Ok(words)
    }

    #[test]
    fn as_dig_reads_them() {
        let w = words("@10.0.0.1 mx example.com +short +notcp +time=2 +retry=0").unwrap();
        assert_eq!(w.asked.len(), 1);
        assert_eq!(w.asked[0].1, RecordType::MX);
        assert_eq!(w.servers, ["10.0.0.1"]);
        assert_eq!(w.limits.timeout, Duration::from_secs(2));
        assert_eq!(w.limits.tries, 1);
        assert!(w.short && !w.tcp);
        let two = words("a.example b.example TXT CH").unwrap();
        let kinds: Vec<_> = two.asked.iter().map(|(_, k, c)| (*k, *c)).collect();
        let want = [
            (RecordType::A, DNSClass::IN),
            (RecordType::TXT, DNSClass::CH),
        ];
        assert_eq!(kinds, want);
        let part = words("x +noall +answer").unwrap().parts;
        assert!(part.answer && !part.stats);
        assert_eq!(
            words("x TYPE65280").unwrap().asked[0].1,
            RecordType::Unknown(65280)
        );
    }

    #[test]
    fn bad_words_are_named() {
        for bad in [
            "+nosuch",
            "@",
            "a..b",
            "+time=x",
            "+bufsize=70000",
            "+nosuch=1",
        ] {
            let error = words(bad).unwrap_err();
            assert!(!error.is_empty(), "{bad}");
        }
    }
}
