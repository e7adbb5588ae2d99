//! Largest first: rows by a key, all of them or the top ones.

use crate::{
    socket::{Row, TcpInfo},
    views::sockets::Change,
};
use std::{cmp::Reverse, collections::BinaryHeap};

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
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Ranked {
    key: u64,
    told: Reverse<u64>,
    pub bytes: Box<[u8]>,
    pub ends: Box<[usize]>,
}

/// Lines in order; with a limit no more than that many are kept.
#[derive(Default)]
pub struct Ranking {
    limit: Option<usize>,
    told: u64,
    heap: BinaryHeap<Reverse<Ranked>>,
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

    pub fn add(&mut self, key: u64, bytes: &[u8], ends: &[usize]) {
        self.told += 1;
        self.heap.push(Reverse(Ranked {
            key,
            told: Reverse(self.told),
            bytes: bytes.into(),
            ends: ends.into(),
        }));
        if self.limit.is_some_and(|limit| self.heap.len() > limit) {
            self.heap.pop();
        }
    }

    /// Takes all out, largest first.
    pub fn take(&mut self) -> Vec<Ranked> {
        let heap = std::mem::take(&mut self.heap);
        self.told = 0;
        heap.into_sorted_vec()
            .into_iter()
            .map(|Reverse(ranked)| ranked)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_stand_first_and_equals_as_told() {
        let mut ranking = Ranking::new(Some(3));
        for (key, text) in [(5, "a"), (9, "b"), (5, "c"), (1, "d"), (5, "e")] {
            if ranking.wants(key) {
                ranking.add(key, text.as_bytes(), &[]);
            }
        }
        let order: Vec<u8> = ranking.take().iter().map(|line| line.bytes[0]).collect();
        assert_eq!(order, b"bac");
        assert!(!Ranking::new(Some(0)).wants(9));
    }
}
