//! Both walks as one table: a socket with one holder passes through, others wait until all their holders are known.

use super::{
    counts::Counts,
    decode::Record,
    fill,
    load::{self, SocketsError, Walks},
    local::{Local, Room},
    threads::Threads,
    told::{self, Mix, Told},
    walk::{BUFFER, End, read},
};
use crate::{
    bpf::sys,
    clock,
    socket::{Flow, Holder, Row, State, States},
};
use netobs_ebpf::sockets::record::{
    HolderRecord, RECORD_AGAIN, RECORD_REQUESTS, RECORD_SOLE, RECORD_UNMARKED, SocketsWanted,
    TcpRecord,
};
use std::{cmp::Reverse, collections::HashMap, hash::BuildHasherDefault, os::fd::AsFd as _};

/// What is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// TCP sockets are told as rows.
    pub tcp: bool,
    /// User, inode, cookie, mark, cgroup, shutdown, timer of these rows: a third of the time.
    pub details: bool,
    /// `HOLD_*`: of these sockets only the holders are told; of TCP only those in `states`.
    pub holders: u32,
    pub states: States,
    /// Only of this network namespace; rows are always of one.
    pub netns: Option<u32>,
    /// Threads with descriptors of their own are told apart.
    pub threads: bool,
    /// UNIX sockets are told as rows, of a namespace that has so many sockets in all.
    pub unix: Option<u64>,
}

/// A descriptor of a socket that is told elsewhere, by inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub inode: u64,
    pub holder: Holder,
}

/// Loaded iterators, and what has to be remembered of their answers.
pub struct Table {
    pub(super) walks: Walks,
    /// Where UNIX sockets are told, if they were asked for.
    pub(super) local: Option<Local>,
    /// Nanoseconds of a jiffy, if details were asked for.
    pub(super) tick_ns: Option<u32>,
    /// If they were asked for.
    threads: Option<Threads>,
    pub(super) told: Told,
    /// Sockets that several descriptors hold, by address the place in `waiting`.
    places: HashMap<u64, usize, BuildHasherDefault<Mix>>,
    waiting: Vec<TcpRecord>,
    /// Their holders, with that place.
    holders: Vec<(usize, Holder)>,
    /// Sockets told.
    sockets: u64,
    /// A listener with connections that nobody accepted yet was met.
    pending: bool,
    pub(super) buffer: Vec<u8>,
}

/// What the walk over files did not tell of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Nothing,
    /// Nothing but entries in TIME-WAIT.
    Waiting,
    /// Nobody knows.
    Anything,
}

/// Names of the two iterators.
const HELD: &str = "task_file";
const THREADS: &str = "task";

impl Table {
    pub fn load(question: &Question) -> Result<Self, SocketsError> {
        let wanted = SocketsWanted {
            tcp_rows: question.tcp.into(),
            // All of them, else what is missing could not be told from what is not wanted.
            states: if question.tcp {
                u32::MAX
            } else {
                question.states.0
            },
            holders: question.holders,
            netns: question.netns.unwrap_or(0),
            from_file: 0,
            slots: if question.tcp { told::slots() } else { 1 },
            seed: told::seed(),
            details: question.details.into(),
        };
        let room = question.unix.and_then(Room::of);
        let mut walks = load::load(wanted, room.unwrap_or(Room::NONE))?;
        let local = room.map(|room| Local::new(&mut walks, room));
        Ok(Self {
            told: Told::new(&walks.told, &wanted).map_err(SocketsError::Marks)?,
            local: local.transpose()?,
            walks,
            tick_ns: question.details.then(clock::tick_ns),
            threads: question.threads.then(Threads::default),
            places: HashMap::default(),
            waiting: Vec::new(),
            holders: Vec::new(),
            sockets: 0,
            pending: false,
            buffer: vec![0; BUFFER],
        })
    }

    /// Walks all open files: TCP sockets in any state go to `visit`, each once; holders of others to `hold`.
    pub fn held(
        &mut self,
        row: &mut Row,
        visit: &mut dyn FnMut(&mut Row) -> Flow,
        hold: &mut dyn FnMut(Held),
    ) -> Result<Flow, SocketsError> {
        let Some(program) = self.walks.held() else {
            return Ok(Flow::More);
        };
        let mut file =
            sys::iterate(program).map_err(|source| SocketsError::Read { name: HELD, source })?;
        self.find_threads()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut take = |record| match record {
            Record::Tcp(record) => self.take(&record, row, visit),
            Record::Holder(record) => {
                for holder in self.holders_of(&record) {
                    let inode = record.ino;
                    hold(Held { inode, holder });
                }
                Flow::More
            }
            Record::Udp(_) | Record::Thread(_) => Flow::More,
        };
        let mut end = End::Paused;
        while end == End::Paused {
            end = read(HELD, &mut file, &mut buffer, &mut take)?;
        }
        self.buffer = buffer;
        if end == End::Enough {
            return Ok(Flow::Enough);
        }
        Ok(self.release(row, visit))
    }

