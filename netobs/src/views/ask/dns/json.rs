//! Answers of name servers as JSON lines: one for each question at a server, one for each record.

use super::comparison;
use crate::{
    probes::dns::{Attempt, Record, Reply, compare::Compared, explain, rdata, trace::Way},
    views::ask::{object, us},
};
use serde::Serialize;

#[derive(Serialize)]
struct Asked<'a> {
    event: &'static str,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    server: String,
    over: Option<&'static str>,
    /// null: no answer.
    status: Option<String>,
    id: Option<u16>,
    flags: Option<&'a [&'static str]>,
    time_us: Option<u64>,
    connect_us: Option<u64>,
    size: Option<usize>,
    truncated: Option<bool>,
    tries: Option<u32>,
    ignored: Option<u32>,
    edns: Option<u16>,
    answers: Option<usize>,
    authorities: Option<usize>,
    additionals: Option<usize>,
    tls: Option<&'a str>,
    tls_trusted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<usize>,
    text: Option<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    event: &'static str,
    server: String,
    section: &'static str,
    #[serde(flatten)]
    record: &'a Record,
}

/// An attempt, and a line for each record.
pub fn json(into: &mut Vec<u8>, attempt: &Attempt, zone: Option<&str>, group: Option<usize>) {
    let asked = attempt.result.as_ref().ok();
    let reply = attempt.reply();
    let tls = asked.and_then(|asked| asked.tls.as_ref());
    let row = Asked {
        event: "dns",
        name: rdata::name(&attempt.question.name),
        kind: rdata::kind(attempt.question.kind),
        server: attempt.server.addr.to_string(),
        over: asked.map(|asked| asked.over),
        status: reply.map(Reply::status_name),
        id: reply.map(|reply| reply.id),
        flags: reply.map(|reply| reply.flags.as_slice()),
        time_us: asked.map(|asked| us(asked.time)),
        connect_us: asked.and_then(|asked| asked.connect).map(us),
        size: reply.map(|reply| reply.size),
        truncated: asked.map(|asked| asked.was_truncated),
        tries: asked.map(|asked| asked.tries),
        ignored: asked.map(|asked| asked.ignored.total()),
        edns: reply.and_then(|reply| reply.edns.as_ref().map(|edns| edns.payload)),
        answers: reply.map(|reply| reply.answers.len()),
        authorities: reply.map(|reply| reply.authorities.len()),
        additionals: reply.map(|reply| reply.additionals.len()),
        tls: tls.map(|(about, _)| about.version.as_str()),
        tls_trusted: tls.map(|(_, fault)| fault.is_none()),
        zone,
        group,
        text: explain(attempt),
    };
    object(into, &row);
    let Some(reply) = reply else { return };
    let sections = [
        ("answer", &reply.answers),
        ("authority", &reply.authorities),
        ("additional", &reply.additionals),
    ];
    for (section, records) in sections {
        for record in records {
            let row = Row {
                event: "record",
                server: attempt.server.addr.to_string(),
                section,
                record,
            };
            object(into, &row);
        }
    }
}

#[derive(Serialize)]
struct End {
    event: &'static str,
    servers: usize,
    agree: Option<bool>,
    text: Option<String>,
}

pub fn compare_json(into: &mut Vec<u8>, compared: &Compared) {
    for (attempt, group) in compared.attempts.iter().zip(&compared.groups) {
        json(into, attempt, None, Some(*group));
    }
    let end = End {
        event: "dns-compare",
        servers: compared.attempts.len(),
        agree: Some(compared.agree()),
        text: Some(comparison(compared)),
    };
    object(into, &end);
}

pub fn way_json(into: &mut Vec<u8>, way: &Way) {
    for stop in &way.stops {
        for (_, attempt) in &stop.attempts {
            json(into, attempt, Some(&stop.zone), None);
        }
    }
    let end = End {
        event: "dns-trace-end",
        servers: way.stops.iter().map(|stop| stop.attempts.len()).sum(),
        agree: None,
        text: way.end.clone().or_else(|| way.last().and_then(explain)),
    };
    object(into, &end);
}
