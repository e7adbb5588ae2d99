//! `netobs dns`: what name servers say, and what it means.

mod servers;
mod way;
mod words;

use super::{Failure, Status, ask};
use crate::{
    probes::{
        dns::{self, Answer, Attempt, Question, Server, compare::compare, lookup, question, rdata},
        resolve::{self, Config, Family},
        stop,
    },
    sinks::stream::tell,
    views::{ask::dns as view, table::escape},
};
use clap::Args;
use hickory_proto::rr::Name;
use std::{net::IpAddr, path::PathBuf};
use words::Words;

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of the command line"
)]
pub struct Dns {
    /// NAME [TYPE] [@SERVER[:PORT]] and dig's +options, in any order
    #[arg(value_name = "NAME TYPE @SERVER +OPTION", allow_hyphen_values = false)]
    words: Vec<String>,

    /// The name of an address
    #[arg(short = 'x', value_name = "ADDR")]
    reverse: Vec<IpAddr>,

    /// Type of record: A AAAA CNAME MX NS SOA SRV TXT PTR CAA ANY ...
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// A name that looks like a type
    #[arg(short = 'q', value_name = "NAME")]
    query: Option<String>,

    /// Port of the servers [53, over TLS 853]
    #[arg(short, long)]
    port: Option<u16>,

    /// Address to ask from
    #[arg(short = 'b', long = "source", value_name = "ADDR")]
    source: Option<IpAddr>,

    #[command(flatten)]
    net: ask::Net,

    #[command(flatten)]
    leaving: ask::Leaving,

    /// Over TCP from the start
    #[arg(long)]
    tcp: bool,

    /// Over TLS; who answers is only verified with --ca or --tls-name
    #[arg(long)]
    tls: bool,

    /// Verify the server's certificate by the roots in this PEM file
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Name that the server's certificate must have
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,

    /// From the root down, asking each zone's servers
    #[arg(long)]
    trace: bool,

    /// Address of a root server for --trace; without, the configured servers are asked for the roots
    #[arg(long, value_name = "ADDR")]
    root: Vec<IpAddr>,

    /// Ask every server and show where they differ
    #[arg(long)]
    compare: bool,

    /// Only the data of the answers
    #[arg(long)]
    short: bool,
}

/// All that a question needs.
struct Ask<'a> {
    args: &'a Dns,
    words: Words,
    config: Config,
    servers: Vec<Server>,
}

pub fn run(args: &Dns) -> Result<Status, Failure> {
    args.net.inside(|config| inside(args, config))
}

fn inside(args: &Dns, config: Config) -> Result<Status, Failure> {
    let usage = |text: String| Failure::new(Status::Usage, text);
    let words = read_words(args).map_err(usage)?;
    let servers = servers::chosen(args, &words, &config)?;
    let ask = Ask {
        args,
        words,
        config,
        servers,
    };
    let mut worst = Status::Done;
    for (name, kind, class) in &ask.words.asked {
        let question = Question {
            kind: *kind,
            class: *class,
            recurse: ask.words.recurse,
            dnssec: ask.words.dnssec,
            checking_disabled: ask.words.checking_disabled,
            authentic_data: ask.words.authentic_data,
            edns: ask
                .words
                .edns
                .or(ask.words.dnssec.then_some(question::PAYLOAD)),
            ..Question::new(name.clone(), *kind)
        };
        let status = if ask.words.trace {
            ask.trace(&question)?
        } else if args.compare {
            ask.compare(&question)?
        } else {
            ask.lookup(&question)?
        };
        if status as u8 > worst as u8 {
            worst = status;
        }
        if stop::asked() {
            break;
        }
    }
    Ok(worst)
}

fn read_words(args: &Dns) -> Result<Words, String> {
    let mut words = Words::default();
    if let Some(kind) = &args.kind {
        let known = words::kind(kind).ok_or_else(|| format!("'{kind}' is no type of record"))?;
        words.set_kind(known);
    }
    if let Some(name) = &args.query {
        words.name(name)?;
    }
    args.words.iter().try_for_each(|word| words.take(word))?;
    args.reverse.iter().for_each(|ip| words.reverse(*ip));
    words.short |= args.short;
    words.tcp |= args.tcp;
    words.tls |= args.tls || args.ca.is_some() || args.tls_name.is_some();
    words.trace |= args.trace || !args.root.is_empty();
    words.limits.leave = args.leaving.leave_from(args.source);
    if let Some(source) = words.limits.leave.source
        && !args.net.family().takes(source)
    {
        return Err(format!("source {source} is not of the family asked for"));
    }
    if words.trace && args.compare {
        return Err("--trace and --compare exclude each other".to_owned());
    }
    if words.asked.is_empty() {
        return Err("no name to ask for: netobs dns NAME [TYPE] [@SERVER]".to_owned());
    }
    Ok(words)
}

