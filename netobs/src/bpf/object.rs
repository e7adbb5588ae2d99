//! The BPF object: read, given its constants and maps, and turned into instructions ready to load.

use super::{
    adapt::Kernel,
    btf::KernelTypes,
    sys::{self, Load, LoadError, ProgType},
};
use aya::maps::MapData;
use aya_obj::{EbpfSectionKind, Object};
use netobs_ebpf::{ABI_VERSION, config::Config, offsets::Offsets};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
};
use zerocopy::{FromZeros as _, IntoBytes as _};

static EMBEDDED: &[u8] = aya::include_bytes_aligned!("../../bpf/netobs.bpf.o");

/// The part of it that probes load.
static PROBES: &[u8] = aya::include_bytes_aligned!("../../bpf/probes.bpf.o");

/// The map that holds all constants.
const RODATA: &str = ".rodata";

/// Names another object file to load instead of the built-in one.
const OBJECT_ENV: &str = "NETOBS_BPF_OBJECT";

#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("read the BPF object {path}: {source}")]
    Read {
        path: String,
        source: std::io::Error,
    },
    #[error("the BPF object is damaged: {0}")]
    Parse(String),
    #[error("create BPF map {name}: {source}")]
    Map {
        name: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "create BPF map {name}: not permitted although CAP_BPF is there: have the container's seccomp profile allow bpf(2)"
    )]
    Refused { name: String },
    #[error("the BPF object has no {0}")]
    Missing(&'static str),
}

/// Sizes that the user or the machine decides.
pub struct Sizes {
    ring_bytes: u32,
    /// Sockets whose owner is kept.
    sockets: u32,
    /// Log lines are wanted.
    log: bool,
}

/// Maps of the programs for sockets, probes, holders and packets: three are rings, whose pages would take longer than a hook.
const OF_OTHERS: [&str; 12] = [
    "AT",
    "GO_ON",
    "HOLDERS",
    "PACKETS",
    "PASSED",
    "STAMP",
    "STAMPS",
    "TOLD",
    "UNIX_COUNTS",
    "UNIX_NAMES",
    "UNIX_ROWS",
    "UNTOLD",
];

/// Everything up to aya-log's debug level; 0 makes the lines dead code to the verifier.
const LOG_LEVEL: u8 = 4;

impl Sizes {
    /// Room for four times the files now open: making room costs 16 bytes a socket at start.
    pub fn new(ring_bytes: u32, log: bool) -> Self {
        let text = std::fs::read_to_string("/proc/sys/fs/file-nr").unwrap_or_default();
        let open = text
            .split_whitespace()
            .next()
            .and_then(|n| n.parse::<u32>().ok())
            .unwrap_or(0);
        let sockets = open
            .saturating_mul(4)
            .clamp(1 << 16, 1 << 20)
            .next_power_of_two();
        Self {
            ring_bytes,
            sockets,
            log,
        }
    }

    /// Every map of `watch` is made, those of these sizes with so many entries.
    pub fn of(&self, map: &str) -> Entries {
        match map {
            other if OF_OTHERS.contains(&other) => Entries::None,
            "EVENTS" => Entries::Number(self.ring_bytes),
            "SOCKS" => Entries::Number(self.sockets),
            "AYA_LOGS" if !self.log => Entries::Number(1 << 12),
            _ => Entries::AsBuilt,
        }
    }

    /// aya-log's level.
    pub fn log_level(&self) -> u8 {
        if self.log { LOG_LEVEL } else { 0 }
    }
}

/// What of an object is wanted.
pub struct Part<'a> {
    pub bytes: Cow<'static, [u8]>,
    pub kernel: Kernel,
    pub config: Config,
    pub offsets: Offsets,
    /// Other constants, by name.
    pub constants: &'a [(&'a str, &'a [u8])],
    /// Which programs may be loaded: relocating the others would take longer than all the rest.
    pub program: &'a dyn Fn(&str) -> bool,
    pub map: &'a dyn Fn(&str) -> Entries,
}

/// How a map is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// Not at all: no wanted program uses it.
    None,
    AsBuilt,
    Number(u32),
}

/// Maps made, programs relocated, nothing loaded yet.
pub struct Programs {
    object: Object,
    maps: HashMap<String, MapData>,
    kernel: Kernel,
}

impl Programs {
    pub fn prepare(part: &Part<'_>) -> Result<Self, ObjectError> {
        let damaged = |e: &dyn std::fmt::Display| ObjectError::Parse(e.to_string());
        let mut object = Object::parse(&part.bytes).map_err(|e| damaged(&e))?;
        let mut globals = HashMap::from([
            ("CONFIG", (part.config.as_bytes(), true)),
            ("KERNEL", (part.offsets.as_bytes(), true)),
        ]);
        globals.extend(
            part.constants
                .iter()
                .map(|(name, value)| (*name, (*value, true))),
        );
        object.patch_map_data(globals).map_err(|e| damaged(&e))?;
        let maps = make_maps(&mut object, part.map)?;
        keep(&mut object, part.program);
        let text: HashSet<usize> = object
            .functions
            .keys()
            .map(|(section, _)| *section)
            .collect();
        let references = maps.iter().map(|(name, (map, definition))| {
            (name.as_str(), map.fd().as_fd().as_raw_fd(), definition)
        });
        object
            .relocate_maps(references, &text)
            .map_err(|e| damaged(&e))?;
        object.relocate_calls(&text).map_err(|e| damaged(&e))?;
        part.kernel.adapt_all(&mut object);
        let maps = maps
            .into_iter()
            .map(|(name, (map, _))| (name, map))
            .collect();
        Ok(Self {
            object,
            maps,
            kernel: part.kernel,
        })
    }

