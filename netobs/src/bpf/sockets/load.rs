//! The programs of the socket table, loaded by themselves: each when it is first needed.

use super::local::{COUNTS, NAMES, ROWS, Room};
use crate::bpf::{
    adapt::{CAST_FUNCTION, Kernel},
    btf::{BtfError, KernelTypes, VMLINUX, Wanted},
    object::{Entries, ObjectError, Programs, object_bytes},
    sys::{self, LoadError, ProgType},
};
use aya::maps::{Array, MapData};
use netobs_ebpf::{config::TYPES, sockets::record::SocketsWanted};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use zerocopy::IntoBytes as _;

/// Targets of the iterators in kernel BTF, and the helper that finds the socket behind a file (5.11).
const TASK_FILE: &str = "bpf_iter_task_file";
const TCP: &str = "bpf_iter_tcp";
const TASK: &str = "bpf_iter_task";
const UDP: &str = "bpf_iter_udp";
const UNIX: &str = "bpf_iter_unix";
const SOCK_FROM_FILE: &str = "bpf_sock_from_file";

const HELD: &str = "sockets_held";
const REST: &str = "sockets_tcp";
const THREADS: &str = "sockets_threads";
const LISTED: &str = "sockets_udp";
const LOCAL: &str = "sockets_unix";
const ALL: [&str; 5] = [HELD, REST, THREADS, LISTED, LOCAL];
const TOLD: &str = "TOLD";
const GO_ON: &str = "GO_ON";

/// Why the table cannot be read from BPF iterators.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("use a map of the socket iterators: {0}")]
    Map(#[from] aya::maps::MapError),
    #[error("this kernel has no iterator {0}: needs kernel BTF and Linux 5.9")]
    Missing(&'static str),
    #[error("load iterator {name}: {why}")]
    Load { name: &'static str, why: LoadError },
    #[error("map what socket iterators write: {0}")]
    Marks(std::io::Error),
    #[error("read iterator {name}: {source}")]
    Read {
        name: &'static str,
        source: std::io::Error,
    },
    #[error("iterator {name} wrote bytes that are no record: the BPF object is of another version")]
    Strange { name: &'static str },
}

/// What iterators are attached to, by number in the kernel's types.
#[derive(Clone, Copy)]
struct Targets {
    held: Option<u32>,
    tcp: Option<u32>,
    task: Option<u32>,
    udp: Option<u32>,
    unix: Option<u32>,
}

/// Programs ready to be walked again and again, those of them loaded that were needed so far.
pub struct Walks {
    held: Option<OwnedFd>,
    rest: Option<OwnedFd>,
    targets: Targets,
    /// With the maps that nobody else keeps.
    programs: Programs,
    /// What the walk over files told.
    pub told: MapData,
    /// Its one word lets the walk over the TCP table go on from listeners to connections.
    go_on: Array<MapData, u32>,
}

impl Walks {
    /// The walk over open files; `None`: nothing that it tells was asked for.
    pub fn held(&self) -> Option<BorrowedFd<'_>> {
        self.held.as_ref().map(OwnedFd::as_fd)
    }

    /// The walk over the TCP table; loaded when it is first needed.
    pub fn rest(&mut self) -> Result<BorrowedFd<'_>, SocketsError> {
        let program = match self.rest.take() {
            Some(program) => program,
            None => self.load(REST, self.targets.tcp, TCP)?,
        };
        let loaded: &OwnedFd = self.rest.insert(program);
        Ok(loaded.as_fd())
    }

    /// A walk over all threads.
    pub fn threads(&self) -> Result<OwnedFd, SocketsError> {
        self.load(THREADS, self.targets.task, TASK)
    }

    /// A walk over the UDP table.
    pub fn udp(&self) -> Result<OwnedFd, SocketsError> {
        self.load(LISTED, self.targets.udp, UDP)
    }

    /// A walk over the table of UNIX sockets.
    pub fn unix(&self) -> Result<OwnedFd, SocketsError> {
        self.load(LOCAL, self.targets.unix, UNIX)
    }

    pub fn take_map(&mut self, name: &'static str) -> Result<MapData, SocketsError> {
        self.programs.take_map(name).map_err(Into::into)
    }

    fn load(
        &self,
        name: &'static str,
        target: Option<u32>,
        missing: &'static str,
    ) -> Result<OwnedFd, SocketsError> {
        let target = target.ok_or(SocketsError::Missing(missing))?;
        let program = self.programs.load(name, ProgType::Iter, target);
        program.map_err(|why| SocketsError::Load { name, why })
    }

    /// Whether the walk over the TCP table tells connections, or stops before them.
    pub fn go_on(&mut self, on: bool) -> Result<(), SocketsError> {
        self.go_on.set(0, u32::from(on), 0).map_err(Into::into)
    }
}

/// Loads what `wanted` needs, with room for what the walk over UNIX sockets tells; fields that only the kernel's types tell
/// are filled in.
pub fn load(mut wanted: SocketsWanted, room: Room) -> Result<Walks, SocketsError> {
    sys::unlimited_memlock();
    let types = KernelTypes::read(
        VMLINUX,
        &Wanted {
            functions: vec![
                TASK_FILE,
                TCP,
                TASK,
                UDP,
                UNIX,
                SOCK_FROM_FILE,
                CAST_FUNCTION,
            ],
            structs: TYPES.to_vec(),
            ..Wanted::default()
        },
    )?;
    wanted.from_file = u32::from(types.functions.contains_key(SOCK_FROM_FILE));
    match load_with(&wanted, room, &types) {
        // A verifier that refuses typed reads from a socket found so: checked reads always work.
        Err(SocketsError::Load { .. }) if wanted.from_file != 0 => {
            wanted.from_file = 0;
            load_with(&wanted, room, &types)
        }
        other => other,
    }
}

fn load_with(
    wanted: &SocketsWanted,
    room: Room,
    types: &KernelTypes,
) -> Result<Walks, SocketsError> {
    let mut programs = Programs::few(
        object_bytes()?,
        (types, Kernel::of(types)),
        &[("SOCKETS_WANTED", wanted.as_bytes())],
        &ALL,
        &[
            (TOLD, Entries::Number(wanted.slots)),
            (GO_ON, Entries::AsBuilt),
            ("AT", Entries::AsBuilt),
            (ROWS, Entries::Number(room.rows)),
            (NAMES, Entries::Number(room.names)),
            (COUNTS, Entries::AsBuilt),
        ],
    )?;
    let id = |target: &str| types.functions.get(target).map(|f| f.id);
    let (told, go_on) = (programs.take_map(TOLD)?, programs.take_map(GO_ON)?);
    let mut walks = Walks {
        held: None,
        rest: None,
        targets: Targets {
            held: id(TASK_FILE),
            tcp: id(TCP),
            task: id(TASK),
            udp: id(UDP),
            unix: id(UNIX),
        },
        programs,
        told,
        go_on: Array::try_from(aya::maps::Map::from_map_data(go_on)?)?,
    };
    if wanted.tcp_rows != 0 || wanted.holders != 0 {
        walks.held = Some(walks.load(HELD, walks.targets.held, TASK_FILE)?);
    }
    Ok(walks)
}
