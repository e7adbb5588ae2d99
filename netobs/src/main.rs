//! The netobs command: parse, run, turn an error into an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    netobs::cli::main()
}
