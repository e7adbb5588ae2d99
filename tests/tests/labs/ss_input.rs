//! Bad input to `netobs ss`, missing privileges, and `-K`.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::traffic::tcp;

use crate::support;

fn usage_error(args: &[&str], words: &[&str]) -> Result<()> {
    let all: Vec<&str> = std::iter::once("ss").chain(args.iter().copied()).collect();
    support::usage_error(&all, words)
}

#[test]
fn malformed_filters_say_where_and_what() -> Result<()> {
    usage_error(
        &["sport", "gt", "abc"],
        &["column 10", "a port such as :443", "'abc'"],
    )?;
    usage_error(&["sport", "="], &["column 8", "the end"])?;
    usage_error(&["( sport = :22"], &["')'", "the end"])?;
    usage_error(&["sport = :22 )"], &["column 13", "')'"])?;
    usage_error(&["spot = :22"], &["column 1", "a condition", "'spot'"])?;
    usage_error(&["dst", "10.0.0.0/33"], &["column 5", "prefix"])?;
    usage_error(&["sport = :22 and"], &["a condition", "the end"])?;
    usage_error(&["dev", "no-such-dev"], &["a network interface"])?;
    usage_error(&["cgroup", "/no/such"], &["cgroup"])?;
    usage_error(&["state", "estabilshed"], &["estabilshed", "established"])?;
    usage_error(&["state"], &["a state after 'state'"])
}

#[test]
fn other_arguments_say_what_is_known() -> Result<()> {
    usage_error(&["-A", "tpc"], &["tpc", "tcp"])?;
    usage_error(&["-f", "ipx"], &["ipx", "inet6"])?;
    usage_error(&["--columns", "rtt,color"], &["color", "cwnd"])?;
    usage_error(&["--netns", "no-such-ns"], &["no-such-ns", "process id"])?;
    usage_error(&["--sort", "age"], &["age", "retrans"])?;
    usage_error(
        &["-t", "src", "unix:/run/*"],
        &["no table of sockets is left"],
    )?;
    usage_error(&["exclude", "all"], &["no state"])
}

#[test]
fn nobody_sees_own_sockets_and_is_told() -> Result<()> {
    let output = binary::run_as_nobody(&["ss", "-tanp"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "ended with {}: {said}",
        output.status
    );
    ensure!(said.trim_end().lines().count() == 1, "not one line: {said}");
    ensure!(
        said.contains("root") && said.contains("not shown"),
        "{said}"
    );
    let rows = String::from_utf8_lossy(&output.stdout);
    ensure!(rows.starts_with("State"), "no listing: {rows}");
    Ok(())
}

#[test]
fn kill_asks_and_closes() -> Result<()> {
    let ns = Netns::new("kill")?;
    let local: SocketAddr = "127.0.0.1:9000".parse()?;
    let (listener, client, other) = ns.run(|| {
        let listener = tcp::listen(local, 8)?;
        let client = tcp::Dial::to(local).connect()?;
        Ok((listener, client, tcp::Dial::to(local).connect()?))
    })?;
    let port = format!("sport = :{}", client.local_addr()?.port());
    let refused = ns.run(|| binary::run(&["ss", "-K", "-tn", &port]))?;
    ensure!(
        refused.status.code() == Some(2),
        "closed without --yes: {}",
        refused.status
    );
    ensure!(client.take_error()?.is_none(), "closed without --yes");
    let closed = ns.run(|| binary::run(&["ss", "-K", "-tn", "--yes", &port]))?;
    let said = String::from_utf8_lossy(&closed.stderr);
    if closed.status.code() == Some(3) && said.contains("CONFIG_INET_DIAG_DESTROY") {
        return Ok(()); // this kernel cannot, and netobs says so
    }
    ensure!(
        closed.status.success() && said.contains("1 closed"),
        "{}: {said}",
        closed.status
    );
    ensure!(client.take_error()?.is_some(), "the socket lives on");
    ensure!(other.take_error()?.is_none(), "another socket was closed");
    drop(listener);
    let none = ns.run(|| binary::run(&["ss", "-K", "-tn", "--yes", &port]))?;
    ensure!(
        none.status.code() == Some(1),
        "nothing to close ended with {}",
        none.status
    );
    Ok(())
}
