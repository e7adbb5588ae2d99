//! Walks over the kernel's own tables: of TCP what no descriptor told, UDP whole.

use super::{
    decode::Record,
    fill,
    load::SocketsError,
    table::Table,
    walk::{End, read},
};
use crate::{
    bpf::sys,
    socket::{Flow, Row},
};
use std::{
    fs::File,
    os::fd::{AsFd as _, BorrowedFd},
};

const REST: &str = "tcp";
const UDP: &str = "udp";

/// An open walk over a table of one namespace.
pub struct Rest(pub(super) File);

impl Rest {
    pub(super) fn open(name: &'static str, program: BorrowedFd<'_>) -> Result<Self, SocketsError> {
        let file = sys::iterate(program);
        file.map(Self)
            .map_err(|source| SocketsError::Read { name, source })
    }
}

impl Table {
    /// Opens the walk over the UDP table of the calling thread's namespace.
    pub fn open_udp(&self) -> Result<Rest, SocketsError> {
        Rest::open(UDP, self.walks.udp()?.as_fd())
    }

    /// Tells that table, each socket once, whoever holds it.
    pub fn udp(
        &mut self,
        Rest(mut file): Rest,
        row: &mut Row,
        visit: &mut dyn FnMut(&mut Row) -> Flow,
    ) -> Result<Flow, SocketsError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let (told, tick_ns) = (&mut self.told, self.tick_ns);
        let mut take = |record| match record {
            Record::Udp(record) if told.insert(record.holder.sk) => {
                fill::udp(row, &record, tick_ns);
                visit(row)
            }
            Record::Tcp(_) | Record::Udp(_) | Record::Holder(_) | Record::Thread(_) => Flow::More,
        };
        let mut end = End::Paused;
        while end == End::Paused {
            end = read(UDP, &mut file, &mut buffer, &mut take)?;
        }
        self.buffer = buffer;
        Ok(end.flow())
    }

    /// Opens the walk over the TCP table of the calling thread's namespace.
    pub fn open_rest(&mut self) -> Result<Rest, SocketsError> {
        self.walks.go_on(false)?;
        Rest::open(REST, self.walks.rest()?)
    }

    /// Tells what no descriptor told: listeners first, then connections if `goes_on` says so.
    pub fn rest(
        &mut self,
        rest: Rest,
        row: &mut Row,
        visit: &mut dyn FnMut(&mut Row) -> Flow,
        goes_on: &mut dyn FnMut(&Self) -> bool,
    ) -> Result<Flow, SocketsError> {
        let Rest(mut file) = rest;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut take = |table: &mut Self, record: Record| match record {
            // Before 5.15 the walk finds its place again by counting: while connections come and go it meets some twice.
            Record::Tcp(record) if table.told.insert(record.print) => {
                table.count(&record, 1);
                fill::tcp(row, &record, table.tick_ns);
                visit(row)
            }
            Record::Tcp(_) | Record::Udp(_) | Record::Holder(_) | Record::Thread(_) => Flow::More,
        };
        let mut end = read(REST, &mut file, &mut buffer, &mut |record| {
            take(self, record)
        })?;
        if end == End::Paused && goes_on(self) {
            self.walks.go_on(true)?;
            while end == End::Paused {
                end = read(REST, &mut file, &mut buffer, &mut |record| {
                    take(self, record)
                })?;
            }
        }
        self.buffer = buffer;
        Ok(end.flow())
    }
}
