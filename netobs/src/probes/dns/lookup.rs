//! A question put to servers in turn, under the names of the search list if wanted, until one answers.

use super::{Asked, Limits, Question, Server, Trouble, rdata};
use hickory_proto::{op::ResponseCode, rr::Name};

/// One question at one server.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub question: Question,
    pub server: Server,
    pub result: Result<Asked, Trouble>,
}

impl Attempt {
    pub fn new(question: &Question, server: &Server, limits: &Limits) -> Self {
        Self {
            question: question.clone(),
            server: server.clone(),
            result: super::ask(server, question, limits),
        }
    }

    pub fn reply(&self) -> Option<&super::Reply> {
        self.result.as_ref().ok().map(|asked| &asked.reply)
    }

    /// Ctrl-C came before the answer.
    pub fn is_stopped(&self) -> bool {
        matches!(self.result, Err(Trouble::Stopped { .. }))
    }

    /// What the answer amounts to.
    pub fn answer(&self) -> Answer {
        let Some(reply) = self.reply() else {
            return Answer::None;
        };
        if reply.status == ResponseCode::NXDomain {
            return Answer::NoSuchName;
        }
        if reply.status != ResponseCode::NoError {
            return Answer::Failed;
        }
        if reply.answers.is_empty() && reply.has("tc") {
            return Answer::Truncated;
        }
        if reply.answers.is_empty() {
            return if reply.refers() {
                Answer::Referral
            } else {
                Answer::NoData
            };
        }
        let wanted = rdata::kind(self.question.kind);
        let any = ["ANY", "AXFR"].contains(&wanted.as_str());
        if any || reply.answers.iter().any(|record| record.kind == wanted) {
            Answer::Records
        } else {
            Answer::OnlyAlias
        }
    }
}

/// What an answer amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Records,
    /// A CNAME whose target has none of the records.
    OnlyAlias,
    /// The name exists, the records do not.
    NoData,
    NoSuchName,
    /// The datagram had no room, and TCP was not wanted.
    Truncated,
    /// "Ask those servers."
    Referral,
    /// SERVFAIL, REFUSED and the like.
    Failed,
    /// Nobody answered.
    None,
}

/// All attempts, the last one is the answer. A name that does not exist lets the next one be tried.
pub fn lookup(
    question: &Question,
    names: &[Name],
    servers: &[Server],
    limits: &Limits,
) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for name in names {
        let question = Question {
            name: name.clone(),
            ..question.clone()
        };
        for server in servers {
            let attempt = Attempt::new(&question, server, limits);
            let last = attempt.result.is_ok() || attempt.is_stopped();
            attempts.push(attempt);
            if last {
                break;
            }
        }
        match attempts.last().map(Attempt::answer) {
            Some(Answer::NoSuchName | Answer::NoData) => {}
            _ => break,
        }
    }
    attempts
}
