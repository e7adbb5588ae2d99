//! Answers of name servers: in the form of dig, and as JSON.

mod json;
#[cfg(test)]
mod tests;

pub use json::{compare_json, json, way_json};

use super::{Page, time};
use crate::{
    probes::dns::{Answer, Attempt, Record, Reply, compare::Compared, explain, trace::Way},
    views::table::{Table, terminal_width},
};

/// Which parts of an answer are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "dig's own switches")]
pub struct Parts {
    pub comments: bool,
    pub question: bool,
    pub answer: bool,
    pub authority: bool,
    pub additional: bool,
    pub stats: bool,
}

impl Parts {
    pub const ALL: Self = Self::every(true);
    pub const NONE: Self = Self::every(false);

    const fn every(on: bool) -> Self {
        Self {
            comments: on,
            question: on,
            answer: on,
            authority: on,
            additional: on,
            stats: on,
        }
    }
}

/// One attempt, whole.
pub fn text(attempt: &Attempt, parts: Parts) -> String {
    let mut page = Page::default();
    if let Some(reply) = attempt.reply() {
        if parts.comments {
            head(&mut page, reply);
        }
        if parts.question {
            page.safe(";; QUESTION SECTION:");
            for (name, class, kind) in &reply.question {
                page.safe(&format!(";{name}\t\t{class}\t{kind}"));
            }
            page.safe("");
        }
        let sections = [
            (parts.answer, "ANSWER", &reply.answers),
            (parts.authority, "AUTHORITY", &reply.authorities),
            (parts.additional, "ADDITIONAL", &reply.additionals),
        ];
        for (shown, name, records) in sections {
            if shown && !records.is_empty() {
                section(&mut page, parts.comments.then_some(name), records);
            }
        }
    }
    if parts.stats {
        stats(&mut page, attempt);
    }
    if let (true, Some(text)) = (
        parts.comments || attempt.reply().is_none(),
        explain(attempt),
    ) {
        page.line(&format!(";; {text}"));
    }
    page.text()
}

fn head(page: &mut Page, reply: &Reply) {
    page.safe(&format!(
        ";; ->>HEADER<<- opcode: QUERY, status: {}, id: {}",
        reply.status_name(),
        reply.id
    ));
    page.safe(&format!(
        ";; flags: {}; QUERY: {}, ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {}",
        reply.flags.join(" "),
        reply.question.len(),
        reply.answers.len(),
        reply.authorities.len(),
        reply.additionals.len() + usize::from(reply.edns.is_some())
    ));
    page.safe("");
    if let Some(edns) = &reply.edns {
        let flags = if edns.dnssec_ok { " do" } else { "" };
        page.safe(";; OPT PSEUDOSECTION:");
        page.safe(&format!(
            "; EDNS: version: {}, flags:{flags}; udp: {}",
            edns.version, edns.payload
        ));
        for (number, name, words) in &edns.errors {
            page.line(&format!("; EDE: {number} ({name}): ({words})"));
        }
    }
}

fn section(page: &mut Page, name: Option<&str>, records: &[Record]) {
    if let Some(name) = name {
        page.safe(&format!(";; {name} SECTION:"));
    }
    let width = records.iter().map(|r| r.name.len()).max().unwrap_or(0);
    for record in records {
        page.safe(&line(record, width));
    }
    if name.is_some() {
        page.safe("");
    }
}

fn line(record: &Record, width: usize) -> String {
    let Record {
        name,
        ttl,
        class,
        kind,
        data,
        ..
    } = record;
    format!("{name:width$}\t{ttl}\t{class}\t{kind}\t{data}")
}

