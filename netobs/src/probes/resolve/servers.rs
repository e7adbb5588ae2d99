//! The DNS part: the search list, and for each name the servers in order.

use super::{Address, Config, Family, Step, Told, Why};
use crate::{
    clock,
    probes::{
        dns::{self, Asked, Limits, Question, Server, Trouble, Via, question, rdata},
        stop,
    },
};
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};
use std::net::SocketAddr;

/// The names that are asked for, in order: as glibc's `res_search`.
pub fn candidates(host: &str, config: &Config) -> Vec<String> {
    if host.ends_with('.') {
        return vec![host.to_owned()];
    }
    let whole = format!("{host}.");
    let dots = host.bytes().filter(|b| *b == b'.').count();
    let searched = config.search.iter().map(|domain| match domain.as_str() {
        "." => whole.clone(),
        domain => format!("{host}.{domain}"),
    });
    let mut all: Vec<String> = Vec::new();
    if dots >= config.dots {
        all.push(whole.clone());
    }
    all.extend(searched);
    all.push(whole.clone());
    let mut seen = Vec::new();
    all.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
    all
}

/// Worse news counts more: a failed server may know the name.
fn weight(why: Why) -> u8 {
    match why {
        Why::BadName => 0,
        Why::NoSuchName => 1,
        Why::NoAddress => 2,
        Why::ServerFailed | Why::Refused => 3,
        Why::NoAnswer => 4,
    }
}

pub fn search(host: &str, family: Family, config: &Config, steps: &mut Vec<Step>) -> Told {
    let names = candidates(host, config);
    let whole = format!("{}.", host.trim_end_matches('.'));
    let mut missing: Vec<(Why, String)> = Vec::new();
    let mut refused = false;
    for text in &names {
        // As glibc: a server that refuses one name of the list is not asked for the rest of it.
        if refused && *text != whole {
            continue;
        }
        let name = match question::name(text) {
            Ok(name) => name,
            Err(error) => {
                missing.push((Why::BadName, error.to_string()));
                continue;
            }
        };
        match one_name(&name, family, config, steps) {
            Ok(told) => return told,
            // Nobody there: other names will not be answered either.
            Err((Why::NoAnswer, text)) => {
                return Told::not(Why::NoAnswer, format!("{host}: {text}"));
            }
            Err(other) => {
                refused |= other.0 == Why::Refused && *text != whole;
                missing.push(other);
            }
        }
    }
    let tried = if names.len() > 1 {
        format!("; tried {}", names.join(" "))
    } else {
        String::new()
    };
    let last = missing.last().map_or(Why::BadName, |(why, _)| *why);
    // Of equals the first one stands.
    let worst = missing
        .into_iter()
        .rev()
        .max_by_key(|(why, _)| weight(*why));
    let (why, text) = worst.unwrap_or_else(|| (Why::BadName, "no name to ask for".to_owned()));
    Told::Not {
        why,
        text: format!("{host}: {text}{tried}"),
        last,
    }
}

/// One absolute name at all servers until the questions have final answers.
fn one_name(
    name: &Name,
    family: Family,
    config: &Config,
    steps: &mut Vec<Step>,
) -> Result<Told, (Why, String)> {
    let mut open = questions(name, family, config);
    let mut found = Finding::default();
    for try_ in 0..config.tries {
        for server in servers(config) {
            let limits = Limits {
                timeout: wait(config, try_),
                tries: 1,
                ..Limits::default()
            };
            let answers = dns::ask_all(&server, &open, &limits);
            let mut unanswered = Vec::new();
            for (question, answer) in open.into_iter().zip(answers) {
                steps.push(step(&question, server.addr, &answer));
                if !found.take(name, answer) {
                    unanswered.push(question);
                }
            }
            open = unanswered;
            if open.is_empty() || stop::asked() {
                return found.verdict(name, family);
            }
        }
        // Who refuses or fails at once does so again.
        if !found.timed_out {
            break;
        }
    }
    found.verdict(name, family)
}

fn questions(name: &Name, family: Family, config: &Config) -> Vec<Question> {
    let kinds: &[RecordType] = match family {
        Family::V4 => &[RecordType::A],
        Family::V6 => &[RecordType::AAAA],
        Family::Any if config.no_aaaa => &[RecordType::A],
        Family::Any => &[RecordType::A, RecordType::AAAA],
    };
    let one = |kind: &RecordType| {
        let mut question = Question::new(name.clone(), *kind);
        question.edns = config.edns.then_some(question::PAYLOAD);
        question
    };
    kinds.iter().map(one).collect()
}

