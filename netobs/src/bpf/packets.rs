//! Packets of a device, taken at TC: programs behind a filter that their user brings, the ring that they fill, and exact counts.

use super::{
    adapt::Kernel,
    btf::KernelTypes,
    object::{Entries, ObjectError, Programs, object_bytes},
    ring::Ring,
    support,
    sys::{self, Load, LoadError, ProgType},
    tc::{self, At, TcError},
};
use aya::maps::{MapData, PerCpuArray, RingBuf};
use netobs_ebpf::capture::record::Passed as Raw;
use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};
use zerocopy::IntoBytes as _;

pub use netobs_ebpf::capture::record::{PacketHead, TAGGED};

const RING: &str = "PACKETS";
const PASSED: &str = "PASSED";
const RUNTIME: &str = "RUNTIME";

/// Between two looks for the first packet.
const SOON: Duration = Duration::from_micros(500);

/// Why packets are not taken at TC.
#[derive(Debug, thiserror::Error)]
pub enum PacketsError {
    #[error("{0}")]
    Privilege(String),
    #[error("this kernel has no links at TC (6.6)")]
    Links,
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("load {name}: {why}")]
    Load { name: &'static str, why: LoadError },
    #[error(transparent)]
    Tc(#[from] TcError),
    #[error("use the ring of packets: {0}")]
    Map(#[from] aya::maps::MapError),
    #[error("share memory with the kernel: {0}")]
    Share(#[from] io::Error),
}

/// Instructions that decide on a packet: `-1` is returned, or what stands behind them goes on, with its context in `r1`.
pub type Filter = Vec<u8>;

/// What is to be taken. Of a way without a filter nothing is.
pub struct Wanted {
    pub device: u32,
    pub came: Option<Filter>,
    pub left: Option<Filter>,
    pub snaplen: u32,
    pub ring_bytes: u32,
    /// Only what ends with us, however we end: links, not filters of a qdisc.
    pub only_links: bool,
}

/// What passed the filters, and what of it found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub packets: u64,
    pub lost: u64,
}

/// Programs in place, or on their way; dropping it takes them away.
pub struct Packets {
    pub ring: Ring,
    passed: PerCpuArray<MapData, Counted>,
    places: Places,
    // The constants.
    _programs: Programs,
}

/// As aya wants to know it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Counted(Raw);

// SAFETY: three words without padding, for which any bits will do.
unsafe impl aya::Pod for Counted {}

impl Packets {
    pub fn open(wanted: &Wanted) -> Result<Self, PacketsError> {
        support::privileges().map_err(PacketsError::Privilege)?;
        if wanted.only_links && !support::has_tcx() {
            return Err(PacketsError::Links);
        }
        sys::unlimited_memlock();
        let types = KernelTypes::absent();
        let mut programs = Programs::few(
            object_bytes()?,
            (&types, Kernel::without_atomics(&types)),
            &[("SNAPLEN", wanted.snaplen.as_bytes())],
            &["packet_came", "packet_left"],
            &[
                (RING, Entries::Number(wanted.ring_bytes)),
                (PASSED, Entries::AsBuilt),
                (RUNTIME, Entries::AsBuilt),
            ],
        )?;
        let load = |name: &'static str, filter: &Filter| -> Result<OwnedFd, PacketsError> {
            let program = programs.instructions(name);
            let program = program.ok_or(ObjectError::Missing(name))?;
            let insns = [&filter[..], &program].concat();
            let loaded = sys::load(&Load {
                name,
                ty: ProgType::SchedCls,
                insns: &insns,
                attach_btf_id: 0,
            });
            loaded.map_err(|why| PacketsError::Load { name, why })
        };
        let came = wanted
            .came
            .as_ref()
            .map(|filter| load("packet_came", filter));
        let left = wanted
            .left
            .as_ref()
            .map(|filter| load("packet_left", filter));
        let came = came.transpose()?.map(|program| (At::Ingress, program));
        let left = left.transpose()?.map(|program| (At::Egress, program));
        let places = Places::fill(wanted, left.into_iter().chain(came).collect());
        let ring = RingBuf::try_from(aya::maps::Map::from_map_data(programs.take_map(RING)?)?)?;
        let passed = aya::maps::Map::from_map_data(programs.take_map(PASSED)?)?;
        let ring = Ring::new(ring, programs.take_map(RUNTIME)?)?;
        programs.forget_code();
        Ok(Self {
            ring,
            passed: PerCpuArray::try_from(passed)?,
            places,
            _programs: programs,
        })
    }

    /// Waits until the first program is in its place: the kernel says so, or a packet does, which is sooner.
    pub fn begin(&mut self) -> Result<(), PacketsError> {
        while self.places.attached.is_empty() && !self.ring.waits() {
            self.places.next(SOON)?;
        }
        Ok(())
    }

    /// Whether all programs are in their places.
    pub fn are_whole(&mut self) -> Result<bool, PacketsError> {
        self.places.look()
    }

    /// `tcx` or `clsact`.
    pub fn way(&self) -> &'static str {
        match self.places.way {
            Some(tc::Way::Clsact) => "clsact",
            _ => "tcx",
        }
    }

    pub fn passed(&self) -> Passed {
        let Ok(of_cpus) = self.passed.get(&0, 0) else {
            return Passed::default();
        };
        let mut sum = Passed::default();
        for Counted(one) in of_cpus.iter() {
            sum.packets += one.packets;
            sum.lost += one.lost;
        }
        sum
    }

    /// From here on nothing more passes: what did waits in the ring.
    pub fn close(&mut self) {
        self.places.clear();
    }
}

