//! Both walks as one table: a socket with one holder passes through, others wait until all their holders are known.

use super::{
    counts::Counts,
    decode::{self, Record},
    fill,
    load::{self, Programs, SocketsError},
};
use crate::{
    bpf::sys,
    clock,
    socket::{Flow, Holder, Row, State, States},
};
use netobs_ebpf::sockets::record::{
    RECORD_AGAIN, RECORD_REQUESTS, RECORD_SOLE, RECORD_UNMARKED, SocketsWanted, TcpRecord,
};
use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    fs::File,
    hash::{BuildHasherDefault, Hasher},
    io::{self, Read as _},
    os::fd::AsFd as _,
};

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
    /// Only of this network namespace.
    pub netns: Option<u32>,
}

/// A descriptor of a socket that is told elsewhere, by inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub inode: u64,
    pub netns: u32,
    pub holder: Holder,
}

/// An open walk over the TCP table of one namespace.
pub struct Rest(File);

/// Loaded iterators, and what has to be remembered of their answers.
pub struct Table {
    programs: Programs,
    /// Nanoseconds of a jiffy, if details were asked for.
    details: Option<u32>,
    /// Told, and not remembered by the kernel side.
    unmarked: HashSet<u64, BuildHasherDefault<Mix>>,
    /// Sockets that several descriptors hold, by address the place in `waiting`.
    places: HashMap<u64, usize>,
    waiting: Vec<TcpRecord>,
    /// Their holders, with that place.
    holders: Vec<(usize, Holder)>,
    told: HashMap<u32, Told>,
    /// Of the namespace met last.
    last: (u32, Told),
    buffer: Vec<u8>,
}

/// What the walk over files met in a namespace.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    sockets: u64,
    /// A listener with connections that nobody accepted yet.
    pending: bool,
}

