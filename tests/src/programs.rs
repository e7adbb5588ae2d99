//! The kernel's own list of loaded BPF programs, and a small XDP program of somebody else's.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};

use crate::sys;

const BPF_PROG_LOAD: i32 = 5;
const BPF_PROG_GET_NEXT_ID: i32 = 11;
const BPF_LINK_CREATE: i32 = 28;
const BPF_PROG_TYPE_XDP: u64 = 6;
const BPF_XDP: u64 = 37;

/// Ids of all programs loaded in this kernel.
pub fn loaded() -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    let mut id = 0;
    loop {
        // struct { u32 start_id; u32 next_id; u32 open_flags; }
        let mut attr = [u64::from(id), 0];
        match sys::bpf(BPF_PROG_GET_NEXT_ID, &mut attr) {
            Ok(_) => id = u32::try_from(attr[0] >> 32)?,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(ids),
            Err(error) => return Err(error).context("bpf(BPF_PROG_GET_NEXT_ID)"),
        }
        ids.insert(id);
    }
}

/// Ids of the programs that a process holds, by itself or through a link.
pub fn held_by(pid: u32) -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).context("list netobs's descriptors")? {
        // A descriptor may be closed while we look.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        ids.extend(
            text.lines()
                .filter_map(|l| l.strip_prefix("prog_id:")?.trim().parse::<u32>().ok()),
        );
    }
    Ok(ids)
}

/// An XDP program that passes everything, attached to one interface through a link until dropped.
pub struct Bystander {
    _program: OwnedFd,
    _link: OwnedFd,
}

impl Bystander {
    /// Attaches to the interface `ifindex` of the calling thread's namespace.
    pub fn attach(ifindex: i32) -> Result<Self> {
        // r0 = XDP_PASS; exit
        let code: [u64; 2] = [0x0000_0002_0000_00b7, 0x95];
        let license = c"GPL";
        // struct { u32 prog_type, insn_cnt; u64 insns, license; ... }
        let mut load = [0; 6];
        load[0] = BPF_PROG_TYPE_XDP | (code.len() as u64) << 32;
        load[1] = code.as_ptr().expose_provenance() as u64;
        load[2] = license.as_ptr().expose_provenance() as u64;
        let program = sys::own(sys::bpf(BPF_PROG_LOAD, &mut load).context("load an XDP program")?);
        // struct { u32 prog_fd, target_ifindex, attach_type, flags; }
        let fd = u64::try_from(program.as_raw_fd())?;
        let mut link = [fd | u64::try_from(ifindex)? << 32, BPF_XDP];
        let link = sys::own(sys::bpf(BPF_LINK_CREATE, &mut link).context("attach an XDP program")?);
        Ok(Self {
            _program: program,
            _link: link,
        })
    }
}
