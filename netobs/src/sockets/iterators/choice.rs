//! What iterators tell of what is wanted, and when that is the cheaper way.

use super::Iterators;
use crate::{
    bpf::sockets::{Counts, HOLD_INET, HOLD_OTHER, HOLD_TCP, HOLD_UNIX},
    netns::Netns,
    socket::{Family, States, Table, Tables, Want},
    sockets::{ORDER, families},
};

/// Whether TCP rows with their holders, of a table so large, are cheaper from iterators.
pub fn is_worth(want: &Want, netns: Option<&Netns>, from: u64) -> bool {
    let asked = want.holders && tells_rows(want);
    asked
        && Iterators::inside(netns, Counts::read)
            .ok()
            .flatten()
            .is_some_and(|counts| counts.in_use >= from)
}

/// Whether iterators tell all that is wanted of TCP. Listeners alone are cheaper by `sock_diag`, which has a table of them,
/// and so are entries that nobody can hold.
pub fn tells_rows(want: &Want) -> bool {
    const FEW: States = States(States::LISTENING.0 | States::BUCKET.0 | 1 << 13);
    want.tables.has(Table::Tcp)
        && !(want.info || want.memory || want.tos)
        && want.states.0 & !FEW.0 != 0
        && want.states.0 & 1 << 13 == 0
}

/// Whether the iterator over UDP tells all that is wanted.
pub fn tells_udp(want: &Want) -> bool {
    want.tables.has(Table::Udp) && !(want.memory || want.tos)
}

/// Whether the iterator over UNIX sockets tells all that is wanted.
pub fn tells_unix(want: &Want) -> bool {
    const UNIX: Tables = Tables::one(Table::UnixStream)
        .with(Table::UnixDgram)
        .with(Table::UnixSeqpacket);
    let more = want.memory || want.details || want.identity;
    !more && !want.tables.only(UNIX).is_empty()
}

/// Of which sockets the holders are asked for: MPTCP always goes with TCP.
pub fn held(want: &Want) -> u32 {
    let tables = ORDER.into_iter().filter(|table| want.tables.has(*table));
    tables.fold(0, |bits, table| {
        bits | match (table, families(table)) {
            (Table::Tcp | Table::Mptcp, _) => HOLD_TCP,
            (_, [Family::Inet, ..]) => HOLD_INET,
            (_, [Family::Unix, ..]) => HOLD_UNIX,
            _ => HOLD_OTHER,
        }
    })
}
