//! `netobs show conntrack`: how full the table is, and what is in it.

use super::{
    Failure, Status,
    output::{Output, refused},
};
use crate::{
    netlink::{
        conntrack::{self, each},
        socket::{NETFILTER, Socket},
    },
    views::show::conntrack::sentence,
};
use clap::Args;

#[derive(Args)]
pub struct Conntrack {
    /// Only how full the table is
    #[arg(long)]
    fill: bool,
}

pub fn run(args: &Conntrack, output: &mut Output) -> Result<Status, Failure> {
    let fill = conntrack::fill().map_err(refused)?;
    if output.json {
        output.row(&fill)?;
    } else {
        output.say(&sentence(&fill))?;
    }
    if args.fill {
        output.flush()?;
        return Ok(Status::Done);
    }
    let mut socket = Socket::open(NETFILTER).map_err(refused)?;
    let mut written = Ok(());
    let mut rows = Vec::new();
    let json = output.json;
    each(&mut socket, |entry| {
        if !json {
            rows.push(entry);
        } else if written.is_ok() && !output.closed {
            // JSON streams: the table may be larger than memory is free.
            written = output.row(&entry);
        }
    })
    .map_err(refused)?;
    written?;
    output.rows(&rows)?;
    Ok(Status::Done)
}
