//! `--trace`: from the root servers down.

use super::{Ask, status};
use crate::{
    cli::{Failure, Status, ask},
    probes::{
        dns::{
            self, Answer, Attempt, Question,
            trace::{self, Walk},
        },
        resolve,
    },
    views::ask::dns as view,
};
use std::net::IpAddr;

impl Ask<'_> {
    pub(super) fn trace(&self, question: &Question) -> Result<Status, Failure> {
        let question = Question {
            name: self.names(&question.name)[0].clone(),
            ..question.clone()
        };
        let family = self.args.net.family();
        let port = self.args.port.unwrap_or(53);
        let addresses = |name: &str| match resolve::resolve(name, family, &self.config) {
            Ok(found) => found.addresses.iter().map(|a| a.ip).collect(),
            Err(_) => Vec::new(),
        };
        let roots = self.roots(&addresses)?;
        let walk = Walk {
            port,
            limits: &self.words.limits,
            family,
            resolve: &addresses,
        };
        let way = trace::trace(&question, &roots, &walk);
        let mut out = ask::Out::new();
        if self.args.net.json {
            view::way_json(out.bytes(), &way);
        } else if let (true, Some(last)) = (self.words.short, way.last()) {
            out.text(&view::short(last));
        } else {
            out.text(&view::way(&way));
        }
        out.done()?;
        let answer = way.last().map_or(Answer::None, Attempt::answer);
        Ok(match way.end {
            Some(_) => Status::Other,
            None => status(answer),
        })
    }

    /// Given, or asked of the configured servers.
    fn roots(
        &self,
        addresses: &dyn Fn(&str) -> Vec<IpAddr>,
    ) -> Result<Vec<(String, IpAddr)>, Failure> {
        let given = self.args.root.iter().map(|ip| ("given".to_owned(), *ip));
        let mut roots: Vec<(String, IpAddr)> = given.collect();
        if !roots.is_empty() {
            return Ok(roots);
        }
        let question = trace::root_question();
        let names = [question.name.clone()];
        let attempts = dns::lookup(&question, &names, &self.servers, &self.words.limits);
        let reply = attempts.last().and_then(Attempt::reply);
        let servers = reply.map(|reply| reply.answers.iter().filter_map(|r| r.target.clone()));
        for name in servers.into_iter().flatten() {
            let glue = reply.iter().flat_map(|reply| &reply.additionals);
            let known: Vec<IpAddr> = glue
                .filter(|r| r.name.eq_ignore_ascii_case(&name))
                .filter_map(|r| r.address)
                .collect();
            let found = if known.is_empty() {
                addresses(&name)
            } else {
                known
            };
            roots.extend(found.into_iter().map(|ip| (name.clone(), ip)));
        }
        if roots.is_empty() {
            let why = attempts.last().and_then(dns::explain).unwrap_or_default();
            let text = format!("no root servers: {why}; name one with --root ADDR");
            return Err(Failure::new(Status::Other, text));
        }
        Ok(roots)
    }
}
