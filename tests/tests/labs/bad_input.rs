//! Bad input: usage errors that help, and a plain word when a privilege is missing.

use anyhow::{Result, ensure};
use netobs_tests::netobs::binary;

use crate::support;

fn usage_error(args: &[&str], help: &str) -> Result<()> {
    support::usage_error(args, &[help])
}

#[test]
fn unknown_event_names_the_nearest() -> Result<()> {
    usage_error(&["watch", "conect"], "connect")?;
    usage_error(&["watch", "retransmits"], "retransmit")?;
    usage_error(&["watch", "udp_drop"], "udp-drop")
}

#[test]
fn bad_cidr_names_the_nearest() -> Result<()> {
    usage_error(&["watch", "--host", "10.1.2.3/33"], "10.1.2.3/32")?;
    usage_error(&["watch", "--host", "10.1.2.300"], "10.1.2.300")?;
    usage_error(&["watch", "--host", "fd00::/129"], "fd00::/128")
}

#[test]
fn bad_numbers() -> Result<()> {
    usage_error(&["watch", "--port", "70000"], "70000")?;
    usage_error(&["watch", "--pid", "me"], "me")?;
    usage_error(&["watch", "--duration", "soon"], "soon")
}

#[test]
fn no_capability_is_one_line() -> Result<()> {
    let output = binary::run_as_nobody(&["watch", "close"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(3),
        "ended with {}: {said}",
        output.status
    );
    ensure!(
        said.trim_end().lines().count() == 1,
        "more than one line: {said}"
    );
    ensure!(
        said.contains("CAP_BPF") && said.contains("root"),
        "it does not say what to do: {said}"
    );
    Ok(())
}
