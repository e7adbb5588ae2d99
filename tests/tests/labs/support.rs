//! What several labs share: addresses, expected objects, and the honest way to leave something out.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use netobs_tests::netobs::{binary, doctor::Doctor};
use netobs_tests::{machine, truth};
use serde_json::{Value, json};

pub fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}

pub fn any4() -> SocketAddr {
    at(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
}

pub fn octets4(ip: IpAddr) -> Ipv4Addr {
    match ip {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// `event` with its socket addresses, as the contract names them.
pub fn socket_event(event: &str, local: (IpAddr, u16), remote: (IpAddr, u16)) -> Value {
    json!({
        "event": event, "laddr": local.0, "lport": local.1, "raddr": remote.0, "rport": remote.1,
    })
}

/// Both objects in one.
pub fn with(mut object: Value, more: &Value) -> Value {
    if let (Some(into), Some(from)) = (object.as_object_mut(), more.as_object()) {
        into.extend(from.clone());
    }
    object
}

/// Kernels before this version may answer `null` where the contract says so.
pub fn kernel_since(major: u32, minor: u32) -> Result<bool> {
    Ok(truth::kernel()? >= (major, minor))
}

pub fn positive(event: &Value, key: &str) -> Result<u64> {
    let value = event[key].as_u64().unwrap_or_default();
    ensure!(value > 0, "{key} is not above 0: {event}");
    Ok(value)
}

pub fn is_null(event: &Value, key: &str) -> Result<()> {
    ensure!(
        event.get(key).is_some_and(Value::is_null),
        "{key} is not null: {event}"
    );
    Ok(())
}

/// May this kernel show what a hook sees that goes by one of these `words`? If not, doctor must say of that hook that no rung
/// would do, with the reason, which is printed.
#[expect(clippy::print_stderr, reason = "what a lab leaves out is never silent")]
pub fn can_show(event: &str, words: &[&str]) -> Result<bool> {
    let missing = Doctor::ask()?.missing(event)?;
    let admitted = missing
        .iter()
        .find(|hook| words.iter().any(|word| hook.contains(word)));
    if let Some(hook) = admitted {
        eprintln!("left out, as doctor says: {event}: {hook}");
    }
    Ok(admitted.is_none())
}

/// Whether the event's hook is only asked at intervals, and so cannot tell what `what` is about.
#[expect(
    clippy::print_stderr,
    reason = "a lab that leaves something out says so"
)]
pub fn only_polled(event: &str, what: &str) -> Result<bool> {
    let polled = Doctor::ask()?.polls(event)?;
    if polled {
        eprintln!("left out: {event} is only asked, and does not tell of {what}");
    }
    Ok(polled)
}

/// Whether these programs are here. Machines of the kernel matrix have no servers, and what needs them is left out there; anywhere else a missing program fails the lab.
#[expect(clippy::print_stderr, reason = "what a lab leaves out is never silent")]
pub fn have(programs: &[&str]) -> Result<bool> {
    let path = std::env::var("PATH").unwrap_or_default();
    let there = |program: &str| {
        path.split(':')
            .any(|dir| Path::new(dir).join(program).is_file())
    };
    let missing: Vec<&str> = programs.iter().copied().filter(|p| !there(p)).collect();
    if missing.is_empty() {
        return Ok(true);
    }
    let missing = missing.join(" ");
    ensure!(
        machine::is_bare(),
        "this lab needs {missing}: run `cargo xtask setup` as root"
    );
    eprintln!("left out on this machine, which lacks {missing}");
    Ok(false)
}

/// The JSON lines of an output.
pub fn objects(output: &Output) -> Result<Vec<Value>> {
    let text = String::from_utf8(output.stdout.clone()).context("JSON is UTF-8")?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
        .collect()
}

/// The exit status is this one; else what was said.
pub fn ended_with(output: &Output, status: i32) -> Result<()> {
    ensure!(
        output.status.code() == Some(status),
        "ended with {}, not {status}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Both streams as text.
pub fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// Whether TAP devices can be made: not in every kernel of the matrix.
#[expect(
    clippy::print_stderr,
    reason = "a lab that leaves something out says so"
)]
pub fn has_tap() -> bool {
    let has = std::fs::File::open("/dev/net/tun").is_ok();
    if !has {
        eprintln!("left out: this machine has no /dev/net/tun");
    }
    has
}

/// Exits with 2, prints nothing on standard output, and says each of `words`.
pub fn usage_error(args: &[&str], words: &[&str]) -> Result<()> {
    let output = binary::run(args)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2),
        "{args:?} ended with {}: {said}",
        output.status
    );
    ensure!(
        output.stdout.is_empty(),
        "{args:?} wrote to standard output"
    );
    for word in words {
        ensure!(said.contains(word), "{args:?} does not say {word}: {said}");
    }
    Ok(())
}
