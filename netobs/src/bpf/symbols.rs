//! Names of kernel addresses, asked of the kernel one by one: /proc/kallsyms costs 50 ms and hides from the unprivileged.

use super::{
    btf::KernelTypes,
    object::Programs,
    session::{SessionError, as_map},
    spec::MAP_ITERATOR,
    sys::{self, ProgType},
};
use aya::maps::{Array, MapData};
use std::{
    io::Read as _,
    os::fd::{AsFd as _, OwnedFd},
};

/// The program that does it.
pub(super) const PROGRAM: &str = "symbol_of";

/// The map that holds the address, and the iterator that prints its name.
pub struct Symbols {
    address: Array<MapData, u64>,
    iterator: Result<OwnedFd, String>,
}

impl Symbols {
    pub(super) fn new(programs: &mut Programs, types: &KernelTypes) -> Result<Self, SessionError> {
        let iterator = attach(programs, types);
        let address = Array::try_from(as_map(programs.take_map("ADDRESS")?, "ADDRESS")?).map_err(
            |source| SessionError::Map {
                name: "ADDRESS",
                source,
            },
        )?;
        Ok(Self { address, iterator })
    }

    /// Why addresses have no names, if so.
    pub fn refusal(&self) -> Option<&str> {
        self.iterator.as_ref().err().map(String::as_str)
    }

    /// What the kernel prints for a return address: `function+0xoffset/0xsize [module]`.
    pub fn print(&mut self, address: u64) -> Option<String> {
        let iterator = self.iterator.as_ref().ok()?;
        self.address.set(0, address, 0).ok()?;
        let mut text = String::new();
        sys::walk(iterator.as_fd())
            .ok()?
            .read_to_string(&mut text)
            .ok()?;
        Some(text)
    }
}

fn attach(programs: &Programs, types: &KernelTypes) -> Result<OwnedFd, String> {
    let target = types.functions.get(MAP_ITERATOR);
    let id = target
        .ok_or("this kernel has no iterator over map entries (5.9)")?
        .id;
    let program = programs
        .load(PROGRAM, ProgType::Iter, id)
        .map_err(|e| format!("{}: {}", e.errno, e.log.lines().last().unwrap_or_default()))?;
    sys::attach_iterator(program.as_fd(), programs.map("ADDRESS")).map_err(|e| e.to_string())
}
