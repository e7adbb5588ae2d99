//! From the root down: each zone's servers are asked without recursion, until one answers or the way ends.

use super::{Answer, Attempt, Limits, Question, Reply, Server, Trouble, Via, rdata};
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, SocketAddr};

/// More delegations than any name has labels worth following.
const DEEPEST: usize = 32;

/// One zone on the way.
#[derive(Clone, Debug)]
pub struct Stop {
    /// `.`, `example.`
    pub zone: String,
    /// Every server tried, the last one is the one that counts; with the name that the referral gave it.
    pub attempts: Vec<(String, Attempt)>,
    /// What is odd about it.
    pub note: Option<String>,
}

/// The whole way.
#[derive(Clone, Debug)]
pub struct Way {
    pub stops: Vec<Stop>,
    /// Why it ended where it did, when not with an answer.
    pub end: Option<String>,
}

impl Way {
    /// The answer at the end.
    pub fn last(&self) -> Option<&Attempt> {
        let stop = self.stops.last()?;
        stop.attempts.last().map(|(_, attempt)| attempt)
    }
}

/// How the way is walked.
pub struct Walk<'a> {
    pub port: u16,
    pub limits: &'a Limits,
    pub family: crate::probes::resolve::Family,
    /// Addresses of a name server that came without glue.
    pub resolve: &'a dyn Fn(&str) -> Vec<IpAddr>,
}

/// Walks from the given root servers.
pub fn trace(question: &Question, roots: &[(String, IpAddr)], walk: &Walk<'_>) -> Way {
    let question = Question {
        recurse: false,
        ..question.clone()
    };
    let mut way = Way {
        stops: Vec::new(),
        end: None,
    };
    let mut zone = ".".to_owned();
    let mut servers: Vec<(String, IpAddr)> = roots.to_vec();
    for _ in 0..DEEPEST {
        servers.retain(|(_, ip)| walk.family.takes(*ip));
        if servers.is_empty() {
            way.end = Some(format!("no address of any server of {zone} is known"));
            return way;
        }
        let stop = ask_zone(&question, &zone, &servers, walk);
        let next = stop
            .attempts
            .last()
            .map(|(_, last)| referral(&zone, &question, last));
        way.stops.push(stop);
        match next {
            Some(Next::Down(down, reply)) => {
                servers = addresses(&down, &reply, walk);
                zone = down;
            }
            Some(Next::End(end)) => {
                way.end = end;
                return way;
            }
            None => return way,
        }
    }
    way.end = Some(format!("more than {DEEPEST} delegations: gave up"));
    way
}

/// Asks the servers of a zone in order until one is of use.
fn ask_zone(
    question: &Question,
    zone: &str,
    servers: &[(String, IpAddr)],
    walk: &Walk<'_>,
) -> Stop {
    let mut stop = Stop {
        zone: zone.to_owned(),
        attempts: Vec::new(),
        note: None,
    };
    for (name, ip) in servers {
        let server = Server {
            addr: SocketAddr::new(*ip, walk.port),
            via: Via::Udp,
        };
        let attempt = Attempt::new(question, &server, walk.limits);
        let useful = !matches!(attempt.answer(), Answer::Failed | Answer::None)
            && !matches!(referral(zone, question, &attempt), Next::End(Some(_)));
        let last = useful || attempt.is_stopped();
        stop.attempts.push((name.clone(), attempt));
        if last {
            break;
        }
    }
    stop
}

enum Next {
    Down(String, Reply),
    End(Option<String>),
}

/// Where an answer leads.
fn referral(zone: &str, question: &Question, attempt: &Attempt) -> Next {
    let server = attempt.server.addr;
    let reply = match &attempt.result {
        Ok(asked) => &asked.reply,
        Err(trouble @ Trouble::Stopped { .. }) => return Next::End(Some(trouble.to_string())),
        Err(trouble) => return Next::End(Some(format!("no server of {zone} answers: {trouble}"))),
    };
    match attempt.answer() {
        Answer::Referral => {}
        Answer::Failed | Answer::None => {
            let status = reply.status_name();
            return Next::End(Some(format!("{server}, a server of {zone}, says {status}")));
        }
        Answer::Records
        | Answer::OnlyAlias
        | Answer::NoData
        | Answer::NoSuchName
        | Answer::Truncated => {
            if reply.has("aa") {
                return Next::End(None);
            }
            let text = format!(
                "{server} is named as a server of {zone}, but does not answer for it with authority (lame delegation)"
            );
            return Next::End(Some(text));
        }
    }
    let Some(down) = reply
        .authorities
        .iter()
        .find(|r| r.kind == "NS")
        .map(|r| r.name.clone())
    else {
        return Next::End(Some(format!("{server} refers to nobody")));
    };
    // Upwards or sideways: a server that does not have the zone and points to where it starts.
    let (down, above) = (down.to_ascii_lowercase(), zone.to_ascii_lowercase());
    let name = rdata::name(&question.name).to_ascii_lowercase();
    if !is_below(&down, &above) || !(down == name || is_below(&name, &down)) {
        let text = format!(
            "{server} is named as a server of {zone}, but refers back to {down} (lame delegation)"
        );
        return Next::End(Some(text));
    }
    Next::Down(down, reply.clone())
}

fn is_below(name: &str, zone: &str) -> bool {
    name != zone && (zone == "." || name.ends_with(&format!(".{zone}")))
}

/// Addresses of the servers of a zone: from the referral, else looked up.
fn addresses(zone: &str, reply: &Reply, walk: &Walk<'_>) -> Vec<(String, IpAddr)> {
    let ours = |name: &str| name.eq_ignore_ascii_case(zone);
    let names: Vec<String> = reply
        .authorities
        .iter()
        .filter(|r| r.kind == "NS" && ours(&r.name))
        .filter_map(|r| r.target.clone())
        .collect();
    let glue = |name: &str| -> Vec<IpAddr> {
        let records = reply.additionals.iter();
        let same = records.filter(|r| r.name.eq_ignore_ascii_case(name));
        same.filter_map(|r| r.address).collect()
    };
    let mut found: Vec<(String, IpAddr)> = Vec::new();
    for name in &names {
        found.extend(glue(name).into_iter().map(|ip| (name.clone(), ip)));
    }
    if found.iter().all(|(_, ip)| !walk.family.takes(*ip)) {
        for name in &names {
            let looked_up = (walk.resolve)(name);
            found.extend(looked_up.into_iter().map(|ip| (name.clone(), ip)));
        }
    }
    found
}

/// The question for the root's servers, when none are given.
pub fn root_question() -> Question {
    Question::new(hickory_proto::rr::Name::root(), RecordType::NS)
}
