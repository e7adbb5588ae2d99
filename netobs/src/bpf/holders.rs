//! Who has each socket: those that are open, told by one walk, and each one that is closed meanwhile, as it is.

use super::{
    adapt::Kernel,
    btf::{BtfError, KernelTypes, VMLINUX, Wanted},
    object::{Entries, ObjectError, Programs, object_bytes},
    support,
    sys::{self, LoadError, ProgType},
};
use aya::maps::{Array, MapData, RingBuf};
use netobs_ebpf::config::TYPES;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};
use zerocopy::FromBytes as _;

pub use netobs_ebpf::holders::record::Holding;

const OPEN: &str = "holders_open";
const CLOSED: &str = "holders_closed";
const REFUSED: &str = "holders_refused";
const STATES: &str = "inet_sock_set_state";
const TASK_FILE: &str = "bpf_iter_task_file";
const RING: &str = "HOLDERS";
const UNTOLD: &str = "UNTOLD";
const CONNECTING: &str = "CONNECTING";

/// Why nobody tells who has a socket.
#[derive(Debug, thiserror::Error)]
pub enum HoldersError {
    #[error("{0}")]
    Privilege(String),
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("use a map of the holders of sockets: {0}")]
    Map(#[from] aya::maps::MapError),
    #[error("this kernel has no iterator {TASK_FILE}: needs kernel BTF and Linux 5.8")]
    Missing,
    #[error("load {name}: {why}")]
    Load { name: &'static str, why: LoadError },
    #[error("walk the sockets of all processes: {0}")]
    Walk(io::Error),
}

/// Programs in place; dropping it takes them away.
pub struct Holders {
    open: OwnedFd,
    closed: RingBuf<MapData>,
    untold: Array<MapData, u64>,
    /// Why sockets are not told when they are closed.
    refusal: Option<String>,
    buffer: Vec<u8>,
    _links: Vec<OwnedFd>,
    // With the constants.
    _programs: Programs,
}

impl Holders {
    /// `root`: the cgroup v2 whose processes are told when they close sockets, in it and below it.
    pub fn load(root: Option<&Path>) -> Result<Self, HoldersError> {
        support::privileges().map_err(HoldersError::Privilege)?;
        sys::unlimited_memlock();
        let types = KernelTypes::read(
            VMLINUX,
            &Wanted {
                functions: [&[TASK_FILE], &Kernel::FUNCTIONS[..]].concat(),
                structs: TYPES.to_vec(),
                ..Wanted::default()
            },
        )?;
        let target = types.functions.get(TASK_FILE);
        let target = target.ok_or(HoldersError::Missing)?.id;
        let mut programs = Programs::few(
            object_bytes()?,
            (&types, Kernel::of(&types)),
            &[],
            &[OPEN, CLOSED, REFUSED],
            &[RING, UNTOLD, CONNECTING].map(|name| (name, Entries::AsBuilt)),
        )?;
        let open = programs.load(OPEN, ProgType::Iter, target);
        let open = open.map_err(|why| HoldersError::Load { name: OPEN, why })?;
        let link = programs
            .load(CLOSED, ProgType::SockRelease, 0)
            .map_err(|why| HoldersError::Load { name: CLOSED, why }.to_string())
            .and_then(|program| {
                let dir = root_of_all(root)?;
                sys::attach_sock_release(program.as_fd(), dir.as_fd())
                    .map_err(|e| format!("attach to the root of cgroup v2: {e}"))
            });
        let states = programs
            .load(REFUSED, ProgType::RawTracepoint, 0)
            .map_err(|why| HoldersError::Load { name: REFUSED, why }.to_string())
            .and_then(|program| {
                sys::attach_raw(program.as_fd(), Some(STATES))
                    .map_err(|e| format!("attach to the tracepoint {STATES}: {e}"))
            });
        let (ring, untold) = (programs.take_map(RING)?, programs.take_map(UNTOLD)?);
        programs.forget_code();
        let (mut links, mut refusal) = (Vec::new(), None);
        for link in [states, link] {
            match link {
                Ok(link) => links.push(link),
                Err(why) => refusal = Some(why),
            }
        }
        Ok(Self {
            open,
            closed: RingBuf::try_from(aya::maps::Map::from_map_data(ring)?)?,
            untold: Array::try_from(aya::maps::Map::from_map_data(untold)?)?,
            refusal,
            buffer: vec![0; 1 << 16],
            _links: links,
            _programs: programs,
        })
    }

    /// Why sockets are not told when they are closed, if so: those that live shortly are missed then.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Closed sockets that found no room to be told.
    pub fn untold(&self) -> u64 {
        self.untold.get(&0, 0).unwrap_or(0)
    }

    /// Hands over what was closed since this was asked last, in order.
    pub fn closed(&mut self, mut take: impl FnMut(&Holding)) {
        while let Some(item) = self.closed.next() {
            if let Ok((holding, _)) = Holding::read_from_prefix(&item) {
                take(&holding);
            }
        }
    }

    /// Hands over every open socket of every process.
    pub fn open(&mut self, mut take: impl FnMut(&Holding)) -> Result<(), HoldersError> {
        const SIZE: usize = size_of::<Holding>();
        let mut walk = sys::iterate(self.open.as_fd()).map_err(HoldersError::Walk)?;
        let mut kept = 0;
        loop {
            let read = match walk.read(&mut self.buffer[kept..]) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                // A walk that passes a million elements without a word pauses.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(HoldersError::Walk(error)),
            };
            let there = kept + read;
            let whole = there / SIZE * SIZE;
            for record in self.buffer[..whole].chunks_exact(SIZE) {
                if let Ok(holding) = Holding::read_from_bytes(record) {
                    take(&holding);
                }
            }
            self.buffer.copy_within(whole..there, 0);
            kept = there - whole;
        }
    }
}

/// The root of all cgroups: where it is mounted, else by a mount that nobody sees and that goes with the descriptor.
fn root_of_all(mounted: Option<&Path>) -> Result<OwnedFd, String> {
    if let Some(root) = mounted {
        let opened = File::open(root).map(OwnedFd::from);
        return opened.map_err(|e| format!("open {}: {e}", root.display()));
    }
    let made = || {
        let context = fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&context)?;
        let attributes = MountAttrFlags::empty();
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    made().map_err(|e| format!("cgroup v2 is not mounted, and cannot be: {e}"))
}
