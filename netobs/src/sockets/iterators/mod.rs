//! The source with eBPF: TCP sockets with their processes from one walk over all open files, other tables as without, with
//! the holders that the same walk met.

mod choice;
mod listed;

pub use choice::is_worth;

use super::{Kernel, Path, Source, SourceError, Told, processes::Processes};
use crate::{
    bpf::{
        sockets::{
            Counts, HOLD_INET, HOLD_OTHER, HOLD_TCP, HOLD_UNIX, Missing, Question, SocketsError,
            Table as Iterated, sockets,
        },
        support,
    },
    netns::{Netns, NetnsError},
    socket::{Flow, Row, State, States, Table, Tables, Want},
};
use std::sync::Arc;

/// States of entries that wait: until the peer's FIN comes they are in FIN-WAIT-2.
const WAITING: States = States(1 << State::TIME_WAIT.0 | 1 << State::FIN_WAIT2.0);

/// Sockets of one network namespace.
pub struct Iterators {
    table: Iterated,
    /// TCP rows come from iterators; else only holders do.
    rows: bool,
    /// Rows of UDP and UNIX sockets too.
    listed: bool,
    kernel: Kernel,
    netns: Option<Arc<Netns>>,
    inode: u32,
}

impl Iterators {
    /// Loads the programs; `listed`: UDP and UNIX sockets are told by iterators of their own too.
    pub fn open(netns: Option<Arc<Netns>>, want: &Want, listed: bool) -> Result<Self, SourceError> {
        let inode = match &netns {
            Some(netns) => netns.inode(),
            None => Netns::own()?.inode(),
        };
        let rows = choice::tells_rows(want);
        let question = Question {
            tcp: rows,
            details: want.identity,
            holders: if want.holders { choice::held(want) } else { 0 },
            states: want.states,
            netns: Some(inode),
            threads: want.threads,
            unix: if listed && choice::tells_unix(want) {
                Self::inside(netns.as_deref(), sockets)?
            } else {
                None
            },
        };
        Ok(Self {
            table: load(&question)?,
            rows,
            listed,
            kernel: Kernel::open(netns.clone(), true)?,
            netns,
            inode,
        })
    }

    fn inside<T: Send>(
        netns: Option<&Netns>,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, NetnsError> {
        match netns {
            Some(netns) => netns.run(work),
            None => Ok(work()),
        }
    }

    /// Tells TCP rows, and collects the holders of all others.
    fn iterate(
        &mut self,
        want: &Want,
        processes: &mut Processes,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, SourceError> {
        let netns = self.netns.as_deref();
        let mut row = Row {
            netns: self.inode,
            ..Row::default()
        };
        let mut wanted = |row: &mut Row| {
            if want.state(row.state) && want.family(row.family) {
                visit(row)
            } else {
                Flow::More
            }
        };
        let before = Self::inside(netns, Counts::read)?;
        let flow = self.table.held(&mut row, &mut wanted, &mut |held| {
            processes.add(held.inode, &held.holder);
        })?;
        processes.finish();
        if flow == Flow::Enough || !self.rows {
            return Ok(flow);
        }
        let after = Self::inside(netns, Counts::read)?;
        let missing = |table: &Iterated| {
            let counts = before.as_ref().zip(after.as_ref());
            counts.map_or(Missing::Anything, |(before, after)| {
                table.missing(before, after)
            })
        };
        match missing(&self.table) {
            Missing::Nothing => return Ok(flow),
            Missing::Waiting => return self.waiting(want, visit),
            Missing::Anything => {}
        }
        let table = &mut self.table;
        let rest = Self::inside(netns, || table.open_rest())??;
        let mut with_holders = |row: &mut Row| {
            // Subflows of MPTCP have the inode of the socket that a process holds.
            row.holders.extend(processes.of(row.inode));
            wanted(row)
        };
        let flow = table.rest(rest, &mut row, &mut with_holders, &mut |table| {
            missing(table) != Missing::Nothing
        })?;
        Ok(flow)
    }

    /// Tells entries in TIME-WAIT, and what entered it after the walk told it only once: `sock_diag` passes over all other
    /// sockets at a fifth of the cost of telling them.
    fn waiting(
        &mut self,
        want: &Want,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Flow, SourceError> {
        let mut waiting = want.clone();
        waiting.tables = Tables::one(Table::Tcp);
        waiting.states.0 &= WAITING.0;
        if waiting.states.0 == 0 {
            return Ok(Flow::More);
        }
        let (table, mut flow) = (&self.table, Flow::More);
        self.kernel.read(&waiting, &mut |row| {
            if row.inode == 0 && !table.has_told(row) {
                flow = visit(row);
            }
            flow
        })?;
        Ok(flow)
    }
}

impl Source for Iterators {
    fn read(
        &mut self,
        want: &Want,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Told, SourceError> {
        let mut told = Told::default();
        let mut processes = Processes::default();
        let flow = self.iterate(want, &mut processes, visit)?;
        let mut others = want.clone();
        if self.rows {
            told.paths.push((Table::Tcp, Path::Iterator));
            others.tables = others.tables.without(Table::Tcp);
        }
        if flow == Flow::Enough {
            return Ok(told);
        }
        if self.listed
            && self.tell_listed(&mut others, &processes, &mut told, visit)? == Flow::Enough
        {
            return Ok(told);
        }
        if others.tables.is_empty() {
            return Ok(told);
        }
        let mut copy = Row::default();
        let by_kernel = self.kernel.read(&others, &mut |row| {
            copy.clone_from(row);
            copy.holders.clear();
            copy.holders.extend(processes.of(row.inode));
            copy.holders_known = true;
            visit(&copy)
        })?;
        told.add(&by_kernel);
        Ok(told)
    }

    fn tells_holders(&self) -> bool {
        true
    }
}

/// Holders alone, of the sockets of all namespaces.
pub fn holders(want: &Want) -> Result<Processes, SourceError> {
    let mut table = load(&Question {
        holders: choice::held(want),
        states: want.states,
        threads: want.threads,
        ..Question::default()
    })?;
    let mut processes = Processes::default();
    table.held(&mut Row::default(), &mut |_| Flow::More, &mut |held| {
        processes.add(held.inode, &held.holder);
    })?;
    processes.finish();
    Ok(processes)
}

/// Why iterators cannot be used, if so; else whether UDP and UNIX sockets have one.
pub fn probe() -> Result<[bool; 2], SourceError> {
    let table = load(&Question {
        tcp: true,
        details: true,
        holders: HOLD_TCP | HOLD_INET | HOLD_UNIX | HOLD_OTHER,
        unix: Some(0),
        ..Question::default()
    })?;
    Ok([table.open_udp().is_ok(), table.open_unix().is_ok()])
}

fn load(question: &Question) -> Result<Iterated, SourceError> {
    support::privileges().map_err(SourceError::Unavailable)?;
    Ok(Iterated::load(question)?)
}

impl From<SocketsError> for SourceError {
    fn from(error: SocketsError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
