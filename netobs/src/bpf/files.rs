//! Files of the kernel: its types mapped, its pseudo file systems mounted where nobody sees it.

use super::sys::owned;
use std::{
    ffi::c_void,
    fs::File,
    io::{self, Read as _},
    ops::Deref,
    os::fd::{AsRawFd as _, OwnedFd},
};

/// A file's bytes: mapped where the file can be (kernel BTF from 6.16), else read.
pub enum FileBytes {
    Mapped(*const c_void, usize),
    Read(Vec<u8>),
}

impl FileBytes {
    pub fn open(path: &str) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let (null, fd) = (std::ptr::null_mut(), file.as_raw_fd());
        // SAFETY: a private read-only mapping at an address the kernel chooses touches no memory of ours.
        let at = unsafe { libc::mmap(null, len, libc::PROT_READ, libc::MAP_PRIVATE, fd, 0) };
        if len > 0 && at != libc::MAP_FAILED {
            return Ok(Self::Mapped(at, len));
        }
        let mut bytes = Vec::with_capacity(len);
        file.read_to_end(&mut bytes)?;
        Ok(Self::Read(bytes))
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            // SAFETY: the mapping has this length, is readable and lives until drop; sysfs BTF never changes.
            Self::Mapped(at, len) => unsafe { std::slice::from_raw_parts(at.cast(), *len) },
            Self::Read(bytes) => bytes,
        }
    }
}

impl Drop for FileBytes {
    fn drop(&mut self) {
        if let Self::Mapped(at, len) = self {
            // SAFETY: unmaps what `open` mapped, once; no slice of it outlives `self`.
            unsafe { libc::munmap(at.cast_mut(), *len) };
        }
    }
}

/// A mount of a pseudo file system that is attached nowhere (5.2); it goes with the descriptor.
pub fn detached_mount(kind: &std::ffi::CStr) -> io::Result<OwnedFd> {
    const FSCONFIG_CMD_CREATE: u32 = 6;
    const CLOEXEC: u32 = 1;
    let check = |ret: i64| {
        if ret < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(ret)
        }
    };
    // SAFETY: `kind` is a C string; the other arguments are numbers.
    let fs = owned(check(unsafe {
        libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC)
    })?);
    let (fd, null) = (fs.as_raw_fd(), std::ptr::null::<u8>());
    // SAFETY: FSCONFIG_CMD_CREATE takes no key and no value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, null, null, 0) })?;
    // SAFETY: all arguments are numbers.
    Ok(owned(check(unsafe {
        libc::syscall(libc::SYS_fsmount, fd, CLOEXEC, 0)
    })?))
}
