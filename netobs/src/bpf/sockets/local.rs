//! The walk over UNIX sockets: told whole, in memory shared with the program, or not at all.
//!
//! Not through the iterator's file: there the kernel loses sockets, see the program.

use super::{
    listed::Rest,
    load::{SocketsError, Walks},
    table::Table,
};
use crate::bpf::words::Words;
use crate::socket::{End, Family, Flow, Row, State, Table as Kind};
use aya::maps::{Array, MapData};
use netobs_ebpf::sockets::local::{UnixName, UnixRow};
use std::{
    io::{self, Read as _},
    os::fd::AsFd as _,
};

const UNIX: &str = "unix";

/// Maps of the program.
pub const ROWS: &str = "UNIX_ROWS";
pub const NAMES: &str = "UNIX_NAMES";
pub const COUNTS: &str = "UNIX_COUNTS";

/// More sockets than this would take more memory than is worth it.
const MOST: u32 = 1 << 16;

/// How many sockets and names there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub rows: u32,
    pub names: u32,
}

impl Room {
    pub const NONE: Self = Self { rows: 1, names: 1 };

    /// For a namespace that has so many sockets of all kinds; `None`: too many.
    pub fn of(sockets: u64) -> Option<Self> {
        let rows = u32::try_from(sockets).ok().filter(|n| *n <= MOST)?;
        let rows = rows + rows / 8 + 256;
        // What is connected has a name at one end at most, as a rule.
        Some(Self {
            rows,
            names: rows / 8 * 5 + 256,
        })
    }
}

/// What the program writes.
pub struct Local {
    room: Room,
    rows: Words,
    names: Words,
    /// As `UnixCounts`.
    counts: Array<MapData, [u32; 4]>,
    // What the program uses stays open until it is loaded.
    _maps: [MapData; 2],
}

impl Local {
    pub fn new(walks: &mut Walks, room: Room) -> Result<Self, SocketsError> {
        let mut map = |name: &'static str, entries: u32, len: usize| {
            let map = walks.take_map(name)?;
            let words = entries as usize * len / size_of::<u64>();
            let marks = Words::new(map.fd().as_fd(), words).map_err(SocketsError::Marks)?;
            Ok::<_, SocketsError>((map, marks))
        };
        let (row_map, rows) = map(ROWS, room.rows, size_of::<UnixRow>())?;
        let (name_map, names) = map(NAMES, room.names, size_of::<UnixName>())?;
        Ok(Self {
            room,
            rows,
            names,
            _maps: [row_map, name_map],
            counts: Array::try_from(aya::maps::Map::from_map_data(walks.take_map(COUNTS)?)?)?,
        })
    }

    /// How many sockets were told; `None`: not all of them.
    fn told(&self) -> Result<Option<u32>, SocketsError> {
        let [rows, names, unsure, _] = self.counts.get(&0, 0)?;
        let whole = unsure == 0 && rows <= self.room.rows && names <= self.room.names;
        Ok(whole.then_some(rows))
    }

    fn row(&self, place: u32) -> Option<UnixRow> {
        let words: [u64; 5] = self.rows.words(place as usize)?;
        Some(zerocopy::transmute!(words))
    }

    /// Path, or an abstract name.
    fn name(&self, row: &UnixRow) -> Option<([u8; 128], usize)> {
        let place = row.name.checked_sub(1)?;
        let words: [u64; 16] = self.names.words(place as usize)?;
        Some((zerocopy::transmute!(words), usize::from(row.name_len)))
    }

    fn fill(&self, to: &mut Row, from: &UnixRow) {
        to.reset();
        (to.table, to.family) = (Kind::of_unix(from.kind.into()), Family::Unix);
        to.state = State(from.state);
        to.inode = u32::try_from(from.ino).unwrap_or(0);
        let end = |inode: u64| End {
            port: u32::try_from(inode).unwrap_or(0),
            ..End::default()
        };
        (to.local, to.remote) = (end(from.ino), end(from.peer));
        (to.recvq, to.sendq) = (from.rqueue, from.wqueue);
        to.backlog_known = to.state == State::LISTEN;
        to.sk = from.sk;
        to.holders_known = true;
        if let Some((name, len)) = self.name(from) {
            to.unix.set_name(name.get(..len).unwrap_or(&name));
        }
    }
}

impl Table {
    /// Opens the walk over the UNIX sockets of the calling thread's namespace.
    pub fn open_unix(&self) -> Result<Rest, SocketsError> {
        Rest::open(UNIX, self.walks.unix()?.as_fd())
    }

    /// Tells that table, each socket once, whoever holds it; `None`: nothing was told, as the walk could not tell all.
    pub fn unix(
        &mut self,
        Rest(mut file): Rest,
        row: &mut Row,
        visit: &mut dyn FnMut(&mut Row) -> Flow,
    ) -> Result<Option<Flow>, SocketsError> {
        let Some(local) = &mut self.local else {
            return Ok(None);
        };
        local.counts.set(0, [0; 4], 0)?;
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(_) => return Err(SocketsError::Strange { name: UNIX }),
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                // After a million sockets the kernel stops, and would go on with another chain.
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(source) => return Err(SocketsError::Read { name: UNIX, source }),
            }
        }
        let Some(told) = local.told()? else {
            return Ok(None);
        };
        for record in (0..told).filter_map(|place| local.row(place)) {
            // One that is bound while the walk goes on may be met in two chains.
            if !self.told.insert(record.sk) {
                continue;
            }
            local.fill(row, &record);
            if visit(row) == Flow::Enough {
                return Ok(Some(Flow::Enough));
            }
        }
        Ok(Some(Flow::More))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_for_more_than_there_are_now() {
        let room = Room::of(15_000).unwrap();
        assert!(room.rows > 16_000 && room.names > 9_000, "{room:?}");
        assert!(Room::of(0).unwrap().rows > 100);
        assert_eq!(Room::of(1 << 20), None);
        assert_eq!(Room::of(u64::MAX), None);
    }
}
