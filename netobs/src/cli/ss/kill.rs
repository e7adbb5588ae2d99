//! `-K`: sockets that match are closed, after a word from the user.

use super::{
    End,
    args::Ss,
    listing::{Listing, failure},
    remark,
    request::Request,
};
use crate::{
    cli::{Failure, Status},
    netlink::sock_diag::{DestroyError, SockDiag},
    socket::Row,
    sockets::SourceError,
};
use std::io::{BufRead as _, Write as _};

/// Sockets closed by one command: more are an accident.
const MOST: usize = 1_000_000;

/// What identifies a socket to the kernel.
struct Victim {
    row: Row,
    namespace: usize,
}

pub fn run(args: &Ss, request: &Request) -> Result<Status, End> {
    let mut victims = Vec::new();
    for (namespace, _) in request.namespaces.iter().enumerate() {
        let one = request.of_namespace(namespace);
        let mut listing = Listing::new(args, &one)?;
        let told = listing.look(&mut |shown, output, names| {
            if shown.row.is_inet() && victims.len() < MOST {
                victims.push(Victim {
                    row: identity(shown.row),
                    namespace,
                });
                return output.row(shown, names);
            }
            Ok(())
        })?;
        listing.output.finish()?;
        listing.remarks(&told);
    }
    if victims.is_empty() {
        remark("no TCP, UDP or raw socket matches: nothing is closed");
        return Ok(Status::No);
    }
    if !args.yes && !confirmed(victims.len())? {
        remark("nothing is closed");
        return Ok(Status::No);
    }
    close(request, &victims)
}

/// Addresses and cookie, without what only fills memory.
fn identity(row: &Row) -> Row {
    let mut kept = Row {
        table: row.table,
        family: row.family,
        local: row.local,
        remote: row.remote,
        ifindex: row.ifindex,
        cookie: row.cookie,
        ..Row::default()
    };
    kept.inet.raw_protocol = row.inet.raw_protocol;
    kept
}

/// Asks on the terminal; without one only `--yes` will do.
fn confirmed(count: usize) -> Result<bool, Failure> {
    if !rustix::termios::isatty(rustix::stdio::stdin()) {
        let text = format!("-K would close {count} sockets: confirm with --yes");
        return Err(Failure::new(Status::Usage, text));
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "close these {count} sockets? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn close(request: &Request, victims: &[Victim]) -> Result<Status, End> {
    let (mut closed, mut gone, mut unable) = (0, 0, 0);
    let mut last = None;
    for (namespace, netns) in request.namespaces.iter().enumerate() {
        let open = || SockDiag::open(0);
        let diag = match netns {
            Some(netns) => netns.run(open).map_err(|error| failure(&error.into()))?,
            None => open(),
        };
        let mut diag = diag.map_err(|error| failure(&SourceError::Diag(error)))?;
        for victim in victims
            .iter()
            .filter(|victim| victim.namespace == namespace)
        {
            match diag.destroy(&victim.row) {
                Ok(()) => closed += 1,
                Err(DestroyError::Gone) => gone += 1,
                Err(error @ DestroyError::Denied) => {
                    return Err(Failure::new(Status::Missing, error.to_string()).into());
                }
                Err(error) => {
                    unable += 1;
                    last = Some(error);
                }
            }
        }
    }
    remark(&format!(
        "{closed} closed, {gone} were gone before, {unable} could not be closed"
    ));
    match last {
        Some(error @ DestroyError::Unsupported) if closed == 0 => {
            Err(Failure::new(Status::Missing, error.to_string()).into())
        }
        Some(error) => Err(Failure::new(Status::Other, error.to_string()).into()),
        None => Ok(Status::Done),
    }
}
