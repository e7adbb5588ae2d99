//! Bad input: usage errors that help, and a plain word when a privilege is missing.

use std::process::Output;

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
    usage_error(&["watch", "CONNECT"], "'connect'")?;
    usage_error(&["watch", "udp_drop"], "udp-drop")
}

#[test]
fn unknown_rung_names_the_nearest() -> Result<()> {
    usage_error(&["watch", "--rung", "kprob"], "'kprobe'")?;
    usage_error(&["doctor", "--rung", "fentri"], "'fentry'")
}

/// The number of any other file would match nothing, in silence.
#[test]
fn a_file_that_is_no_namespace() -> Result<()> {
    let file = "/proc/self/status";
    usage_error(&["watch", "--netns", file], "is no network namespace")
}

#[test]
fn bad_cidr_names_the_nearest() -> Result<()> {
    usage_error(&["watch", "--host", "10.1.2.3/33"], "10.1.2.3/32")?;
    usage_error(&["watch", "--host", "10.1.2.300"], "10.1.2.300")?;
    usage_error(&["watch", "--host", "10.0.0.0/255.255.0.0"], "10.0.0.0/16")?;
    usage_error(&["watch", "--host", "fe80::1::2"], "fe80::1")?;
    usage_error(&["watch", "--host", "fd00::/129"], "fd00::/128")
}

#[test]
fn bad_numbers() -> Result<()> {
    usage_error(&["watch", "--port", "70000"], "70000")?;
    usage_error(&["watch", "--pid", "me"], "me")?;
    usage_error(&["watch", "--duration", "-1"], "more than 0")?;
    usage_error(&["watch", "--duration", "soon"], "soon")
}

/// Exit 3 and one line, which names what is missing, nothing else, and how to give it.
fn refused(output: &Output, missing: &[&str]) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(3),
        "ended with {}: {said}",
        output.status
    );
    ensure!(
        said.trim_end().lines().count() == 1 && output.stdout.is_empty(),
        "more than one line: {}{said}",
        String::from_utf8_lossy(&output.stdout)
    );
    let need = format!("need {}: ", missing.join(" and "));
    ensure!(
        said.contains(&need) && said.contains("root") && said.contains("setcap"),
        "it does not say what to do: {said}"
    );
    Ok(())
}

#[test]
fn no_capability_is_one_line() -> Result<()> {
    let output = binary::run_as_nobody(&["watch", "close"])?;
    refused(&output, &["CAP_BPF", "CAP_PERFMON"])
}

/// Root of a container: one capability is missing, `CAP_SYS_ADMIN` that could stand for it too.
#[test]
fn each_capability_is_missed_by_name() -> Result<()> {
    const SYS_ADMIN: i32 = 21;
    const PERFMON: i32 = 38;
    const BPF: i32 = 39;
    let without = |numbers| binary::run_without_capabilities(numbers, &["watch", "close"]);
    refused(&without(&[SYS_ADMIN, BPF])?, &["CAP_BPF"])?;
    refused(&without(&[SYS_ADMIN, PERFMON])?, &["CAP_PERFMON"])?;
    let both = without(&[SYS_ADMIN, BPF, PERFMON])?;
    refused(&both, &["CAP_BPF", "CAP_PERFMON"])
}
