//! States of sockets: the kernel's numbers and ss's names, and sets of them.

use super::Table;

/// A state by the kernel's number (`TCP_ESTABLISHED` is 1); every table uses TCP's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State(pub u8);

impl State {
    pub const ESTABLISHED: Self = Self(1);
    pub const SYN_SENT: Self = Self(2);
    pub const SYN_RECV: Self = Self(3);
    pub const FIN_WAIT1: Self = Self(4);
    pub const FIN_WAIT2: Self = Self(5);
    pub const TIME_WAIT: Self = Self(6);
    pub const CLOSE: Self = Self(7);
    pub const CLOSE_WAIT: Self = Self(8);
    pub const LAST_ACK: Self = Self(9);
    pub const LISTEN: Self = Self(10);
    pub const CLOSING: Self = Self(11);
    /// `TCP_NEW_SYN_RECV` of the kernel's own lists; `sock_diag` says `SYN_RECV`.
    pub const NEW_SYN_RECV: Self = Self(12);

    /// As ss prints it.
    pub const fn name(self) -> &'static str {
        match self.0 {
            1 => "ESTAB",
            2 => "SYN-SENT",
            3 | 12 => "SYN-RECV",
            4 => "FIN-WAIT-1",
            5 => "FIN-WAIT-2",
            6 => "TIME-WAIT",
            7 => "UNCONN",
            8 => "CLOSE-WAIT",
            9 => "LAST-ACK",
            10 => "LISTEN",
            11 => "CLOSING",
            13 => "BOUND-INACTIVE",
            _ => "UNKNOWN",
        }
    }

    /// Whether it is the state of an SCTP association, which counts from 0; endpoints have TCP's. 1 stands for both, as in ss:
    /// an association is in it only until the first answer.
    pub fn is_association(self, table: Table) -> bool {
        let endpoint = [Self::ESTABLISHED, Self::CLOSE, Self::LISTEN];
        table == Table::Sctp && !endpoint.contains(&self)
    }

    /// As ss prints it for a socket of `table`.
    pub fn name_in(self, table: Table) -> &'static str {
        if !self.is_association(table) {
            return self.name();
        }
        match self.0 {
            0 => "CLOSED",
            2 => "COOKIE_ECHOED",
            3 => "ESTAB",
            4 => "SHUTDOWN_PENDING",
            5 => "SHUTDOWN_SENT",
            6 => "SHUTDOWN_RECEIVED",
            _ => "UNKNOWN",
        }
    }
}

/// A set of states, one bit each at the kernel's number: what `idiag_states` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States(pub u32);

impl States {
    /// As ss has it: bits 0 to 11.
    pub const ALL: Self = Self((1 << 12) - 1);
    pub const LISTENING: Self = Self(1 << 10 | 1 << 7);
    /// What ss shows without `-a`, `-l` or a state: all but listening, closed, time-wait and syn-recv.
    pub const CONNECTED_DEFAULT: Self = Self(Self::ALL.0 & !(1 << 10 | 1 << 7 | 1 << 6 | 1 << 3));
    pub const CONNECTED: Self = Self(Self::ALL.0 & !(1 << 10 | 1 << 7));
    pub const SYNCHRONIZED: Self = Self(Self::ALL.0 & !(1 << 10 | 1 << 7 | 1 << 2));
    pub const BUCKET: Self = Self(1 << 3 | 1 << 6);
    pub const BIG: Self = Self(Self::ALL.0 & !Self::BUCKET.0);

    pub const fn has(self, state: State) -> bool {
        let bit = if state.0 == 12 { 3 } else { state.0 };
        bit < 32 && self.0 & (1 << bit) != 0
    }

    /// Names that a filter may use, each with the states it stands for.
    pub const NAMES: [(&'static str, Self); 21] = [
        ("established", Self(1 << 1)),
        ("estab", Self(1 << 1)),
        ("syn-sent", Self(1 << 2)),
        ("syn-recv", Self(1 << 3)),
        ("syn-rcv", Self(1 << 3)),
        ("fin-wait-1", Self(1 << 4)),
        ("fin-wait-2", Self(1 << 5)),
        ("time-wait", Self(1 << 6)),
        ("unconnected", Self(1 << 7)),
        ("unconn", Self(1 << 7)),
        ("closed", Self(1 << 7)),
        ("close", Self(1 << 7)),
        ("close-wait", Self(1 << 8)),
        ("last-ack", Self(1 << 9)),
        ("listening", Self(1 << 10)),
        ("listen", Self(1 << 10)),
        ("closing", Self(1 << 11)),
        ("all", Self::ALL),
        ("connected", Self::CONNECTED),
        ("synchronized", Self::SYNCHRONIZED),
        ("bucket", Self::BUCKET),
    ];

    /// The states a word of the command line stands for.
    pub fn named(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("big") {
            return Some(Self::BIG);
        }
        let mut names = Self::NAMES.iter();
        names
            .find(|(name, _)| name.eq_ignore_ascii_case(word))
            .map(|(_, states)| *states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_those_of_ss() {
        assert!(!States::CONNECTED_DEFAULT.has(State::SYN_RECV));
        assert!(States::CONNECTED.has(State::TIME_WAIT));
        assert!(!States::SYNCHRONIZED.has(State::SYN_SENT));
        assert_eq!(States::named("BUCKET"), Some(States::BUCKET));
        assert_eq!(States::named("nonsense"), None);
        assert!(States::BUCKET.has(State::NEW_SYN_RECV));
    }
}
