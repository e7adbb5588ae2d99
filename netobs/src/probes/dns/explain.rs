//! What an answer means, in one sentence.

use super::{Answer, Asked, Attempt, Reply, rdata};

/// One sentence about an answer; None when records speak for themselves.
pub fn explain(attempt: &Attempt) -> Option<String> {
    let name = rdata::name(&attempt.question.name);
    let kind = rdata::kind(attempt.question.kind);
    let asked = match &attempt.result {
        Ok(asked) => asked,
        Err(trouble) => return Some(trouble.to_string()),
    };
    let server = asked.server;
    let text = match attempt.answer() {
        Answer::Records | Answer::Truncated => return noted(asked),
        Answer::OnlyAlias => {
            let target = asked.reply.chain(&name).pop().unwrap_or_default();
            format!("{name} is an alias of {target}, which has no {kind} record here")
        }
        Answer::NoData => format!(
            "{name} exists, but has no {kind} record{}",
            kept(&asked.reply)
        ),
        Answer::NoSuchName => format!(
            "{} does not exist, says {server}{}{}",
            target(&name, &asked.reply),
            authority(&asked.reply),
            kept(&asked.reply)
        ),
        Answer::Referral => format!(
            "{server} does not know {name} and refers to the servers of {}: it does not recurse for us",
            referred(&asked.reply)
        ),
        Answer::Failed => failed(asked),
        Answer::None => return None,
    };
    Some(with_errors(text, &asked.reply))
}

/// Also good answers may need a word.
fn noted(asked: &Asked) -> Option<String> {
    if asked.reply.has("tc") {
        return Some("truncated: records are missing (ask over TCP)".to_owned());
    }
    let text = match asked.ignored.total() {
        0 => String::new(),
        1 => "1 packet came that was no answer to this question: ignored".to_owned(),
        n => format!("{n} packets came that were no answer to this question: ignored"),
    };
    let text = with_errors(text, &asked.reply);
    (!text.is_empty()).then_some(text)
}

fn failed(asked: &Asked) -> String {
    let server = asked.server;
    match asked.reply.status_name().as_str() {
        "SERVFAIL" => format!(
            "{server} could not find out (SERVFAIL): the zone's servers do not answer it, the zone is broken or expired, or \
             its signatures do not fit (compare +cdflag)"
        ),
        "REFUSED" => format!(
            "{server} refuses to answer us (REFUSED): it does not serve this zone, or does not recurse for our address"
        ),
        "FORMERR" => format!("{server} did not understand the question (FORMERR): try +noedns"),
        "NOTIMP" => format!("{server} does not do such questions (NOTIMP)"),
        "BADVERS" => format!("{server} does not take this version of EDNS (BADVERS): try +noedns"),
        status => format!("{server} answers {status}"),
    }
}

/// The name itself, or what it is an alias of.
fn target(name: &str, reply: &Reply) -> String {
    match reply.chain(name).as_slice() {
        [.., last] if last != name => format!("{name} is an alias of {last}, which"),
        _ => name.to_owned(),
    }
}

/// ` (authority lab.example.)`
fn authority(reply: &Reply) -> String {
    let soa = reply.authorities.iter().find(|r| r.kind == "SOA");
    soa.map_or_else(String::new, |soa| format!(" for the zone {}", soa.name))
}

fn referred(reply: &Reply) -> String {
    let ns = reply.authorities.iter().find(|r| r.kind == "NS");
    ns.map_or_else(|| "nobody".to_owned(), |ns| ns.name.clone())
}

/// How long others remember the "no" (RFC 2308).
fn kept(reply: &Reply) -> String {
    let soa = reply.authorities.iter().find(|r| r.kind == "SOA");
    let Some(soa) = soa else {
        return String::new();
    };
    let minimum = soa.data.rsplit(' ').next().and_then(|n| n.parse().ok());
    let seconds = minimum.map_or(soa.ttl, |minimum: u32| minimum.min(soa.ttl));
    format!("; resolvers keep this \"no\" for {seconds} s")
}

/// The server's own reason (RFC 8914).
fn with_errors(mut text: String, reply: &Reply) -> String {
    for (_, name, words) in reply.edns.iter().flat_map(|edns| &edns.errors) {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str("the server adds: ");
        text.push_str(name);
        if !words.is_empty() {
            text.push_str(" (");
            text.push_str(words);
            text.push(')');
        }
    }
    text
}
