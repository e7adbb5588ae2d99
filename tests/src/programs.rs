//! The kernel's own list of loaded BPF programs, and a small XDP program of somebody else's.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};

use crate::sys;

const BPF_PROG_LOAD: i32 = 5;
const BPF_PROG_GET_NEXT_ID: i32 = 11;
const BPF_LINK_CREATE: i32 = 28;

/// Where a bystander stands: program type and attach type.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Xdp,
    /// From 6.6.
    TcxIngress,
    /// From 6.6.
    TcxEgress,
}

impl Place {
    const fn numbers(self) -> (u64, u64) {
        match self {
            Self::Xdp => (6, 37),
            Self::TcxIngress => (3, 46),
            Self::TcxEgress => (3, 47),
        }
    }
}

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

/// A program that passes everything, attached to one interface through a link until dropped.
pub struct Bystander {
    program: OwnedFd,
    _link: OwnedFd,
}

impl Bystander {
    /// Attaches an XDP program to the interface `ifindex` of the calling thread's namespace.
    pub fn attach(ifindex: i32) -> Result<Self> {
        Self::attach_at(Place::Xdp, ifindex)
    }

    /// The same, where told; the program is called `bystander`.
    pub fn attach_at(place: Place, ifindex: i32) -> Result<Self> {
        let (kind, attach_type) = place.numbers();
        // r0 = 2 (XDP_PASS) or -1 (TCX_NEXT); exit
        let answer: u64 = if kind == 6 { 2 } else { 0xffff_ffff };
        let code: [u64; 2] = [answer << 32 | 0xb7, 0x95];
        let license = c"GPL";
        // struct { u32 prog_type, insn_cnt; u64 insns, license; u32 log_level, log_size; u64 log_buf; u32 kern_version, prog_flags;
        //          char prog_name[16]; }
        let mut load = [0; 8];
        load[0] = kind | (code.len() as u64) << 32;
        load[1] = code.as_ptr().expose_provenance() as u64;
        load[2] = license.as_ptr().expose_provenance() as u64;
        load[6] = u64::from_ne_bytes(*b"bystande");
        load[7] = u64::from_ne_bytes(*b"r\0\0\0\0\0\0\0");
        let program = sys::own(sys::bpf(BPF_PROG_LOAD, &mut load).context("load a program")?);
        // struct { u32 prog_fd, target_ifindex, attach_type, flags; }
        let fd = u64::try_from(program.as_raw_fd())?;
        let mut link = [fd | u64::try_from(ifindex)? << 32, attach_type];
        let link = sys::own(sys::bpf(BPF_LINK_CREATE, &mut link).context("attach a program")?);
        Ok(Self {
            program,
            _link: link,
        })
    }

    /// The kernel's number of the program.
    pub fn id(&self) -> Result<u32> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.program.as_raw_fd()))?;
        let id = info
            .lines()
            .find_map(|l| l.strip_prefix("prog_id:")?.trim().parse().ok());
        id.context("fdinfo shows no prog_id")
    }
}