    /// Threads are walked before files, if they are told apart.
    fn find_threads(&mut self) -> Result<(), SocketsError> {
        let Some(threads) = &mut self.threads else {
            return Ok(());
        };
        let error = |source| SocketsError::Read {
            name: THREADS,
            source,
        };
        let program = self.walks.threads()?;
        let mut file = sys::iterate(program.as_fd()).map_err(error)?;
        let mut take = |record| {
            if let Record::Thread(record) = record {
                threads.add(&record);
            }
            Flow::More
        };
        while read(THREADS, &mut file, &mut self.buffer, &mut take)? == End::Paused {}
        threads.finish();
        Ok(())
    }

    fn holders_of(&self, record: &HolderRecord) -> impl DoubleEndedIterator<Item = Holder> + '_ {
        let holder = fill::holder(record, self.threads.is_some());
        let threads = self.threads.as_ref().map(|threads| threads.with(holder));
        let alone = threads.is_none().then_some(holder);
        alone.into_iter().chain(threads.into_iter().flatten())
    }

    /// What the walk over files did not tell of what lived through it, by what the kernel counted before and after. No new
    /// connections, as many sockets as there were, no requests: then they are the same, and all were told or not.
    pub fn missing(&self, before: &Counts, after: &Counts) -> Missing {
        let same = (before.in_use, before.opened) == (after.in_use, after.opened);
        if !same || before.in_use != self.sockets || self.pending {
            return Missing::Anything;
        }
        if before.waiting + after.waiting == 0 {
            Missing::Nothing
        } else {
            Missing::Waiting
        }
    }

    /// Whether a connection was told, as itself or as what it was before TIME-WAIT.
    pub fn has_told(&self, row: &Row) -> bool {
        self.told.has(row)
    }

    fn take(
        &mut self,
        record: &TcpRecord,
        row: &mut Row,
        visit: &mut dyn FnMut(&mut Row) -> Flow,
    ) -> Flow {
        let has = |flag| record.flags & flag != 0;
        self.count(record, 0);
        if !has(RECORD_SOLE) || has(RECORD_AGAIN | RECORD_UNMARKED) {
            if let Some(place) = self.places.get(&record.holder.sk) {
                self.keep_holders(*place, &record.holder);
                return Flow::More;
            }
            // Passed through with one holder, and was inherited or handed on since.
            if has(RECORD_AGAIN) || self.told.contains(record.print) {
                return Flow::More;
            }
            if has(RECORD_UNMARKED) {
                self.told.insert(record.print);
            }
        }
        self.count(record, 1);
        if has(RECORD_SOLE) {
            fill::tcp(row, record, self.tick_ns);
            // As ss prints them: what was found last stands first.
            row.holders.extend(self.holders_of(&record.holder).rev());
            return visit(row);
        }
        let place = self.waiting.len();
        self.places.insert(record.holder.sk, place);
        self.waiting.push(*record);
        self.keep_holders(place, &record.holder);
        Flow::More
    }

    fn keep_holders(&mut self, place: usize, record: &HolderRecord) {
        let mut holders = std::mem::take(&mut self.holders);
        holders.extend(self.holders_of(record).map(|holder| (place, holder)));
        self.holders = holders;
    }

    /// Counts the socket as so many; whose connections wait in a listener is seen at each sight of it.
    pub(super) fn count(&mut self, record: &TcpRecord, sockets: u64) {
        self.sockets += sockets;
        self.pending |= record.state == State::LISTEN.0
            && (record.rqueue > 0 || record.flags & RECORD_REQUESTS != 0);
    }

    /// All holders are known.
    fn release(&mut self, row: &mut Row, visit: &mut dyn FnMut(&mut Row) -> Flow) -> Flow {
        self.places = HashMap::default();
        let mut holders = std::mem::take(&mut self.holders);
        // As ss prints them: what was found last stands first.
        holders
            .sort_by_key(|(place, holder)| (*place, Reverse((holder.pid, holder.tid, holder.fd))));
        // Threads that share files after their leader ended are told one by one.
        holders.dedup_by_key(|(place, holder)| (*place, holder.tid, holder.fd));
        let mut holders = holders.into_iter().peekable();
        for (place, record) in std::mem::take(&mut self.waiting).iter().enumerate() {
            fill::tcp(row, record, self.tick_ns);
            while let Some((_, holder)) = holders.next_if(|(of, _)| *of == place) {
                row.holders.push(holder);
            }
            if visit(row) == Flow::Enough {
                return Flow::Enough;
            }
        }
        Flow::More
    }
}