impl Ask<'_> {
    fn lookup(&self, question: &Question) -> Result<Status, Failure> {
        let names = self.names(&question.name);
        let attempts = lookup(question, &names, &self.servers, &self.words.limits);
        let mut out = ask::Out::new();
        for attempt in &attempts {
            if self.args.net.json {
                view::json(out.bytes(), attempt, None, None);
            } else if self.words.short {
                // Names of the search list that do not exist are not the answer.
                out.text(&view::short(attempt));
            } else {
                out.text(&view::text(attempt, self.words.parts));
            }
        }
        let last = attempts.last();
        if let (Some(hint), false, true) =
            (self.hint(last), self.words.short, self.words.parts.comments)
            && !self.args.net.json
        {
            out.line(&format!(";; {hint}"));
        }
        out.done()?;
        let status = last.map_or(Status::Other, |last| status(last.answer()));
        // Scripts read the data; whoever looks on is told why there is none.
        if let (true, Some(text)) = (
            self.words.short && status != Status::Done,
            last.and_then(dns::explain),
        ) && !self.args.net.json
        {
            tell(&format!("netobs: {}", escape(&text)));
        }
        Ok(status)
    }

    /// The name alone, or with the domains of the search list as programs try them.
    fn names(&self, name: &Name) -> Vec<Name> {
        let text = rdata::name(name);
        let whole = || vec![question::name(&text).unwrap_or_else(|_| name.clone())];
        if !self.words.search || name.is_fqdn() {
            return whole();
        }
        let mut config = self.config.clone();
        if !self.words.domains.is_empty() {
            config.search.clone_from(&self.words.domains);
        }
        config.dots = self.words.dots.unwrap_or(config.dots);
        let plain = text.trim_end_matches('.');
        let all = resolve::candidates(plain, &config);
        let names: Vec<Name> = all.iter().filter_map(|n| question::name(n).ok()).collect();
        if names.is_empty() { whole() } else { names }
    }

    /// What programs on this host would see otherwise.
    fn hint(&self, last: Option<&Attempt>) -> Option<String> {
        let last = last?;
        let text = rdata::name(&last.question.name);
        let plain = text.trim_end_matches('.');
        let line = self.config.hosts.iter().find(|host| {
            host.names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(plain))
        });
        if let Some(line) = line {
            return Some(format!(
                "programs here do not ask DNS for it: {} line {} says {}",
                line.file, line.line, line.address
            ));
        }
        let no = matches!(last.answer(), Answer::NoSuchName);
        let domains = &self.config.search;
        (no && !self.words.search
            && !domains.is_empty()
            && self.args.words.iter().all(|w| !w.ends_with('.')))
        .then(|| {
            format!(
                "asked as it stands; programs also try the search list ({}): +search does",
                domains.join(" ")
            )
        })
    }

    fn compare(&self, question: &Question) -> Result<Status, Failure> {
        let names = self.names(&question.name);
        let question = Question {
            name: names[0].clone(),
            ..question.clone()
        };
        let compared = compare(&question, &self.servers, &self.words.limits);
        let mut out = ask::Out::new();
        if self.args.net.json {
            view::compare_json(out.bytes(), &compared);
        } else {
            out.text(&view::compare(&compared));
        }
        out.done()?;
        let answered = compared.attempts.iter().any(|a| a.result.is_ok());
        Ok(match (answered, compared.agree()) {
            (false, _) => Status::Other,
            (true, true) => Status::Done,
            (true, false) => Status::No,
        })
    }
}

/// 0 an answer, 1 the answer is "no", 4 none.
fn status(answer: Answer) -> Status {
    match answer {
        Answer::Records => Status::Done,
        Answer::OnlyAlias | Answer::NoData | Answer::NoSuchName => Status::No,
        Answer::Truncated | Answer::Referral | Answer::Failed | Answer::None => Status::Other,
    }
}

/// The family that a command line asks for.
impl ask::Net {
    pub fn family(&self) -> Family {
        match (self.v4, self.v6) {
            (true, false) => Family::V4,
            (false, true) => Family::V6,
            _ => Family::Any,
        }
    }
}
