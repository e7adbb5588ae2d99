//! The same question to every server at once, and where their answers differ.

use super::{Limits, Question, Server, lookup::Attempt};
use std::thread;

/// Answers of all servers and who agrees with whom.
#[derive(Debug)]
pub struct Compared {
    pub attempts: Vec<Attempt>,
    /// Group of each attempt: 0 is that of the first; equal numbers are equal answers.
    pub groups: Vec<usize>,
}

impl Compared {
    pub fn agree(&self) -> bool {
        self.groups.iter().all(|group| *group == 0)
    }
}

/// Asks all; the threads are in the namespace of the caller.
pub fn compare(question: &Question, servers: &[Server], limits: &Limits) -> Compared {
    let attempts: Vec<Attempt> = thread::scope(|scope| {
        let asking: Vec<_> = servers
            .iter()
            .map(|server| scope.spawn(|| Attempt::new(question, server, limits)))
            .collect();
        asking
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut known: Vec<String> = Vec::new();
    let groups = attempts.iter().map(|attempt| {
        let key = essence(attempt);
        known.iter().position(|k| *k == key).unwrap_or_else(|| {
            known.push(key);
            known.len() - 1
        })
    });
    Compared {
        groups: groups.collect(),
        attempts,
    }
}

/// What is compared: status and records, without their order and time to live.
fn essence(attempt: &Attempt) -> String {
    let Some(reply) = attempt.reply() else {
        return "no answer".to_owned();
    };
    let mut records: Vec<String> = reply
        .answers
        .iter()
        .map(|r| {
            let (name, data) = (r.name.to_ascii_lowercase(), &r.data);
            format!("{name} {} {data}", r.kind)
        })
        .collect();
    records.sort_unstable();
    format!("{} {}", reply.status_name(), records.join("\n"))
}
