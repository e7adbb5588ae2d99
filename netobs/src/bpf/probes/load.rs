//! The two programs of a place, loaded by themselves: of a whole object only what they use.

use super::Place;
use crate::bpf::{
    adapt::Kernel,
    btf::{BtfError, KernelTypes, VMLINUX, Wanted},
    object::{ObjectError, probes_bytes},
    sys::{self, Load, LoadError, ProgType},
};
use aya::maps::{MapData, RingBuf};
use aya_obj::{Map, Program};
use netobs_ebpf::{
    ABI_VERSION,
    config::{Config, TYPES},
    offsets::{FIELD_COUNT, Offsets},
    probes::record::ProbesWanted,
};
use std::{
    collections::{HashMap, HashSet},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};
use zerocopy::{FromZeros as _, IntoBytes as _};

/// Why nothing stamps.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("use the ring of stamps: {0}")]
    Map(#[from] aya::maps::MapError),
    #[error("this kernel shows no types of its tracepoints {0}")]
    Missing(&'static str),
    #[error("load {name}: {why}")]
    Load { name: &'static str, why: LoadError },
    #[error("attach to {what}: {why}")]
    Attach { what: &'static str, why: String },
    #[error(transparent)]
    Netlink(#[from] crate::netlink::socket::Error),
    #[error("{0}")]
    Refused(String),
}

/// Maps that the programs use, and the one that holds all constants.
const MAPS: [&str; 3] = ["STAMPS", "STAMP", ".rodata"];
const RING: &str = "STAMPS";
const TRACEPOINTS: [&str; 2] = ["net_dev_queue", "netif_receive_skb"];

/// Names of the programs for what leaves and for what comes.
const fn names(place: Place) -> [&'static str; 2] {
    match place {
        Place::Tracepoints => ["probes_left_tp", "probes_came_tp"],
        Place::Tcx | Place::Clsact => ["probes_left_tc", "probes_came_tc"],
    }
}

/// Both programs.
pub struct Loaded {
    pub left: OwnedFd,
    pub came: OwnedFd,
    _maps: Vec<MapData>,
}

/// What is to be loaded, and the ring once something was.
pub struct Object {
    wanted: ProbesWanted,
    ring: Option<MapData>,
}

impl Object {
    pub fn new(wanted: ProbesWanted) -> Self {
        Self { wanted, ring: None }
    }

    pub fn ring(&mut self) -> Result<RingBuf<MapData>, TapError> {
        let ring = self.ring.take().ok_or(ObjectError::Missing(RING))?;
        Ok(RingBuf::try_from(aya::maps::Map::from_map_data(ring)?)?)
    }

    /// TC reads packets by helpers: only the tracepoints want the kernel's types.
    pub fn load(&mut self, place: Place) -> Result<Loaded, TapError> {
        let types = if place == Place::Tracepoints {
            KernelTypes::read(
                VMLINUX,
                &Wanted {
                    tracepoints: TRACEPOINTS.to_vec(),
                    functions: Kernel::FUNCTIONS.to_vec(),
                    structs: TYPES.to_vec(),
                    ..Wanted::default()
                },
            )?
        } else {
            KernelTypes::absent()
        };
        let kernel = Kernel::without_atomics(&types);
        let (object, mut maps) = self.relocated(place, &types, kernel)?;
        let target = |tracepoint: &'static str| {
            if place != Place::Tracepoints {
                return Ok((ProgType::SchedCls, 0));
            }
            let found = types.tracepoints.get(tracepoint);
            let found = found.ok_or(TapError::Missing(tracepoint))?;
            Ok::<_, TapError>((ProgType::TpBtf, found.id))
        };
        let [out, into] = [target(TRACEPOINTS[0])?, target(TRACEPOINTS[1])?];
        let [left_name, came_name] = names(place);
        // The verifier looks for the function of a tracepoint through all types of the kernel, a millisecond each.
        let (left, came) = std::thread::scope(|scope| {
            let other = scope.spawn(|| load_one(&object, kernel, left_name, out));
            let came = load_one(&object, kernel, came_name, into);
            (other.join(), came)
        });
        let left = left.unwrap_or(Err(TapError::Missing(TRACEPOINTS[0])))?;
        let came = came?;
        let at = maps.iter().position(|(name, _)| name == RING);
        let (_, ring) = maps.swap_remove(at.ok_or(ObjectError::Missing(RING))?);
        self.ring = Some(ring);
        let maps = maps.into_iter().map(|(_, made)| made).collect();
        Ok(Loaded {
            left,
            came,
            _maps: maps,
        })
    }

    /// The object with only the programs of `place`, their constants and maps in place.
    fn relocated(
        &self,
        place: Place,
        types: &KernelTypes,
        kernel: Kernel,
    ) -> Result<(aya_obj::Object, Vec<(String, MapData)>), ObjectError> {
        let damaged = |e: &dyn std::fmt::Display| ObjectError::Parse(e.to_string());
        let bytes = probes_bytes()?;
        let mut object = aya_obj::Object::parse(&bytes).map_err(|e| damaged(&e))?;
        let text: HashSet<usize> = object
            .functions
            .keys()
            .map(|(section, _)| *section)
            .collect();
        let names = names(place);
        object
            .programs
            .retain(|name, _| names.contains(&name.as_str()));
        let kept: HashSet<_> = object
            .programs
            .values()
            .map(Program::function_key)
            .collect();
        object.functions.retain(|key, _| kept.contains(key));
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
            ("PROBES_WANTED", (self.wanted.as_bytes(), true)),
            ("KERNEL", (offsets.as_bytes(), true)),
        ]);
        object.patch_map_data(globals).map_err(|e| damaged(&e))?;
        let mut maps = Vec::new();
        for (name, map) in object.maps.drain() {
            if MAPS.contains(&name.as_str()) {
                maps.push(make_map(name, map)?);
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
}

fn make_map(name: String, map: Map) -> Result<(String, MapData, Map), ObjectError> {
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
    Ok((name, made, definition))
}

fn load_one(
    object: &aya_obj::Object,
    kernel: Kernel,
    name: &'static str,
    (ty, attach_btf_id): (ProgType, u32),
) -> Result<OwnedFd, TapError> {
    let program = object.programs.get(name);
    let function = program.and_then(|program| object.functions.get(&program.function_key()));
    let function = function.ok_or(ObjectError::Missing(name))?;
    let mut insns = crate::bpf::insn_bytes(&function.instructions).to_vec();
    if ty.is_traced() {
        insns = kernel.undisturbed(insns);
    }
    sys::load(&Load {
        name,
        ty,
        insns: &insns,
        attach_btf_id,
    })
    .map_err(|why| TapError::Load { name, why })
}
