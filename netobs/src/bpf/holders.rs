//! Who has each socket: those that are open, told by one walk, and each one that is closed meanwhile, as it is.

use super::{
    adapt::Kernel,
    btf::{BtfError, KernelTypes, VMLINUX, Wanted},
    object::{ObjectError, object_bytes},
    sys::{self, Load, LoadError, ProgType},
};
use aya::maps::{Array, MapData, RingBuf};
use aya_obj::{Object, Program};
use netobs_ebpf::{
    ABI_VERSION,
    config::{Config, TYPES},
    offsets::{FIELD_COUNT, Offsets},
};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::Path,
};
use zerocopy::{FromBytes as _, FromZeros as _, IntoBytes as _};

pub use netobs_ebpf::holders::record::Holding;

const OPEN: &str = "holders_open";
const CLOSED: &str = "holders_closed";
const TASK_FILE: &str = "bpf_iter_task_file";
const RING: &str = "HOLDERS";
const COUNT: &str = "UNTOLD";
const MAPS: [&str; 3] = [RING, COUNT, ".rodata"];

/// Why nobody tells who has a socket.
#[derive(Debug, thiserror::Error)]
pub enum HoldersError {
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
    _link: Option<OwnedFd>,
    _maps: Vec<MapData>,
}

impl Holders {
    /// `root`: the cgroup v2 whose processes are told when they close sockets, in it and below it.
    pub fn load(root: Option<&Path>) -> Result<Self, HoldersError> {
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
        let (object, mut maps) = prepare(&types)?;
        let open = load_one(&object, OPEN, ProgType::Iter, target)?;
        let link = load_one(&object, CLOSED, ProgType::SockRelease, 0)
            .map_err(|e| e.to_string())
            .and_then(|program| {
                let dir = root_of_all(root)?;
                sys::attach_sock_release(program.as_fd(), dir.as_fd())
                    .map_err(|e| format!("attach to the root of cgroup v2: {e}"))
            });
        let mut take = |name: &'static str| {
            let place = maps.iter().position(|(of, _)| of == name);
            place
                .map(|place| maps.swap_remove(place).1)
                .ok_or(ObjectError::Missing(name))
        };
        let (ring, count) = (take(RING)?, take(COUNT)?);
        let (link, refusal) = match link {
            Ok(link) => (Some(link), None),
            Err(why) => (None, Some(why)),
        };
        Ok(Self {
            open,
            closed: RingBuf::try_from(aya::maps::Map::from_map_data(ring)?)?,
            untold: Array::try_from(aya::maps::Map::from_map_data(count)?)?,
            refusal,
            buffer: vec![0; 1 << 16],
            _link: link,
            _maps: maps.into_iter().map(|(_, made)| made).collect(),
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

type Made = (Object, Vec<(String, MapData)>);

/// The object with only these programs, their constants and maps in place.
fn prepare(types: &KernelTypes) -> Result<Made, ObjectError> {
    let damaged = |e: &dyn std::fmt::Display| ObjectError::Parse(e.to_string());
    let bytes = object_bytes()?;
    let mut object = Object::parse(&bytes).map_err(|e| damaged(&e))?;
    let sections = object.functions.keys().map(|(section, _)| *section);
    let text: HashSet<usize> = sections.collect();
    object
        .programs
        .retain(|name, _| [OPEN, CLOSED].contains(&name.as_str()));
    let programs = object.programs.values();
    let kept: HashSet<_> = programs.map(Program::function_key).collect();
    object.functions.retain(|key, _| kept.contains(key));
    let kernel = Kernel::of(types);
    let config = Config {
        abi: ABI_VERSION,
        types: kernel.type_ids(types),
        ..Config::new_zeroed()
    };
    let offsets: [u32; FIELD_COUNT] = types
        .offsets
        .as_slice()
        .try_into()
        .expect("one offset per field");
    let offsets: Offsets = zerocopy::transmute!(offsets);
    let globals = HashMap::from([
        ("CONFIG", (config.as_bytes(), true)),
        ("KERNEL", (offsets.as_bytes(), true)),
    ]);
    object.patch_map_data(globals).map_err(|e| damaged(&e))?;
    let mut maps = Vec::new();
    for (name, map) in object.maps.drain() {
        if !MAPS.contains(&name.as_str()) {
            continue;
        }
        let error = |source| ObjectError::Map {
            name: name.clone(),
            source,
        };
        let definition = map.clone();
        let made = MapData::create(map, &name, None).map_err(|e| error(Box::new(e)))?;
        if name == ".rodata" {
            sys::fill_section(made.fd().as_fd(), definition.data(), true)
                .map_err(|e| error(Box::new(e)))?;
        }
        maps.push((name, made, definition));
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

fn load_one(
    object: &Object,
    name: &'static str,
    ty: ProgType,
    attach_btf_id: u32,
) -> Result<OwnedFd, HoldersError> {
    let program = object.programs.get(name);
    let function = program.and_then(|program| object.functions.get(&program.function_key()));
    let function = function.ok_or(ObjectError::Missing(name))?;
    sys::load(&Load {
        name,
        ty,
        insns: super::insn_bytes(&function.instructions),
        attach_btf_id,
    })
    .map_err(|why| HoldersError::Load { name, why })
}
