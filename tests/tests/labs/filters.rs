//! Filters by address, port and namespace: what matches is told, what does not never leaves the kernel.

use std::net::{IpAddr, TcpListener};

use anyhow::Result;
use netobs_tests::netobs::Watch;
use netobs_tests::topology::{Pair, v4};
use netobs_tests::traffic::tcp;
use serde_json::{Value, json};

use crate::support::at;

/// A second address of `b`.
const OTHER4: IpAddr = v4(1, 3);

struct Lab {
    pair: Pair,
    listeners: Vec<TcpListener>,
}

impl Lab {
    /// Listeners on both IPv4 addresses of `b` and on its IPv6 address.
    fn new() -> Result<Self> {
        let pair = Pair::new()?;
        pair.b.ip(&format!("addr add {OTHER4}/24 dev eth0\n"))?;
        let listen = |ip: IpAddr| pair.b.run(|| Ok(tcp::listen(at(ip, 0), 16)?));
        let listeners = [Pair::B4, OTHER4, Pair::B6]
            .into_iter()
            .map(listen)
            .collect::<Result<_>>()?;
        Ok(Self { pair, listeners })
    }

    fn port(&self, which: usize) -> Result<u16> {
        Ok(self.listeners[which].local_addr()?.port())
    }

    /// One connection to each listener, in order, ended by RST.
    fn round(&self) -> Result<()> {
        self.pair.a.run(|| {
            for listener in &self.listeners {
                let client = tcp::Dial::to(listener.local_addr()?).connect()?;
                listener.accept()?;
                tcp::abort(client)?;
            }
            Ok(())
        })
    }

    /// With `args`, exactly the connects to these listeners are told, in both of two rounds.
    fn passes(&self, args: &[&str], wanted: &[usize]) -> Result<()> {
        let watch = Watch::json(&["connect"])?.within(&[&self.pair.a]);
        let watch = args.iter().fold(watch, Watch::arg).start()?;
        self.round()?;
        self.round()?;
        let to = |which: usize| -> Result<Value> {
            Ok(
                json!({"event": "connect", "rport": self.port(which)?, "raddr": self.listeners[which].local_addr()?.ip()}),
            )
        };
        for which in wanted {
            watch.expect_count(2, &to(*which)?)?;
        }
        let record = watch.stop()?;
        record.exactly(2 * wanted.len() as u64, &json!({"event": "connect"}))
    }
}

#[test]
fn port() -> Result<()> {
    let lab = Lab::new()?;
    let (one, two) = (lab.port(0)?.to_string(), lab.port(1)?.to_string());
    lab.passes(&["--port", &one], &[0])?;
    lab.passes(&["--port", &one, "--port", &two], &[0, 1])?;
    lab.passes(&["--port", &format!("!{one}")], &[1, 2])?;
    lab.passes(
        &["--port", &format!("!{one}"), "--port", &format!("!{two}")],
        &[2],
    )
}

#[test]
fn host() -> Result<()> {
    let lab = Lab::new()?;
    let one = Pair::B4.to_string();
    lab.passes(&["--host", &one], &[0])?;
    lab.passes(&["--host", &format!("{OTHER4}/32")], &[1])?;
    lab.passes(&["--host", "10.77.1.0/24"], &[0, 1])?;
    lab.passes(&["--host", "fd00:77:1::/48"], &[2])?;
    lab.passes(&["--host", &format!("!{one}")], &[1, 2])?;
    lab.passes(&["--host", "!10.77.0.0/16"], &[2])?;
    lab.passes(
        &["--host", "10.77.1.0/24", "--host", &format!("!{one}")],
        &[1],
    )
}

#[test]
fn host_and_port_both_hold() -> Result<()> {
    let lab = Lab::new()?;
    let one = lab.port(0)?.to_string();
    lab.passes(&["--host", "10.77.1.0/24", "--port", &one], &[0])?;
    lab.passes(
        &["--host", "10.77.1.0/24", "--port", &format!("!{one}")],
        &[1],
    )
}

#[test]
fn netns() -> Result<()> {
    let lab = Lab::new()?;
    let (a, b) = (lab.pair.a.inode(), lab.pair.b.inode());
    let events = &["connect", "accept"];
    for (arg, told, hidden) in [
        (a.to_string(), "connect", "accept"),
        (b.to_string(), "accept", "connect"),
        (format!("!{a}"), "accept", "connect"),
        (format!("!{b}"), "connect", "accept"),
    ] {
        // Other labs run beside this one: only these two namespaces are judged.
        let watch = Watch::json(events)?
            .arg("--netns")
            .arg(&arg)
            .arg("--port")
            .arg(lab.port(0)?.to_string())
            .start()?;
        lab.round()?;
        let ns = if told == "connect" { a } else { b };
        watch.expect(&json!({"event": told, "netns": ns}))?;
        let record = watch.stop()?;
        record.exactly(1, &json!({"event": told, "netns": ns}))?;
        let other = if told == "connect" { b } else { a };
        record.exactly(0, &json!({"event": hidden, "netns": other}))?;
    }
    Ok(())
}
