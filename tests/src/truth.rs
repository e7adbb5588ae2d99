//! Ground truth from the kernel's own books: the counters behind nstat, and `ss`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use crate::netns::Netns;

type Counters = BTreeMap<String, i64>;

/// The counters of some namespaces from a moment on, named as nstat names them: `TcpRetransSegs`, `TcpExtListenDrops`.
pub struct Meter<'a> {
    from: Vec<(&'a Netns, Counters)>,
}

impl<'a> Meter<'a> {
    pub fn start(namespaces: &[&'a Netns]) -> Result<Self> {
        let from = namespaces
            .iter()
            .map(|ns| Ok((*ns, counters(ns)?)))
            .collect::<Result<_>>()?;
        Ok(Self { from })
    }

    /// Growth of one counter since the start, all namespaces added up; a counter this kernel lacks is 0, as in nstat.
    pub fn delta(&self, name: &str) -> Result<u64> {
        Ok(self.deltas(name)?.iter().map(|(_, delta)| delta).sum())
    }

    /// The same for each namespace, by its name.
    pub fn deltas(&self, name: &str) -> Result<Vec<(&'a str, u64)>> {
        let delta = |(ns, before): &(&'a Netns, Counters)| {
            let now = counters(ns)?;
            let delta = now.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
            let delta = u64::try_from(delta);
            let delta = delta.with_context(|| format!("{name} went backwards"))?;
            Ok((ns.name(), delta))
        };
        self.from.iter().map(delta).collect()
    }
}

fn counters(ns: &Netns) -> Result<Counters> {
    // /proc/net is the namespace of the process's first thread; only thread-self is ours.
    ns.run(|| {
        let mut all = Counters::new();
        for file in ["snmp", "netstat"] {
            parse_paired(&read(file)?, &mut all);
        }
        parse_single(&read("snmp6")?, &mut all);
        Ok(all)
    })
}

fn read(file: &str) -> Result<String> {
    let path = format!("/proc/thread-self/net/{file}");
    fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

/// `Tcp: A B` over `Tcp: 1 2`.
fn parse_paired(text: &str, into: &mut Counters) {
    let lines: Vec<_> = text.lines().collect();
    for [names, values] in lines.as_chunks::<2>().0 {
        let prefix = names.split(':').next().unwrap_or_default();
        let pairs = names
            .split_whitespace()
            .zip(values.split_whitespace())
            .skip(1);
        into.extend(
            pairs
                .filter_map(|(name, value)| Some((format!("{prefix}{name}"), value.parse().ok()?))),
        );
    }
}

/// `Udp6RcvbufErrors    1`.
fn parse_single(text: &str, into: &mut Counters) {
    let pairs = text
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace));
    into.extend(
        pairs.filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?))),
    );
}

/// What `ss -ti` says of the socket between two ports: `bytes_acked`, `rto`, `rcv_space` ... as ss prints them.
pub fn ss_info(ns: &Netns, lport: u16, rport: u16) -> Result<BTreeMap<String, String>> {
    let filter = format!("sport = :{lport} and dport = :{rport}");
    let said = ns.tool("ss", &["-Htainm", &filter], "")?;
    Ok(parse_ss(&said))
}

/// How many connections wait for accept(2) at the listener on `port`, as ss says.
pub fn accept_queue(ns: &Netns, port: u16) -> Result<usize> {
    let said = ns.tool("ss", &["-Hlnt", &format!("sport = :{port}")], "")?;
    let queue = said.split_whitespace().nth(1);
    let queue = queue.with_context(|| format!("ss shows no listener on port {port}"))?;
    queue
        .parse()
        .with_context(|| format!("ss shows a queue of '{queue}'"))
}

fn parse_ss(said: &str) -> BTreeMap<String, String> {
    let pairs = said
        .split_whitespace()
        .filter_map(|word| word.split_once(':'));
    let mut info: BTreeMap<_, _> = pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    if let Some(state) = said.split_whitespace().next() {
        info.insert("state".to_owned(), state.to_owned());
    }
    info
}

/// Major and minor of the running kernel, for what the contract says older kernels cannot tell.
pub fn kernel() -> Result<(u32, u32)> {
    let release =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's release")?;
    let mut parts = release.split(['.', '-']).map(str::parse);
    let mut next = || {
        parts
            .next()
            .and_then(Result::ok)
            .with_context(|| format!("kernel release {release}"))
    };
    Ok((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paired_lines_make_nstat_names() {
        let mut all = Counters::new();
        parse_paired(
            "Tcp: MaxConn RetransSegs\nTcp: -1 7\nUdp: InErrors\nUdp: 3\n",
            &mut all,
        );
        parse_single("Udp6RcvbufErrors                	5\n", &mut all);
        assert_eq!(all["TcpMaxConn"], -1);
        assert_eq!(all["TcpRetransSegs"], 7);
        assert_eq!(all["UdpInErrors"], 3);
        assert_eq!(all["Udp6RcvbufErrors"], 5);
    }

    #[test]
    fn ss_words_become_keys() {
        let info = parse_ss(
            "ESTAB 0 0 10.0.0.1:40000 10.0.0.2:80\n\t cubic rto:204 bytes_acked:1001 segs_out:3\n",
        );
        assert_eq!(info["state"], "ESTAB");
        assert_eq!(info["bytes_acked"], "1001");
    }
}
