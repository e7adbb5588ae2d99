//! `perf_event_open(2)`: kprobes and classic tracepoints.

use super::sys::owned;
use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    ty: u32,
    size: u32,
    config: u64,
    period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
}

fn perf_event(attr: &mut PerfEventAttr) -> io::Result<OwnedFd> {
    attr.size = u32::try_from(size_of::<PerfEventAttr>()).unwrap_or(72);
    let (pid, cpu, group) = (-1, 0, -1);
    // SAFETY: `attr` is a perf_event_attr of the size it states (PERF_ATTR_SIZE_VER1) and alive during the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_mut(attr),
            pid,
            cpu,
            group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(owned(fd))
    }
}

/// A tracepoint by the id that tracefs gives.
pub fn attach_tracepoint(program: BorrowedFd<'_>, id: u64) -> io::Result<OwnedFd> {
    const PERF_TYPE_TRACEPOINT: u32 = 2;
    let mut attr = PerfEventAttr {
        ty: PERF_TYPE_TRACEPOINT,
        config: id,
        ..PerfEventAttr::default()
    };
    run_on(perf_event(&mut attr)?, program)
}

/// A kprobe or kretprobe on a kernel function; `ty` is the dynamic PMU's type.
pub fn attach_kprobe(
    program: BorrowedFd<'_>,
    ty: u32,
    function: &str,
    returns: bool,
) -> io::Result<OwnedFd> {
    let name = CString::new(function)?;
    let mut attr = PerfEventAttr {
        ty,
        config: u64::from(returns),
        config1: name.as_ptr() as u64,
        ..PerfEventAttr::default()
    };
    run_on(perf_event(&mut attr)?, program)
}

fn run_on(event: OwnedFd, program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    for (request, arg) in [
        (PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()),
        (PERF_EVENT_IOC_ENABLE, 0),
    ] {
        // SAFETY: both requests take an int; the descriptor is a perf event we just opened.
        if unsafe { libc::ioctl(event.as_raw_fd(), request, arg) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(event)
}
