//! The benches: what netobs costs, measured beside the tools people use today.

use anyhow::bail;

/// Runs the bench named by the first argument.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the dispatcher has no further use for them"
)]
pub fn run(args: Vec<String>) -> anyhow::Result<()> {
    match args.first().map(String::as_str) {
        Some(other) => bail!("no bench named `{other}`; there are none yet"),
        None => bail!("name a bench; there are none yet"),
    }
}
