//! `netobs ss`: from arguments to rows of sockets and their lines.

pub mod args;
mod grouping;
mod kill;
mod listing;
mod lookup;
mod order;
mod output;
mod request;
mod shelf;
mod summary;
mod watch;

use super::{Failure, Status};
use crate::sinks::stream::{SinkError, tell};

pub fn run(args: &args::Ss) -> Result<Status, Failure> {
    let request = match request::read(args)? {
        request::Asked::Sockets(request) => request,
        request::Asked::SummaryOnly => return summary::show(args).map(|()| Status::Done),
    };
    let ended = if request.stays() {
        perform(args, &request)
    } else {
        elsewhere(args, &request)?
    };
    match ended {
        Ok(status) => Ok(status),
        Err(End::Closed) => Ok(Status::Done), // the reader went away: nothing more is wanted
        Err(End::Failed(failure)) => Err(failure),
    }
}

fn perform(args: &args::Ss, request: &request::Request) -> Result<Status, End> {
    if args.kill {
        kill::run(args, request)
    } else if let Some(every) = args.watch {
        watch::run(args, request, every)
    } else {
        listing::once(args, request)
    }
}

/// On a thread that moves from one network namespace to the next: a thread for each of them would cost more than the looks.
fn elsewhere(
    args: &args::Ss,
    request: &request::Request,
) -> Result<Result<Status, End>, std::io::Error> {
    std::thread::scope(|scope| {
        let mover = std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, || perform(args, request))?;
        match mover.join() {
            Ok(ended) => Ok(ended),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Why a listing ended before its end.
enum End {
    Closed,
    Failed(Failure),
}

impl From<SinkError> for End {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Closed => Self::Closed,
            error @ SinkError::Io(_) => Self::Failed(error.into()),
        }
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// One line for the user, beside the rows.
fn remark(text: &str) {
    tell(&format!("netobs: {text}"));
}