    /// The programs `names` of an object, and no other; of its maps those that they use.
    pub fn few(
        bytes: Cow<'static, [u8]>,
        (types, kernel): (&KernelTypes, Kernel),
        constants: &[(&str, &[u8])],
        names: &[&str],
        maps: &[(&str, Entries)],
    ) -> Result<Self, ObjectError> {
        let entries = |name: &str| match maps.iter().find(|(of, _)| *of == name) {
            Some((_, entries)) => *entries,
            None if name == RODATA => Entries::AsBuilt,
            None => Entries::None,
        };
        Self::prepare(&Part {
            bytes,
            kernel,
            config: Config {
                abi: ABI_VERSION,
                types: kernel.type_ids(types),
                ..Config::new_zeroed()
            },
            offsets: types.as_offsets(),
            constants,
            program: &|name| names.contains(&name),
            map: &entries,
        })
    }

    /// Takes a map out, to be wrapped in its type.
    pub fn take_map(&mut self, name: &'static str) -> Result<MapData, ObjectError> {
        self.maps.remove(name).ok_or(ObjectError::Missing(name))
    }

    /// Nothing more will be loaded: only the maps are kept.
    pub fn forget_code(&mut self) {
        self.object.programs.clear();
        self.object.functions.clear();
    }

    /// A map that is still here.
    pub fn map(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.maps.get(name).map(|map| map.fd().as_fd())
    }

    /// The relocated instructions of a program, as the kernel wants them.
    pub fn instructions(&self, name: &str) -> Option<Vec<u8>> {
        let program = self.object.programs.get(name)?;
        let function = self.object.functions.get(&program.function_key())?;
        Some(super::insn_bytes(&function.instructions).to_vec())
    }

    /// What the programs are made to fit.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Loads one program.
    pub fn load(&self, name: &str, ty: ProgType, attach_btf_id: u32) -> Result<OwnedFd, LoadError> {
        let mut insns = self.instructions(name).ok_or_else(|| LoadError {
            errno: std::io::ErrorKind::NotFound.into(),
            log: format!("the BPF object has no program {name}"),
        })?;
        if ty.is_traced() {
            insns = self.kernel.undisturbed(insns);
        }
        sys::load(&Load {
            name,
            ty,
            insns: &insns,
            attach_btf_id,
        })
    }
}

/// Drops the code of unwanted programs; functions that no program begins with may be called by any.
fn keep(object: &mut Object, wanted: &dyn Fn(&str) -> bool) {
    object.programs.retain(|name, program| {
        let keep = wanted(name);
        if !keep {
            object.functions.remove(&program.function_key());
        }
        keep
    });
}

/// The object file's bytes.
pub(super) fn object_bytes() -> Result<Cow<'static, [u8]>, ObjectError> {
    bytes_or(EMBEDDED)
}

/// Those that the programs of probes are in.
pub(super) fn probes_bytes() -> Result<Cow<'static, [u8]>, ObjectError> {
    bytes_or(PROBES)
}

fn bytes_or(embedded: &'static [u8]) -> Result<Cow<'static, [u8]>, ObjectError> {
    match std::env::var(OBJECT_ENV) {
        Ok(path) => std::fs::read(&path)
            .map(Cow::Owned)
            .map_err(|source| ObjectError::Read { path, source }),
        Err(_) => Ok(Cow::Borrowed(embedded)),
    }
}

/// `EPERM` somewhere below.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.raw_os_error() == Some(libc::EPERM))
        || error.source().is_some_and(is_refusal)
}

fn make_maps(
    object: &mut Object,
    entries: &dyn Fn(&str) -> Entries,
) -> Result<HashMap<String, (MapData, aya_obj::Map)>, ObjectError> {
    let mut maps = HashMap::new();
    for (name, mut map) in object.maps.drain() {
        match entries(&name) {
            Entries::None => continue,
            Entries::AsBuilt => {}
            Entries::Number(number) => map.set_max_entries(number),
        }
        let error = |source| ObjectError::Map {
            name: name.clone(),
            source,
        };
        let definition = map.clone();
        let kind = map.section_kind();
        let made = MapData::create(map, &name, None).map_err(|e| {
            if is_refusal(&e) {
                return ObjectError::Refused { name: name.clone() };
            }
            error(Box::new(e))
        })?;
        if matches!(
            kind,
            EbpfSectionKind::Rodata | EbpfSectionKind::Data | EbpfSectionKind::Bss
        ) {
            let freeze = kind == EbpfSectionKind::Rodata;
            sys::fill_section(made.fd().as_fd(), definition.data(), freeze)
                .map_err(|e| error(Box::new(e)))?;
        }
        maps.insert(name, (made, definition));
    }
    Ok(maps)
}
