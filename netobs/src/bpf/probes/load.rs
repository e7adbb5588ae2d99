//! The two programs of a place, loaded by themselves: of a whole object only what they use.

use super::Place;
use crate::bpf::{
    adapt::Kernel,
    btf::{BtfError, KernelTypes, VMLINUX, Wanted},
    object::{Entries, ObjectError, Programs, probes_bytes},
    sys::{LoadError, ProgType},
};
use aya::maps::{MapData, RingBuf};
use netobs_ebpf::{config::TYPES, probes::record::ProbesWanted};
use std::os::fd::OwnedFd;
use zerocopy::IntoBytes as _;

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
    Tc(#[from] super::super::tc::TcError),
    #[error("{0}")]
    Refused(String),
}

/// Maps that the programs use.
const MAPS: [&str; 2] = [RING, "STAMP"];
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
    // The other map.
    _programs: Programs,
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
        let mut programs = Programs::few(
            probes_bytes()?,
            (&types, kernel),
            &[("PROBES_WANTED", self.wanted.as_bytes())],
            &names(place),
            &MAPS.map(|name| (name, Entries::AsBuilt)),
        )?;
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
        let load = |name: &'static str, (ty, id): (ProgType, u32)| {
            let program = programs.load(name, ty, id);
            program.map_err(|why| TapError::Load { name, why })
        };
        // The verifier looks for the function of a tracepoint through all types of the kernel, a millisecond each.
        let (left, came) = std::thread::scope(|scope| {
            let other = scope.spawn(|| load(left_name, out));
            let came = load(came_name, into);
            (other.join(), came)
        });
        let left = left.unwrap_or(Err(TapError::Missing(TRACEPOINTS[0])))?;
        let came = came?;
        self.ring = Some(programs.take_map(RING)?);
        programs.forget_code();
        Ok(Loaded {
            left,
            came,
            _programs: programs,
        })
    }
}
