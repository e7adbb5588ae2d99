//! Which tables, families and states a command line stands for: ss's rules.

use crate::socket::{Family, States, Table, Tables};

/// All families, for loops.
const FAMILIES: [Family; 8] = [
    Family::Inet,
    Family::Inet6,
    Family::Unix,
    Family::Packet,
    Family::Netlink,
    Family::Vsock,
    Family::Tipc,
    Family::Xdp,
];

const UNIX: Tables = Tables::one(Table::UnixStream)
    .with(Table::UnixDgram)
    .with(Table::UnixSeqpacket);
const PACKET: Tables = Tables::one(Table::PacketRaw).with(Table::PacketDgram);
const VSOCK: Tables = Tables::one(Table::VsockStream).with(Table::VsockDgram);
const INET: Tables = Tables::one(Table::Tcp)
    .with(Table::Mptcp)
    .with(Table::Udp)
    .with(Table::UdpLite)
    .with(Table::Dccp)
    .with(Table::Sctp)
    .with(Table::Raw)
    .with(Table::Ping);
const ALL: Tables = INET
    .and(UNIX)
    .and(PACKET)
    .and(VSOCK)
    .with(Table::Netlink)
    .with(Table::Xdp);

const ESTABLISHED: States = States(1 << 1);
const CLOSED: States = States(1 << 7);

/// Names that `-A` takes.
const QUERIES: [(&str, Tables); 29] = [
    ("all", ALL),
    ("inet", INET),
    ("udp", Tables::one(Table::Udp)),
    ("udplite", Tables::one(Table::UdpLite)),
    ("ping", Tables::one(Table::Ping)),
    ("icmp", Tables::one(Table::Ping)),
    ("dccp", Tables::one(Table::Dccp)),
    ("tcp", Tables::one(Table::Tcp)),
    ("mptcp", Tables::one(Table::Mptcp)),
    ("sctp", Tables::one(Table::Sctp)),
    ("raw", Tables::one(Table::Raw)),
    ("unix", UNIX),
    ("unix_stream", Tables::one(Table::UnixStream)),
    ("u_str", Tables::one(Table::UnixStream)),
    ("unix_dgram", Tables::one(Table::UnixDgram)),
    ("u_dgr", Tables::one(Table::UnixDgram)),
    ("unix_seqpacket", Tables::one(Table::UnixSeqpacket)),
    ("u_seq", Tables::one(Table::UnixSeqpacket)),
    ("packet", PACKET),
    ("packet_raw", Tables::one(Table::PacketRaw)),
    ("p_raw", Tables::one(Table::PacketRaw)),
    ("packet_dgram", Tables::one(Table::PacketDgram)),
    ("p_dgr", Tables::one(Table::PacketDgram)),
    ("netlink", Tables::one(Table::Netlink)),
    ("vsock", VSOCK),
    ("vsock_stream", Tables::one(Table::VsockStream)),
    ("v_str", Tables::one(Table::VsockStream)),
    ("vsock_dgram", Tables::one(Table::VsockDgram)),
    ("xdp", Tables::one(Table::Xdp)),
];

/// States that naming a table adds.
fn states_of(table: Table) -> States {
    match table {
        Table::Udp | Table::UdpLite | Table::Raw | Table::Ping => ESTABLISHED,
        Table::UnixDgram | Table::PacketRaw | Table::PacketDgram | Table::Netlink | Table::Xdp => {
            CLOSED
        }
        Table::Tipc => States(1 << 1 | 1 << 7 | 1 << 10),
        Table::Tcp
        | Table::Mptcp
        | Table::Sctp
        | Table::Dccp
        | Table::UnixStream
        | Table::UnixSeqpacket
        | Table::VsockStream
        | Table::VsockDgram => States::CONNECTED_DEFAULT,
    }
}

/// The tables of a family, and the states that naming it adds.
fn of_family(family: Family) -> (Tables, States) {
    match family {
        Family::Inet | Family::Inet6 => (INET, States::CONNECTED_DEFAULT),
        Family::Unix => (UNIX, States::CONNECTED_DEFAULT),
        Family::Packet => (PACKET, CLOSED),
        Family::Netlink => (Tables::one(Table::Netlink), CLOSED),
        Family::Vsock => (VSOCK, States::CONNECTED_DEFAULT),
        Family::Tipc => (Tables::one(Table::Tipc), states_of(Table::Tipc)),
        Family::Xdp => (Tables::one(Table::Xdp), CLOSED),
    }
}

/// A selection under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub tables: Tables,
    families: u8,
    pub states: States,
    /// What `-a`, `-l`, `state` and `exclude` say, if any does.
    asked: Option<States>,
    /// A state word was read: the next adds to it.
    saw_states: bool,
    /// A flag named a table or a family.
    named: bool,
    /// The one family that was named, if only one was.
    pub family: Option<Family>,
}

impl Selection {
    pub fn add_table(&mut self, table: Table) {
        self.states.0 |= states_of(table).0;
        self.tables = self.tables.with(table);
        self.named = true;
    }

    pub fn add_family(&mut self, family: Family) {
        self.states.0 |= of_family(family).1.0;
        let only = self.families == 0 || self.families == 1 << family as u8;
        self.families |= 1 << family as u8;
        self.family = only.then_some(family);
        self.named = true;
    }

