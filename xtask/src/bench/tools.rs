//! netobs and its peers: how each is started, how its events are told and counted.
use std::env;
use std::path::{Path, PathBuf};

use super::generate::CHURN_PORT;
use super::process::Ready;

const LIFE_SCRIPT: &str = include_str!("peers/tcplife.bt");
const COUNT_SCRIPT: &str = "tracepoint:sock:inet_sock_set_state { @states = count(); }";
const NOOP_SCRIPT: &str = "tracepoint:sock:inet_sock_set_state /0/ { }";
const DROP_SCRIPT: &str = r#"tracepoint:skb:kfree_skb { printf("%llu %p %d\n", nsecs, args->location, args->protocol); }"#;
const DROP_NOOP_SCRIPT: &str = "tracepoint:skb:kfree_skb /0/ { }";

/// What one event looks like in the tool's text.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// A line one of whose first words is the name of an event: netobs.
    Event,
    /// A line that names the churn's port.
    Port,
    /// Any line at all.
    Line,
    /// It prints no events.
    Nothing,
}

#[derive(Clone, Debug)]
pub struct Spec {
    pub name: &'static str,
    pub argv: Vec<String>,
    pub ready: Ready,
    pub mark: Mark,
    /// Events that must add up, and how many of each a connection (or a drop) makes.
    pub per_unit: &'static [(&'static str, u64)],
    /// Its summary must account for every event; failing that fails the bench.
    pub ours: bool,
}

impl Spec {
    pub fn expected(&self, units: u64) -> u64 {
        self.per_unit.iter().map(|(_, each)| each * units).sum()
    }

    /// Whether it also tells events that are not counted here: `netobs watch` without names.
    pub fn others(&self) -> bool {
        self.ours && self.argv.get(2).is_some_and(|arg| arg.starts_with("--"))
    }
}

const CLOSE: &[(&str, u64)] = &[("close", 2)];
const LIFE: &[(&str, u64)] = &[("connect", 1), ("accept", 1), ("close", 2)];
const DROP: &[(&str, u64)] = &[("drop", 1)];

/// Where netobs is: `NETOBS_BIN`, else the release build.
pub fn netobs() -> PathBuf {
    let built = super::target().join("release-static/netobs");
    env::var_os("NETOBS_BIN").map_or(built, PathBuf::from)
}

/// Tools that follow connections; those that are not installed are left out and named by the caller.
pub fn connections(netns: u64) -> Vec<Spec> {
    vec![
        control(),
        bpftrace(
            "no-op tracepoint (bpftrace)",
            NOOP_SCRIPT,
            Mark::Nothing,
            &[],
        ),
        ours("netobs watch close", &["close"], netns, CLOSE),
        ours(
            "netobs watch connect accept close",
            &["connect", "accept", "close"],
            netns,
            LIFE,
        ),
        ours("netobs watch", &[], netns, LIFE),
        Spec {
            name: "libbpf-tools tcplife",
            argv: vec![find(&["tcplife", "libbpf-tcplife"])],
            ready: Ready::HoldsLinks,
            mark: Mark::Port,
            per_unit: CLOSE,
            ours: false,
        },
        bpftrace("bpftrace tcplife script", LIFE_SCRIPT, Mark::Port, CLOSE),
        bpftrace("bpftrace count only", COUNT_SCRIPT, Mark::Nothing, &[]),
    ]
}

/// Tools that tell dropped packets.
pub fn drops(netns: u64) -> Vec<Spec> {
    vec![
        control(),
        bpftrace(
            "no-op tracepoint (bpftrace)",
            DROP_NOOP_SCRIPT,
            Mark::Nothing,
            &[],
        ),
        ours("netobs watch drop", &["drop"], netns, DROP),
        bpftrace("bpftrace printf", DROP_SCRIPT, Mark::Line, DROP),
    ]
}

pub fn installed(spec: &Spec) -> bool {
    spec.argv
        .first()
        .is_some_and(|program| on_path(program).is_some())
}

fn ours(
    name: &'static str,
    events: &[&str],
    netns: u64,
    per_unit: &'static [(&'static str, u64)],
) -> Spec {
    let mut argv = vec![netobs().to_string_lossy().into_owned(), "watch".to_owned()];
    argv.extend(events.iter().map(|&event| event.to_owned()));
    argv.extend(["--netns".to_owned(), netns.to_string()]);
    Spec {
        name,
        argv,
        ready: Ready::Says("netobs: watching"),
        mark: Mark::Event,
        per_unit,
        ours: true,
    }
}

/// A process that sleeps: what its row shows is the bench's own error.
fn control() -> Spec {
    let argv = ["sleep", "600"].map(str::to_owned).to_vec();
    Spec {
        name: "nothing (control)",
        argv,
        ready: Ready::AtOnce,
        mark: Mark::Nothing,
        per_unit: &[],
        ours: false,
    }
}

fn bpftrace(
    name: &'static str,
    script: &str,
    mark: Mark,
    per_unit: &'static [(&'static str, u64)],
) -> Spec {
    let argv = ["bpftrace", "-e", script].map(str::to_owned).to_vec();
    Spec {
        name,
        argv,
        ready: Ready::HoldsLinks,
        mark,
        per_unit,
        ours: false,
    }
}

/// Distributions name the same program differently; the first name stands when none is there.
fn find(names: &[&str]) -> String {
    let there = names.iter().find(|name| on_path(name).is_some());
    (*there.unwrap_or(&names[0])).to_owned()
}

fn on_path(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Path::new(program).is_file().then(|| program.into());
    }
    let path = env::var_os("PATH")?;
    // Debian keeps libbpf-tools in sbin, which a user's PATH may lack.
    let places = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    places
        .map(|place| place.join(program))
        .find(|file| file.is_file())
}

/// The port as whole word of a line, or behind an address: `127.0.0.1:47810`.
pub fn names_port(line: &str, port: u16) -> bool {
    let port = port.to_string();
    line.split(|c: char| !c.is_ascii_digit())
        .any(|word| word == port)
}

/// Whether a line is one of the events that are counted.
pub fn counts(spec: &Spec, line: &str) -> bool {
    let event = |word: &str| spec.per_unit.iter().any(|(name, _)| *name == word);
    match spec.mark {
        Mark::Event => line.split_whitespace().take(3).any(event),
        Mark::Port => names_port(line, CHURN_PORT),
        Mark::Line => !line.trim().is_empty(),
        Mark::Nothing => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{connections, counts, names_port};

    #[test]
    fn a_port_is_a_whole_number() {
        assert!(names_port("1 curl 127.0.0.1:47810 10.0.0.1:80", 47810));
        assert!(names_port("1 curl 127.0.0.1 47810", 47810));
        assert!(!names_port("1 curl 127.0.0.1 147810", 47810));
    }

    #[test]
    fn events_are_told_by_their_name_near_the_front() {
        let life = connections(1)
            .into_iter()
            .find(|spec| spec.name.ends_with("accept close"))
            .unwrap();
        assert!(counts(
            &life,
            "12:00:00.000 accept 12 nginx 127.0.0.1:47810"
        ));
        assert!(!counts(&life, "12:00:00.000 reset 12 nginx accept"));
        assert_eq!(life.expected(10), 40);
    }
}