/// Names of the two iterators.
const HELD: &str = "task_file";
const REST: &str = "tcp";
/// The kernel hands out 32 KiB at most.
const BUFFER: usize = 1 << 16;
/// Bounds of the map of what was told, in slots of 8 bytes.
const SLOTS: std::ops::RangeInclusive<u32> = 1 << 12..=1 << 22;

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
            slots: if question.tcp { slots() } else { 1 },
            details: question.details.into(),
        };
        Ok(Self {
            programs: load::load(wanted)?,
            details: question.details.then(clock::tick_ns),
            unmarked: HashSet::default(),
            places: HashMap::new(),
            waiting: Vec::new(),
            holders: Vec::new(),
            told: HashMap::new(),
            last: (0, Told::default()),
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
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut file = sys::iterate(self.programs.held.as_fd())
            .map_err(|source| SocketsError::Read { name: HELD, source })?;
        let mut take = |record| match record {
            Record::Holder(record) => {
                hold(fill::held(&record));
                Flow::More
            }
            Record::Tcp(record) => self.take(&record, row, visit),
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

    /// Whether the walk over files told every TCP socket of a namespace that lived through it, by what the kernel counted
    /// before and after. No new ones, as many as there were, nothing that waits: then they are the same.
    pub fn is_complete(&self, netns: u32, before: &Counts, after: &Counts) -> bool {
        let told = if self.last.0 == netns {
            self.last.1
        } else {
            self.told.get(&netns).copied().unwrap_or_default()
        };
        before == after && before.waiting == 0 && before.in_use == told.sockets && !told.pending
    }

    /// Opens the walk over the TCP table of the calling thread's namespace.
    pub fn open_rest(&mut self) -> Result<Rest, SocketsError> {
        self.programs.go_on(false)?;
        let file = sys::iterate(self.programs.rest()?);
        file.map(Rest)
            .map_err(|source| SocketsError::Read { name: REST, source })
    }

    /// Tells what no descriptor told: listeners first, then connections if `goes_on` says so.
    pub fn rest(
        &mut self,
        rest: Rest,
        row: &mut Row,
        visit: &mut dyn FnMut(&mut Row) -> Flow,
        goes_on: &mut dyn FnMut(&Self) -> bool,
    ) -> Result<Flow, SocketsError> {
        let Rest(mut file) = rest;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut take = |table: &mut Self, record: Record| match record {
            // Before 5.15 the walk finds its place again by counting: while connections come and go it meets some twice.
            Record::Tcp(record) if table.unmarked.insert(record.print) => {
                table.count(&record, 1);
                fill::tcp(row, &record, table.details);
                visit(row)
            }
            Record::Tcp(_) | Record::Holder(_) => Flow::More,
        };
        let mut end = read(REST, &mut file, &mut buffer, &mut |record| {
            take(self, record)
        })?;
        if end == End::Paused && goes_on(self) {
            self.programs.go_on(true)?;
            while end == End::Paused {
                end = read(REST, &mut file, &mut buffer, &mut |record| {
                    take(self, record)
                })?;
            }
        }
        self.buffer = buffer;
        Ok(end.flow())
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
                self.holders.push((*place, fill::holder(&record.holder)));
                return Flow::More;
            }
            // Passed through with one holder, and was inherited or handed on since.
            if has(RECORD_AGAIN) || self.unmarked.contains(&record.print) {
                return Flow::More;
            }
            if has(RECORD_UNMARKED) {
                self.unmarked.insert(record.print);
            }
        }
        self.count(record, 1);
        if has(RECORD_SOLE) {
            fill::tcp(row, record, self.details);
            row.holders.push(fill::holder(&record.holder));
            return visit(row);
        }
        let place = self.waiting.len();
        self.places.insert(record.holder.sk, place);
        self.waiting.push(*record);
        self.holders.push((place, fill::holder(&record.holder)));
        Flow::More
    }

    /// Counts the socket as so many; whose connections wait in a listener is seen at each sight of it.
    fn count(&mut self, record: &TcpRecord, sockets: u64) {
        let netns = record.holder.netns;
        if self.last.0 != netns {
            self.told.insert(self.last.0, self.last.1);
            let known = self.told.get(&netns).copied();
            self.last = (netns, known.unwrap_or_default());
        }
        let told = &mut self.last.1;
        told.sockets += sockets;
        told.pending |= record.state == State::LISTEN.0
            && (record.rqueue > 0 || record.flags & RECORD_REQUESTS != 0);
    }

    /// All holders are known.
    fn release(&mut self, row: &mut Row, visit: &mut dyn FnMut(&mut Row) -> Flow) -> Flow {
        self.places = HashMap::new();
        let mut holders = std::mem::take(&mut self.holders);
        // As ss prints them: what was found last stands first.
        holders.sort_by_key(|(place, holder)| (*place, Reverse((holder.pid, holder.fd))));
        // Threads that share files after their leader ended are told one by one.
        holders.dedup_by_key(|(place, holder)| (*place, holder.pid, holder.fd));
        let mut holders = holders.into_iter().peekable();
        for (place, record) in std::mem::take(&mut self.waiting).iter().enumerate() {
            fill::tcp(row, record, self.details);
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

/// Prints are hashes already.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, print: u64) {
        self.0 = print.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// Room for twice the files now open: the fewer bytes, the fewer misses of the cache.
fn slots() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/fs/file-nr").unwrap_or_default();
    let open = text.split_whitespace().next().and_then(|n| n.parse().ok());
    let open: u32 = open.unwrap_or(0);
    open.saturating_mul(2)
        .clamp(*SLOTS.start(), *SLOTS.end())
        .next_power_of_two()
}

/// Where reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All was told.
    All,
    /// The reader has enough.
    Enough,
    /// The program wants to be read again, or the kernel passed a million files without a socket among them.
    Paused,
}

impl End {
    fn flow(self) -> Flow {
        match self {
            Self::Enough => Flow::Enough,
            Self::All | Self::Paused => Flow::More,
        }
    }
}

/// Reads a walk to its end or to the next pause.
fn read(
    name: &'static str,
    file: &mut File,
    buffer: &mut [u8],
    take: &mut dyn FnMut(Record) -> Flow,
) -> Result<End, SocketsError> {
    let mut kept = 0;
    loop {
        let len = match file.read(&mut buffer[kept..]) {
            Ok(0) if kept == 0 => return Ok(End::All),
            Ok(0) => return Err(SocketsError::Strange { name }),
            Ok(len) => kept + len,
            Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) if kept == 0 && source.kind() == io::ErrorKind::WouldBlock => {
                return Ok(End::Paused);
            }
            Err(source) => return Err(SocketsError::Read { name, source }),
        };
        let mut bytes = &buffer[..len];
        loop {
            match decode::next(&mut bytes) {
                Ok(Some(record)) => {
                    if take(record) == Flow::Enough {
                        return Ok(End::Enough);
                    }
                }
                Ok(None) => break,
                Err(decode::Strange) => return Err(SocketsError::Strange { name }),
            }
        }
        kept = bytes.len();
        buffer.copy_within(len - kept..len, 0);
    }
}
