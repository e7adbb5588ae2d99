//! Largest first: rows by a key, all of them or the top ones.

use super::shelf::Shelf;
use crate::{
    socket::{Row, TcpInfo},
    views::sockets::Change,
};
use std::{cmp::Reverse, collections::BinaryHeap, io};

/// What decides the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Key {
    Rtt,
    Retrans,
    Recvq,
    Sendq,
    #[default]
    Bytes,
    /// Bytes a second, with --watch
    Rate,
}

impl Key {
    pub fn of(self, row: &Row, change: Option<&Change>) -> u64 {
        let info = |value: fn(&TcpInfo) -> u64| row.tcp.as_ref().map_or(0, value);
        match self {
            Self::Rtt => info(|tcp| tcp.rtt_us.into()),
            Self::Retrans => info(|tcp| tcp.total_retrans.into()),
            Self::Recvq => row.recvq.into(),
            Self::Sendq => row.sendq.into(),
            Self::Bytes => info(|tcp| tcp.bytes_sent.saturating_add(tcp.bytes_received)),
            Self::Rate => change.map_or(0, |change| {
                let both = change.tx_rate.unwrap_or(0.0) + change.rx_rate.unwrap_or(0.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "rates are not below 0, and saturate"
                )]
                {
                    both as u64
                }
            }),
        }
    }
}

/// A line that waits for its place: of equals the first told stands first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    key: u64,
    told: Reverse<u64>,
    at: u64,
    /// Bytes of the line, and how many cells it has.
    length: u32,
    cells: u32,
}

/// A line and where its cells end.
#[derive(Default)]
pub struct Ranked {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
}

/// Lines in order; with a limit, that many of the top ones.
#[derive(Default)]
pub struct Ranking {
    limit: Option<usize>,
    told: u64,
    heap: BinaryHeap<Reverse<Place>>,
    shelf: Shelf,
    scratch: Vec<u8>,
}

impl Ranking {
    pub fn new(limit: Option<usize>) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Whether a line of this key would stand among the top ones; it need not be written else.
    pub fn wants(&self, key: u64) -> bool {
        match (self.limit, self.heap.peek()) {
            (Some(0), _) => false,
            (Some(limit), Some(Reverse(last))) if self.heap.len() >= limit => key > last.key,
            _ => true,
        }
    }

    pub fn add(&mut self, key: u64, bytes: &[u8], ends: &[usize]) -> io::Result<()> {
        self.told += 1;
        self.scratch.clear();
        for end in ends {
            let end = u32::try_from(*end).unwrap_or(u32::MAX);
            self.scratch.extend_from_slice(&end.to_ne_bytes());
        }
        self.scratch.extend_from_slice(bytes);
        let place = Place {
            key,
            told: Reverse(self.told),
            at: self.shelf.put(&self.scratch)?,
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            cells: u32::try_from(ends.len()).unwrap_or(u32::MAX),
        };
        self.heap.push(Reverse(place));
        if self.limit.is_some_and(|limit| self.heap.len() > limit) {
            self.heap.pop();
        }
        Ok(())
    }

    /// Takes all out, largest first.
    pub fn take(&mut self) -> impl Iterator<Item = io::Result<Ranked>> + use<> {
        let lines = std::mem::take(&mut self.shelf);
        let places = std::mem::take(&mut self.heap).into_sorted_vec();
        self.told = 0;
        places
            .into_iter()
            .map(move |Reverse(place)| read(&lines, place))
    }
}

fn read(shelf: &Shelf, place: Place) -> io::Result<Ranked> {
    let cells = place.cells as usize * size_of::<u32>();
    let mut ends = vec![0; cells + place.length as usize];
    shelf.get(place.at, &mut ends)?;
    let bytes = ends.split_off(cells);
    let ends = ends.as_chunks().0.iter();
    Ok(Ranked {
        bytes,
        ends: ends.map(|end| u32::from_ne_bytes(*end) as usize).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_stand_first_and_equals_as_told() {
        let mut ranking = Ranking::new(Some(3));
        for (key, text) in [(5, "a"), (9, "b"), (5, "c"), (1, "d"), (5, "e")] {
            if ranking.wants(key) {
                ranking.add(key, text.as_bytes(), &[1, 7]).unwrap();
            }
        }
        let lines: Vec<Ranked> = ranking.take().map(Result::unwrap).collect();
        let order: Vec<u8> = lines.iter().map(|line| line.bytes[0]).collect();
        assert_eq!(order, b"bac");
        assert!(lines.iter().all(|line| line.ends == [1, 7]));
        assert!(!Ranking::new(Some(0)).wants(9));
    }
}
