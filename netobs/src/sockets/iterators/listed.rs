//! Tables that have an iterator of their own: UDP and UNIX sockets, told whole whoever holds them.

use super::{Iterators, choice};
use crate::{
    bpf::sockets::{Rest, SocketsError, Table as Iterated},
    socket::{Flow, Row, Table, Tables, Want},
    sockets::{Path, SourceError, Told, processes::Processes},
};

/// One of these tables.
struct List {
    tables: &'static [Table],
    asked: fn(&Want) -> bool,
    open: fn(&Iterated) -> Result<Rest, SocketsError>,
    tell: Tell,
}

/// `None`: nothing was told, others have to.
type Tell = fn(
    &mut Iterated,
    Rest,
    &mut Row,
    &mut dyn FnMut(&mut Row) -> Flow,
) -> Result<Option<Flow>, SocketsError>;

/// In the order of all tables.
const LISTS: [List; 2] = [
    List {
        tables: &[Table::UnixStream, Table::UnixDgram, Table::UnixSeqpacket],
        asked: choice::tells_unix,
        open: Iterated::open_unix,
        tell: Iterated::unix,
    },
    List {
        tables: &[Table::Udp],
        asked: choice::tells_udp,
        open: Iterated::open_udp,
        tell: |table, rest, row, visit| table.udp(rest, row, visit).map(Some),
    },
];

impl Iterators {
    /// Tells what it can of what is left to be told, and takes that off.
    pub(super) fn tell_listed(
        &mut self,
        left: &mut Want,
        processes: &Processes,
        told: &mut Told,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, SourceError> {
        for list in LISTS {
            if !(list.asked)(left) {
                continue;
            }
            let Some(flow) = self.list(&list, left, processes, visit)? else {
                continue;
            };
            for table in list.tables.iter().filter(|table| left.tables.has(**table)) {
                told.paths.push((*table, Path::Iterator));
            }
            left.tables = list
                .tables
                .iter()
                .fold(left.tables, |all, of| Tables::without(all, *of));
            if flow == Flow::Enough {
                return Ok(flow);
            }
        }
        Ok(Flow::More)
    }

    /// `None`: this kernel has no such iterator, or it cannot tell all.
    fn list(
        &mut self,
        list: &List,
        want: &Want,
        processes: &Processes,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Option<Flow>, SourceError> {
        let (table, netns) = (&self.table, self.netns.as_deref());
        let Ok(rest) = Self::inside(netns, || (list.open)(table))? else {
            return Ok(None);
        };
        let mut row = Row {
            netns: self.inode,
            ..Row::default()
        };
        let mut with_holders = |row: &mut Row| {
            if !(want.tables.has(row.table) && want.state(row.state) && want.family(row.family)) {
                return Flow::More;
            }
            row.holders.extend(processes.of(row.inode));
            visit(row)
        };
        Ok((list.tell)(
            &mut self.table,
            rest,
            &mut row,
            &mut with_holders,
        )?)
    }
}