fn stats(page: &mut Page, attempt: &Attempt) {
    let Ok(asked) = &attempt.result else {
        return;
    };
    let connect = asked
        .connect
        .map(|connect| format!(" after {} to connect", time(connect)));
    let tries = match asked.tries {
        1 => String::new(),
        n => format!(", answered at try {n}"),
    };
    page.safe(&format!(
        ";; Query time: {}{}{tries}",
        time(asked.time),
        connect.unwrap_or_default()
    ));
    let (ip, port) = (asked.server.ip(), asked.server.port());
    let cut = if asked.was_truncated {
        ", after UDP was truncated"
    } else {
        ""
    };
    page.safe(&format!(
        ";; SERVER: {ip}#{port} ({}{cut})",
        asked.over.to_uppercase()
    ));
    if let Some((about, fault)) = &asked.tls {
        let verdict = match fault {
            None => "certificate good".to_owned(),
            Some(fault) => format!("certificate not trusted: {fault}"),
        };
        page.line(&format!(";; {} {}, {verdict}", about.version, about.cipher));
    }
    page.safe(&format!(";; MSG SIZE  rcvd: {}", asked.reply.size));
}

/// The data of the answers, a line each, as `dig +short`.
pub fn short(attempt: &Attempt) -> String {
    let mut page = Page::default();
    let answers = attempt.reply().map(|reply| reply.answers.iter());
    answers
        .into_iter()
        .flatten()
        .for_each(|r| page.safe(&r.data));
    page.text()
}

/// A row for each server, those that differ from the first marked.
pub fn compare(compared: &Compared) -> String {
    let mut table = Table::new(&["", "SERVER", "STATUS", "TIME", "FLAGS", "ANSWER"]);
    for (attempt, group) in compared.attempts.iter().zip(&compared.groups) {
        let mark = if *group == 0 { "" } else { "*" };
        let server = attempt.server.addr.to_string();
        let cells = match &attempt.result {
            Ok(asked) => [
                mark.to_owned(),
                server,
                asked.reply.status_name(),
                time(asked.time),
                asked.reply.flags.join(" "),
                data(&asked.reply),
            ],
            Err(trouble) => [
                mark.to_owned(),
                server,
                "-".to_owned(),
                String::new(),
                String::new(),
                trouble.to_string(),
            ],
        };
        table.push(&cells);
    }
    let mut text = table.render(terminal_width());
    text.push_str(&comparison(compared));
    text.push('\n');
    text
}

/// `3 servers agree`, `2 of 3 servers differ from 10.0.0.1:53`.
fn comparison(compared: &Compared) -> String {
    let servers = compared.attempts.len();
    let differing = compared.groups.iter().filter(|group| **group != 0).count();
    let first = compared.attempts.first().map(|a| a.server.addr.to_string());
    let first = first.unwrap_or_default();
    match (servers, differing) {
        (1, _) => format!("only one server: {first}"),
        (_, 0) => format!("{servers} servers agree"),
        _ => format!("{differing} of {servers} servers differ from {first}"),
    }
}

/// Records in one cell.
fn data(reply: &Reply) -> String {
    let mut all: Vec<String> = reply
        .answers
        .iter()
        .map(|r| format!("{} {}", r.kind, r.data))
        .collect();
    all.sort_unstable();
    all.join(", ")
}

/// The way from the root: per zone who was asked and where it led.
pub fn way(way: &Way) -> String {
    let mut page = Page::default();
    for stop in &way.stops {
        for (name, attempt) in &stop.attempts {
            let server = format!("{name} ({})", attempt.server.addr);
            match &attempt.result {
                Ok(asked) => {
                    records(&mut page, attempt, &asked.reply);
                    page.line(&format!(
                        ";; zone {}: {} bytes from {server} in {}, status {}",
                        stop.zone,
                        asked.reply.size,
                        time(asked.time),
                        asked.reply.status_name()
                    ));
                }
                Err(trouble) => page.line(&format!(";; zone {}: {server}: {trouble}", stop.zone)),
            }
            page.safe("");
        }
    }
    let last = way.last().and_then(explain);
    if let Some(end) = way.end.clone().or(last) {
        page.line(&format!(";; {end}"));
    }
    page.text()
}

/// A referral's name servers, an answer's records.
fn records(page: &mut Page, attempt: &Attempt, reply: &Reply) {
    let referral = attempt.answer() == Answer::Referral;
    let shown = if referral || reply.answers.is_empty() {
        &reply.authorities
    } else {
        &reply.answers
    };
    section(page, None, shown);
}
