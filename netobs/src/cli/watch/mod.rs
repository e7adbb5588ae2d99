//! `netobs watch`: from arguments to a stream of lines and a summary.

pub mod args;
mod late;
mod owner;
mod pace;
pub mod request;
mod show;
mod stream;
mod summary;
mod wait;

use super::{Failure, Status};

pub fn run(args: &args::Watch) -> Result<Status, Failure> {
    let watching = request::open(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(stream::run(watching, args))
}
