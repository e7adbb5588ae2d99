//! The two programs of the socket table, loaded by themselves: of a whole object only what they use.

use crate::bpf::{
    adapt::{CAST_FUNCTION, Kernel},
    btf::{BtfError, KernelTypes, VMLINUX, Wanted},
    object::{ObjectError, object_bytes},
    sys::{self, Load, LoadError, ProgType},
};
use aya::maps::{Array, MapData};
use aya_obj::{Map, Object, Program};
use netobs_ebpf::{
    ABI_VERSION,
    config::{Config, TYPES},
    offsets::{FIELD_COUNT, Offsets},
    sockets::record::SocketsWanted,
};
use std::{
    collections::{HashMap, HashSet},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
};
use zerocopy::{FromZeros as _, IntoBytes as _};

/// Targets of the iterators in kernel BTF, and the helper that finds the socket behind a file (5.11).
const TASK_FILE: &str = "bpf_iter_task_file";
const TCP: &str = "bpf_iter_tcp";
const TASK: &str = "bpf_iter_task";
const UDP: &str = "bpf_iter_udp";
const SOCK_FROM_FILE: &str = "bpf_sock_from_file";

const HELD: &str = "sockets_held";
const REST: &str = "sockets_tcp";
const THREADS: &str = "sockets_threads";
const LISTED: &str = "sockets_udp";
const ALL: [&str; 4] = [HELD, REST, THREADS, LISTED];
/// Maps that the programs use, and the one that holds all constants.
const MAPS: [&str; 4] = ["TOLD", "AT", "GO_ON", ".rodata"];

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
    #[error("map the table of told sockets: {0}")]
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
    tcp: Option<u32>,
    task: Option<u32>,
    udp: Option<u32>,
}

/// Programs ready to be walked again and again, those of them loaded that were needed so far.
pub struct Programs {
    pub held: OwnedFd,
    rest: Option<OwnedFd>,
    targets: Targets,
    object: Object,
    /// What the walk over files told.
    pub told: MapData,
    /// Its one word lets the walk over the TCP table go on from listeners to connections.
    go_on: Array<MapData, u32>,
    // What programs use stays open until they are loaded.
    _maps: Vec<MapData>,
}

impl Programs {
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

    fn load(
        &self,
        name: &'static str,
        target: Option<u32>,
        missing: &'static str,
    ) -> Result<OwnedFd, SocketsError> {
        let target = target.ok_or(SocketsError::Missing(missing))?;
        load_one(&self.object, name, target)
    }

    /// Whether the walk over the TCP table tells connections, or stops before them.
    pub fn go_on(&mut self, on: bool) -> Result<(), SocketsError> {
        self.go_on.set(0, u32::from(on), 0).map_err(Into::into)
    }
}

/// Loads what `wanted` needs; fields that only the kernel's types tell are filled in.
pub fn load(mut wanted: SocketsWanted) -> Result<Programs, SocketsError> {
    sys::unlimited_memlock();
    let types = KernelTypes::read(
        VMLINUX,
        &Wanted {
            functions: vec![TASK_FILE, TCP, TASK, UDP, SOCK_FROM_FILE, CAST_FUNCTION],
            structs: TYPES.to_vec(),
            ..Wanted::default()
        },
    )?;
    wanted.from_file = u32::from(types.functions.contains_key(SOCK_FROM_FILE));
    match load_with(&wanted, &types) {
        // A verifier that refuses typed reads from a socket found so: checked reads always work.
        Err(SocketsError::Load { .. }) if wanted.from_file != 0 => {
            wanted.from_file = 0;
            load_with(&wanted, &types)
        }
        other => other,
    }
}

