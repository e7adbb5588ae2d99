//! Which connections were told: the kernel side's table of prints as memory of ours, and what had no room in it.

use crate::{
    bpf::words::Words,
    socket::{End, Row},
};
use aya::maps::MapData;
use netobs_ebpf::sockets::record::{self, SocketsWanted};
use std::{
    collections::HashSet,
    hash::{BuildHasher as _, BuildHasherDefault, Hasher},
    io,
    net::IpAddr,
    os::fd::AsFd as _,
};

/// Bounds of the table, in slots of 8 bytes.
const SLOTS: std::ops::RangeInclusive<u32> = 1 << 12..=1 << 22;

/// Prints of all connections that a walk over files told.
pub struct Told {
    seed: u32,
    slots: u32,
    marks: Words,
    /// Those whose slot another one had.
    unmarked: HashSet<u64, BuildHasherDefault<Mix>>,
}

impl Told {
    pub fn new(map: &MapData, wanted: &SocketsWanted) -> io::Result<Self> {
        Ok(Self {
            seed: wanted.seed,
            slots: wanted.slots,
            marks: Words::new(map.fd().as_fd(), wanted.slots as usize)?,
            unmarked: HashSet::default(),
        })
    }

    /// Remembers what the kernel side could not; false: it was there already.
    pub fn insert(&mut self, print: u64) -> bool {
        self.unmarked.insert(print)
    }

    /// Whether it is one of those.
    pub fn contains(&self, print: u64) -> bool {
        self.unmarked.contains(&print)
    }

    /// Whether the connection was told, as itself or as what it was before TIME-WAIT.
    pub fn has(&self, row: &Row) -> bool {
        let port = |end: &End| u16::try_from(end.port).unwrap_or(0);
        let [a, b] = words(row.local.ip);
        let [c, d] = words(row.remote.ip);
        let ports = record::ports(port(&row.local), port(&row.remote), row.ifindex);
        let print = record::print(self.seed, [a, b, c, d, ports]);
        let slot = record::slot(print, self.slots);
        self.marks.get(slot as usize) == Some(print) || self.contains(print)
    }
}

/// An address as it lies in the kernel's memory.
fn words(ip: IpAddr) -> [u64; 2] {
    match ip {
        IpAddr::V4(v4) => [u32::from_ne_bytes(v4.octets()).into(), 0],
        IpAddr::V6(v6) => zerocopy::transmute!(v6.octets()),
    }
}

/// What prints of this run begin with.
pub fn seed() -> u32 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    u32::try_from(random & 0xffff_ffff).unwrap_or(0)
}

/// Room for twice the files now open: the fewer bytes, the fewer misses of the cache.
pub fn slots() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/fs/file-nr").unwrap_or_default();
    let open = text.split_whitespace().next().and_then(|n| n.parse().ok());
    let open: u32 = open.unwrap_or(0);
    open.saturating_mul(2)
        .clamp(*SLOTS.start(), *SLOTS.end())
        .next_power_of_two()
}

/// Prints are hashes already.
#[derive(Default)]
pub struct Mix(u64);

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