/// In the order of the file; with `rotate` the first one changes with time.
fn servers(config: &Config) -> Vec<Server> {
    let mut addrs = config.servers.clone();
    if config.rotate && !addrs.is_empty() {
        let turn = usize::try_from(clock::mono().0 / 1_000 % 997).unwrap_or(0);
        let places = addrs.len();
        addrs.rotate_left(turn % places);
    }
    let via = |_| if config.over_tcp { Via::Tcp } else { Via::Udp };
    let one = |addr: SocketAddr| Server {
        addr,
        via: via(addr),
    };
    addrs.into_iter().map(one).collect()
}

/// As glibc: the first round waits the whole time at each server, later ones twice as long, divided by the servers.
fn wait(config: &Config, try_: u32) -> std::time::Duration {
    if try_ == 0 {
        return config.timeout;
    }
    let servers = u32::try_from(config.servers.len()).unwrap_or(1).max(1);
    (config.timeout * (1 << try_.min(5)) / servers).max(std::time::Duration::from_secs(1))
}

fn step(question: &Question, server: SocketAddr, answer: &Result<Asked, Trouble>) -> Step {
    let asked = format!("{} {}", rdata::name(&question.name), question.kind);
    let (outcome, time_us) = match answer {
        Ok(asked) => (
            outcome(question, asked),
            u64::try_from(asked.time.as_micros()).ok(),
        ),
        Err(trouble) => (trouble.to_string(), None),
    };
    Step {
        source: "dns".to_owned(),
        asked,
        by: server.to_string(),
        outcome,
        time_us,
    }
}

fn outcome(question: &Question, asked: &Asked) -> String {
    let name = rdata::name(&question.name);
    let addresses = asked.reply.addresses(&name);
    if addresses.is_empty() {
        return if asked.reply.status == ResponseCode::NoError {
            format!("no {} record", question.kind)
        } else {
            asked.reply.status_name()
        };
    }
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    shown.join(" ")
}

/// What the answers so far amount to.
#[derive(Default)]
struct Finding {
    addresses: Vec<Address>,
    canonical: Option<String>,
    exists: bool,
    nonexistent: Option<SocketAddr>,
    failed: Option<(Why, String)>,
    silent: Option<String>,
    timed_out: bool,
}

impl Finding {
    /// Whether the answer is final.
    fn take(&mut self, name: &Name, answer: Result<Asked, Trouble>) -> bool {
        let asked = match answer {
            Ok(asked) => asked,
            Err(trouble) => {
                self.timed_out |= matches!(trouble, Trouble::Timeout { .. });
                self.silent = Some(trouble.to_string());
                return false;
            }
        };
        let text = rdata::name(name);
        if asked.reply.status == ResponseCode::NXDomain {
            self.nonexistent = Some(asked.server);
            return true;
        }
        if asked.reply.status != ResponseCode::NoError {
            let status = asked.reply.status_name();
            let why = if asked.reply.status == ResponseCode::ServFail {
                Why::ServerFailed
            } else {
                Why::Refused
            };
            self.failed = Some((why, format!("{status} from {}", asked.server)));
            return false;
        }
        self.exists = true;
        let found = asked.reply.addresses(&text);
        if !found.is_empty() {
            self.canonical = asked.reply.chain(&text).pop();
        }
        self.addresses.extend(found.into_iter().map(Address::from));
        true
    }

    fn verdict(self, name: &Name, family: Family) -> Result<Told, (Why, String)> {
        let text = rdata::name(name);
        if !self.addresses.is_empty() {
            return Ok(Told::Found {
                addresses: self.addresses,
                canonical: self.canonical,
            });
        }
        Err(
            match (self.exists, self.nonexistent, self.failed, self.silent) {
                (true, ..) => (
                    Why::NoAddress,
                    format!("{text} exists, but has no {}", family.name()),
                ),
                (_, Some(server), ..) => (
                    Why::NoSuchName,
                    format!("{text} does not exist (NXDOMAIN from {server})"),
                ),
                (_, _, Some((why, failed)), _) => (why, format!("{failed} for {text}")),
                (_, _, _, silent) => (Why::NoAnswer, silent.unwrap_or_default()),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::resolver::Fact;

    fn config(dots: &str) -> Config {
        let fact = |kind, value: &str| Fact {
            kind,
            value: value.to_owned(),
            ..Fact::default()
        };
        Config::new(
            &[
                fact("search", "a.example"),
                fact("search", "b.example"),
                fact("option", dots),
            ],
            "h",
        )
    }

    #[test]
    fn names_in_the_order_of_the_search_list() {
        let short = ["x.a.example.", "x.b.example.", "x."];
        assert_eq!(candidates("x", &config("ndots:1")), short);
        let long = ["x.y.", "x.y.a.example.", "x.y.b.example."];
        assert_eq!(candidates("x.y", &config("ndots:1")), long);
        let five = ["x.y.a.example.", "x.y.b.example.", "x.y."];
        assert_eq!(candidates("x.y", &config("ndots:5")), five);
        assert_eq!(candidates("x.", &config("ndots:5")), ["x."]);
    }
}