fn load_with(wanted: &SocketsWanted, types: &KernelTypes) -> Result<Programs, SocketsError> {
    let offsets: [u32; FIELD_COUNT] = types
        .offsets
        .as_slice()
        .try_into()
        .expect("one offset per field");
    let offsets: Offsets = zerocopy::transmute!(offsets);
    let (object, mut maps) = prepare(&ALL, wanted, &offsets, types)?;
    let id = |target: &str| types.functions.get(target).map(|f| f.id);
    let walk = id(TASK_FILE).ok_or(SocketsError::Missing(TASK_FILE))?;
    let mut take = |name: &'static str| {
        let place = maps.iter().position(|(of, _)| of == name);
        place
            .map(|place| maps.swap_remove(place).1)
            .ok_or(ObjectError::Missing(name))
    };
    let (told, go_on) = (take("TOLD")?, take("GO_ON")?);
    let go_on = Array::try_from(aya::maps::Map::from_map_data(go_on)?)?;
    Ok(Programs {
        held: load_one(&object, HELD, walk)?,
        rest: None,
        targets: Targets {
            tcp: id(TCP),
            task: id(TASK),
            udp: id(UDP),
        },
        object,
        told,
        go_on,
        _maps: maps.into_iter().map(|(_, made)| made).collect(),
    })
}

fn load_one(
    object: &Object,
    name: &'static str,
    attach_btf_id: u32,
) -> Result<OwnedFd, SocketsError> {
    let missing = SocketsError::Object(ObjectError::Missing(name));
    let Some(program) = object.programs.get(name) else {
        return Err(missing);
    };
    let Some(function) = object.functions.get(&program.function_key()) else {
        return Err(missing);
    };
    sys::load(&Load {
        name,
        ty: ProgType::Iter,
        insns: crate::bpf::insn_bytes(&function.instructions),
        attach_btf_id,
    })
    .map_err(|why| SocketsError::Load { name, why })
}

/// The object with only the programs `names`, their constants and maps in place.
fn prepare(
    names: &[&str],
    wanted: &SocketsWanted,
    offsets: &Offsets,
    types: &KernelTypes,
) -> Result<(Object, Vec<(String, MapData)>), ObjectError> {
    let damaged = |e: &dyn std::fmt::Display| ObjectError::Parse(e.to_string());
    let bytes = object_bytes()?;
    let mut object = Object::parse(&bytes).map_err(|e| damaged(&e))?;
    let text: HashSet<usize> = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect();
    object
        .programs
        .retain(|name, _| names.contains(&name.as_str()));
    let kept: HashSet<_> = object
        .programs
        .values()
        .map(Program::function_key)
        .collect();
    object.functions.retain(|key, _| kept.contains(key));
    let kernel = Kernel::of(types);
    let config = Config {
        abi: ABI_VERSION,
        types: kernel.type_ids(types),
        ..Config::new_zeroed()
    };
    let globals = HashMap::from([
        ("CONFIG", (config.as_bytes(), true)),
        ("SOCKETS_WANTED", (wanted.as_bytes(), true)),
        ("KERNEL", (offsets.as_bytes(), true)),
    ]);
    object.patch_map_data(globals).map_err(|e| damaged(&e))?;
    let mut maps = Vec::new();
    for (name, map) in object.maps.drain() {
        if MAPS.contains(&name.as_str()) {
            maps.push(make_map(&name, map, wanted)?);
        }
    }
    let references = maps
        .iter()
        .map(|(name, made, map)| (name.as_str(), made.fd().as_fd().as_raw_fd(), map));
    object
        .relocate_maps(references, &text)
        .map_err(|e| damaged(&e))?;
    object.relocate_calls(&text).map_err(|e| damaged(&e))?;
    kernel.adapt_all(&mut object);
    let made = maps.into_iter().map(|(name, made, _)| (name, made));
    Ok((object, made.collect()))
}

fn make_map(
    name: &str,
    mut map: Map,
    wanted: &SocketsWanted,
) -> Result<(String, MapData, Map), ObjectError> {
    let error = |source| ObjectError::Map {
        name: name.to_owned(),
        source,
    };
    if name == "TOLD" {
        map.set_max_entries(wanted.slots);
    }
    let definition = map.clone();
    let made = MapData::create(map, name, None).map_err(|e| error(Box::new(e)))?;
    if name == ".rodata" {
        sys::fill_section(made.fd().as_fd(), definition.data(), true)
            .map_err(|e| error(Box::new(e)))?;
    }
    Ok((name.to_owned(), made, definition))
}
