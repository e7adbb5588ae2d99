//! The tables that need nothing but one dump: addresses, neighbours, rules.

use super::{
    Failure, Status,
    output::{Output, refused},
};
use crate::netlink::{
    addresses, links, neighbours, rules,
    socket::{ROUTE, Socket},
};
use clap::Args;

#[derive(Args)]
pub struct Neigh {
    /// Also what needs no resolution: multicast, loopback (NOARP)
    #[arg(long)]
    all: bool,
}

pub fn addr(output: &mut Output) -> Result<Status, Failure> {
    let mut socket = Socket::open(ROUTE).map_err(refused)?;
    let names = links::names(&mut socket).map_err(refused)?;
    let dump = addresses::all(&mut socket, &names).map_err(refused)?;
    output.dump(&dump)
}

pub fn neigh(args: &Neigh, output: &mut Output) -> Result<Status, Failure> {
    let mut socket = Socket::open(ROUTE).map_err(refused)?;
    let names = links::names(&mut socket).map_err(refused)?;
    let mut dump = neighbours::all(&mut socket, &names).map_err(refused)?;
    dump.rows.retain(|row| args.all || !row.is_trivial());
    output.dump(&dump)
}

pub fn rules(output: &mut Output) -> Result<Status, Failure> {
    let mut socket = Socket::open(ROUTE).map_err(refused)?;
    let dump = rules::all(&mut socket).map_err(refused)?;
    output.dump(&dump)
}