    /// `-A tcp,udp` or `-A all,!netlink`; an error names the word.
    pub fn query(&mut self, list: &str) -> Result<(), String> {
        self.named = true;
        self.asked.get_or_insert(States::CONNECTED_DEFAULT);
        for word in list.split(',') {
            let (word, enable) = match word.strip_prefix('!') {
                Some(word) => (word, false),
                None => (word, true),
            };
            let Some((_, tables)) = QUERIES.iter().find(|(name, _)| *name == word) else {
                let known: Vec<_> = QUERIES.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "no socket table '{word}': tables are {}",
                    known.join(" ")
                ));
            };
            for table in super::ORDER.into_iter().filter(|t| tables.has(*t)) {
                if enable {
                    self.add_table(table);
                } else {
                    self.tables = self.tables.without(table);
                }
            }
        }
        Ok(())
    }

    /// `-a` or `-l`.
    pub fn ask(&mut self, states: States) {
        self.asked = Some(states);
    }

    /// `state NAME` adds to what earlier ones said; `exclude NAME` takes away.
    pub fn state(&mut self, states: States, exclude: bool) {
        let start = match (self.saw_states, exclude) {
            (false, true) => States::ALL,
            (false, false) => States::default(),
            (true, _) => self.asked.unwrap_or_default(),
        };
        self.asked = Some(if exclude {
            States(start.0 & !states.0)
        } else {
            States(start.0 | states.0)
        });
        self.saw_states = true;
    }

    /// Whether the command line names no table: `-s` alone then shows nothing else.
    pub fn is_default(&self) -> bool {
        !self.named
    }

    /// Adds what was left to the defaults.
    pub fn complete(&mut self) {
        if !self.named {
            self.asked.get_or_insert(States::CONNECTED_DEFAULT);
            self.tables = ALL;
        }
        if let Some(states) = self.asked.filter(|states| states.0 != 0 || self.saw_states) {
            self.states = states;
        }
        for table in super::ORDER {
            let own = families_of(table);
            if self.tables.has(table) && own & self.families == 0 {
                self.families |= own;
            }
        }
        for family in FAMILIES {
            let (tables, _) = of_family(family);
            if self.has(family) && tables.only(self.tables).is_empty() {
                self.tables = self.tables.and(tables);
            }
        }
    }

    pub fn has(&self, family: Family) -> bool {
        self.families & 1 << family as u8 != 0
    }

    /// Nothing but this family: a filter's address says so.
    pub fn only(&mut self, family: Family) {
        self.families = 1 << family as u8;
        self.tables = self.tables.only(of_family(family).0);
    }

    /// Tables that can have a row.
    pub fn shown(&self) -> Tables {
        let mut shown = self.tables;
        for table in super::ORDER {
            if families_of(table) & self.families == 0 {
                shown = shown.without(table);
            }
        }
        shown
    }
}

fn families_of(table: Table) -> u8 {
    let of = |family: Family| of_family(family).0.has(table);
    FAMILIES
        .iter()
        .filter(|family| of(**family))
        .fold(0, |bits, family| bits | 1 << *family as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(make: impl FnOnce(&mut Selection)) -> Selection {
        let mut selection = Selection::default();
        make(&mut selection);
        selection.complete();
        selection
    }

    #[test]
    fn flags_mean_what_they_mean_to_ss() {
        let plain = complete(|_| {});
        assert_eq!(
            (plain.tables, plain.states),
            (ALL, States::CONNECTED_DEFAULT)
        );
        let tcp = complete(|s| s.add_table(Table::Tcp));
        assert!(tcp.has(Family::Inet6) && tcp.tables.len() == 1);
        let udp = complete(|s| s.add_table(Table::Udp));
        assert_eq!(udp.states, ESTABLISHED);
        let four = complete(|s| s.add_family(Family::Inet));
        assert!(four.tables.has(Table::Udp) && !four.tables.has(Table::UnixStream));
        assert!(!four.has(Family::Inet6));
        let four_tcp = complete(|s| {
            s.add_table(Table::Tcp);
            s.add_family(Family::Inet);
        });
        assert_eq!(four_tcp.tables, Tables::one(Table::Tcp));
        let listening = complete(|s| s.ask(States::LISTENING));
        assert_eq!(listening.states, States::LISTENING);
    }

    #[test]
    fn states_add_up_and_are_taken_away() {
        let two = complete(|s| {
            s.ask(States::ALL);
            s.state(States(1 << 1), false);
            s.state(States(1 << 2), false);
        });
        assert_eq!(two.states, States(1 << 1 | 1 << 2));
        let without = complete(|s| s.state(States(1 << 1), true));
        assert_eq!(without.states, States(States::ALL.0 & !(1 << 1)));
    }

    #[test]
    fn queries() {
        let some = complete(|s| s.query("inet,!udp").unwrap());
        assert!(some.tables.has(Table::Tcp) && !some.tables.has(Table::Udp));
        assert!(
            Selection::default()
                .query("tcp,nothing")
                .unwrap_err()
                .contains("nothing")
        );
    }
}
