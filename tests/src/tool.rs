//! Running the external tools the labs stand on: ip, nft, ss.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a tool with `input` on its standard input; its standard output.
///
/// It runs in the network namespace of the calling thread.
pub fn run(program: &str, args: &[&str], input: &str) -> Result<String> {
    let shown = || format!("{program} {}", args.join(" "));
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start `{}`: this lab needs {program}", shown()))?;
    let mut stdin = child.stdin.take().context("standard input is piped")?;
    stdin
        .write_all(input.as_bytes())
        .with_context(|| format!("write to `{}`", shown()))?;
    drop(stdin);
    let output = child.wait_with_output().with_context(shown)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}`: {}: {}\n{input}", shown(), output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(shown)
}
