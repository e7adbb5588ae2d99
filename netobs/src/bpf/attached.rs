//! Programs that hang on an interface: asked, never changed.

use super::sys::bpf;
use std::{io, os::fd::AsRawFd as _};

const PROG_GET_FD_BY_ID: u32 = 13;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const PROG_QUERY: u32 = 16;
/// `BPF_TCX_INGRESS` and `BPF_TCX_EGRESS` (6.6).
const TCX: [(u32, &str); 2] = [(46, "ingress"), (47, "egress")];
/// More on one side of one interface than anybody attaches.
const MOST: usize = 256;

#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    _pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// Side and program id of every tcx program of an interface in the thread's namespace; none where the kernel has no tcx.
pub fn tcx(ifindex: u32) -> io::Result<Vec<(&'static str, u32)>> {
    let mut found = Vec::new();
    for (attach_type, side) in TCX {
        let mut ids = [0_u32; MOST];
        let mut attr = QueryAttr {
            target: ifindex,
            attach_type,
            prog_ids: ids.as_mut_ptr() as u64,
            count: u32::try_from(MOST).unwrap_or(0),
            ..QueryAttr::default()
        };
        match bpf(PROG_QUERY, &mut attr) {
            Ok(_) => {}
            // EINVAL: a kernel that does not know tcx.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => continue,
            Err(error) => return Err(error),
        }
        let count = usize::try_from(attr.count).unwrap_or(0).min(MOST);
        found.extend(ids.iter().take(count).map(|id| (side, *id)));
    }
    Ok(found)
}

/// The name of a program by its id, if we may know it.
pub fn name(id: u32) -> Option<String> {
    let mut attr = [id, 0, 0, 0];
    let program = super::sys::owned(bpf(PROG_GET_FD_BY_ID, &mut attr).ok()?);
    // struct bpf_prog_info: the name stands at byte 64.
    let mut info = [0_u8; 96];
    let mut attr = InfoAttr {
        fd: u32::try_from(program.as_raw_fd()).ok()?,
        len: 96,
        info: info.as_mut_ptr() as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attr).ok()?;
    let name = info[64..80].split(|b| *b == 0).next().unwrap_or_default();
    (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
}
