//! Accounting of events: seen + lost must be what was generated.
use serde::Serialize;

use super::process::Ended;
use super::summary::{self, Hook};
use super::tools::Spec;

/// Events of one or more runs of a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Account {
    /// Events that the load made, by its own or the kernel's count.
    pub expected: u64,
    /// Lines that the tool wrote.
    pub seen: u64,
    /// Events that the tool says it lost.
    pub lost: u64,
    /// The tool's own table of hooks; the last run's.
    pub hooks: Vec<Hook>,
    /// What does not add up.
    pub problems: Vec<String>,
}

impl Account {
    pub fn add(&mut self, run: Self) {
        self.expected += run.expected;
        self.seen += run.seen;
        self.lost += run.lost;
        self.hooks = run.hooks;
        self.problems.extend(run.problems);
    }
}

/// Holds a tool's lines and its summary against the truth. Only ours can be at fault: peers are merely counted.
pub fn account(spec: &Spec, units: u64, told: u64, ended: &Ended) -> Account {
    let mut account = Account {
        expected: spec.expected(units),
        seen: told,
        ..Account::default()
    };
    if !spec.ours {
        account.lost = peer_lost(&ended.stderr);
        return account;
    }
    if !ended.status.success() {
        account
            .problems
            .push(format!("{} ended with {}", spec.name, ended.status));
    }
    match summary::from_text(&ended.stderr) {
        Ok(hooks) => ours(spec, hooks, &mut account),
        Err(error) => account.problems.push(format!("{}: {error}", spec.name)),
    }
    account
}

fn ours(spec: &Spec, hooks: Vec<Hook>, account: &mut Account) {
    account.lost = hooks.iter().map(|hook| hook.lost).sum();
    let summed: u64 = hooks.iter().map(|hook| hook.seen).sum();
    account.hooks = hooks;
    let Account {
        expected,
        seen,
        lost,
        ..
    } = *account;
    let name = spec.name;
    if spec.others() {
        // Other events share the count of what was lost, so it only bounds what is missing.
        if seen > expected || seen + lost < expected {
            account.problems.push(format!(
                "{name}: seen {seen} + lost {lost} cannot make {expected}"
            ));
        }
        return;
    }
    if seen + lost != expected {
        account.problems.push(format!(
            "{name}: seen {seen} + lost {lost} is not {expected}"
        ));
    }
    if summed != seen {
        account.problems.push(format!(
            "{name}: the summary says {summed} seen, the output has {seen} lines"
        ));
    }
}

/// `lost 12 events on CPU #0!` (libbpf-tools), `Lost 12 events` (bpftrace).
fn peer_lost(stderr: &str) -> u64 {
    let lost = |line: &str| -> Option<u64> {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| !word.eq_ignore_ascii_case("lost"));
        words.nth(1)?.parse().ok()
    };
    stderr.lines().filter_map(lost).sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::{account, peer_lost};
    use crate::bench::process::Ended;
    use crate::bench::tools;

    fn ended(seen: u64, lost: u64) -> Ended {
        let stderr = format!("collector hook seen lost\nclose inet_sock_set_state {seen} {lost}\n");
        Ended {
            status: ExitStatus::from_raw(0),
            stderr,
        }
    }

    #[test]
    fn a_missing_event_is_a_problem_and_a_lost_one_is_not() {
        let close = tools::connections(1)
            .into_iter()
            .find(|spec| spec.name == "netobs watch close")
            .unwrap();
        assert!(account(&close, 10, 20, &ended(20, 0)).problems.is_empty());
        assert!(account(&close, 10, 17, &ended(17, 3)).problems.is_empty());
        assert_eq!(account(&close, 10, 19, &ended(19, 0)).problems.len(), 1);
        assert_eq!(account(&close, 10, 20, &ended(19, 0)).problems.len(), 1);
    }

    #[test]
    fn peers_tell_their_losses_in_words() {
        assert_eq!(
            peer_lost("lost 12 events on CPU #0!\nLost 3 events\nAttaching 1 probe...\n"),
            15
        );
    }
}