type Placed = Result<(tc::Way, tc::Attached), TcError>;

/// Programs go to their places by a thread: the kernel lets 8 to 16 ms pass behind each, in which it runs already.
struct Places {
    results: Receiver<Placed>,
    thread: Option<JoinHandle<()>>,
    left: usize,
    attached: Vec<tc::Attached>,
    way: Option<tc::Way>,
}

impl Places {
    fn fill(wanted: &Wanted, programs: Vec<(At, OwnedFd)>) -> Self {
        let device = wanted.device;
        // Tried first, and before 6.6 in vain.
        let mut way = wanted.only_links.then_some(tc::Way::Tcx);
        let (sender, results) = mpsc::channel();
        let left = programs.len();
        let thread = thread::spawn(move || {
            for (at, program) in &programs {
                let placed = place(&mut way, device, (*at, program.as_fd()));
                let failed = placed.is_err();
                if sender.send(placed).is_err() || failed {
                    return;
                }
            }
        });
        Self {
            results,
            thread: Some(thread),
            left,
            attached: Vec::new(),
            way: None,
        }
    }

    /// The next one that gets there within so long.
    fn next(&mut self, most: Duration) -> Result<(), PacketsError> {
        match self.results.recv_timeout(most) {
            Ok(placed) => self.take(placed),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(TcError::Unnamed.into()),
        }
    }

    fn take(&mut self, placed: Placed) -> Result<(), PacketsError> {
        self.left -= 1;
        let (way, attached) = placed?;
        self.way = Some(way);
        self.attached.push(attached);
        Ok(())
    }

    fn look(&mut self) -> Result<bool, PacketsError> {
        while self.left > 0
            && let Ok(placed) = self.results.try_recv()
        {
            self.take(placed)?;
        }
        Ok(self.left == 0)
    }

    /// Those on their way get there first: what is not waited for could stay.
    fn clear(&mut self) {
        if let Some(thread) = self.thread.take() {
            // It tells by its results.
            drop(thread.join());
        }
        // An error has no program in place.
        drop(self.look());
        self.attached.clear();
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.clear();
    }
}

/// By link, and before 6.6, which knows no such link, by filter; the second as the first.
fn place(way: &mut Option<tc::Way>, device: u32, program: tc::Program<'_>) -> Placed {
    let by = |way| tc::attach(way, device, "dump", &[program]).map(|attached| (way, attached));
    let placed = match *way {
        Some(way) => by(way),
        None => by(tc::Way::Tcx).or_else(|_| by(tc::Way::Clsact)),
    };
    if let Ok((taken, _)) = &placed {
        *way = Some(*taken);
    }
    placed
}
