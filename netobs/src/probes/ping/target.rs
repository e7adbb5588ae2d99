//! What one host has answered.

use crate::probes::{
    net::{Answer, What},
    stats::{Beside, Rtts},
};
use std::net::IpAddr;

/// How an answer fits what was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    InTime,
    /// A later probe was answered before.
    Reordered,
    Duplicate,
    /// A router or the host says that the probe did not get through.
    Error,
    /// It reached this host, which dropped it.
    Dropped,
}

/// Counts of one host.
#[derive(Clone, Debug)]
pub struct Target {
    pub addr: IpAddr,
    pub sent: u64,
    pub received: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub errors: u64,
    /// Of SYNs: answered by RST.
    pub refused: u64,
    /// Answers that reached this host, which dropped them.
    pub dropped: u64,
    pub rtts: Rtts,
    pub beside: Beside,
    /// One past the latest probe that was answered.
    highest: u64,
    /// The last error, for the summary.
    pub last_error: Option<Answer>,
}

impl Target {
    /// Answers of whatever kind.
    pub const fn heard(&self) -> u64 {
        self.received + self.errors + self.dropped
    }

    pub fn new(addr: IpAddr) -> Self {
        Self {
            addr,
            sent: 0,
            received: 0,
            duplicates: 0,
            reordered: 0,
            errors: 0,
            refused: 0,
            dropped: 0,
            rtts: Rtts::default(),
            beside: Beside::default(),
            highest: 0,
            last_error: None,
        }
    }

    pub fn answer(&mut self, answer: &Answer, n: u64, rtt_ns: u64, first: bool) -> Answered {
        match answer.what {
            What::EchoReply | What::SynAck | What::Rst | What::Datagram => {}
            What::TimeExceeded | What::Error { .. } | What::TooBig { .. } => {
                if first {
                    self.errors += 1;
                }
                self.last_error = Some(answer.clone());
                return Answered::Error;
            }
        }
        if !first {
            self.duplicates += 1;
            return Answered::Duplicate;
        }
        self.received += 1;
        self.refused += u64::from(answer.what == What::Rst);
        self.rtts.add(rtt_ns);
        self.beside.add(answer.stamped);
        if n + 1 < self.highest {
            self.reordered += 1;
            return Answered::Reordered;
        }
        self.highest = n + 1;
        Answered::InTime
    }

    /// Share of probes without an answer, percent.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn loss_pct(&self) -> f64 {
        if self.sent == 0 {
            return 0.0;
        }
        self.sent.saturating_sub(self.received) as f64 * 100.0 / self.sent as f64
    }
}
