//! The system calls behind loading and attaching: `bpf(2)`, `perf_event_open(2)`, `mmap(2)`.

use std::{
    ffi::{CString, c_void},
    fmt,
    fs::File,
    io::{self, Read as _},
    ops::Deref,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
};

const MAP_UPDATE_ELEM: u32 = 2;
const PROG_LOAD: u32 = 5;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const RAW_TRACEPOINT_OPEN: u32 = 17;
const MAP_FREEZE: u32 = 22;
const LINK_CREATE: u32 = 28;
const ENABLE_STATS: u32 = 32;
const ITER_CREATE: u32 = 33;
const BPF_TRACE_ITER: u32 = 28;
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// Program types and attach types of uapi/linux/bpf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgType {
    Kprobe,
    Tracepoint,
    RawTracepoint,
    TpBtf,
    Fentry,
    Fexit,
    Iter,
}

impl ProgType {
    const fn numbers(self) -> (u32, u32) {
        match self {
            Self::Kprobe => (2, 0),
            Self::Tracepoint => (5, 0),
            Self::RawTracepoint => (17, 0),
            Self::TpBtf => (26, 23),
            Self::Fentry => (26, 24),
            Self::Fexit => (26, 25),
            Self::Iter => (26, BPF_TRACE_ITER),
        }
    }
}

/// A program ready for the verifier.
pub struct Load<'a> {
    pub name: &'a str,
    pub ty: ProgType,
    /// Instructions as the kernel wants them, eight bytes each.
    pub insns: &'a [u8],
    pub attach_btf_id: u32,
}

/// What the kernel answered, and the verifier's last words.
#[derive(Debug)]
pub struct LoadError {
    pub errno: io::Error,
    pub log: String,
}

impl fmt::Display for LoadError {
    /// The error, and the verifier's last word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errno)?;
        let last = self
            .log
            .lines()
            .rev()
            .find(|line| !line.starts_with("processed"));
        last.map_or(Ok(()), |line| write!(f, ": {line}"))
    }
}

#[repr(C)]
#[derive(Default)]
struct ProgLoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
}

fn bpf<T>(cmd: u32, attr: &mut T) -> io::Result<i64> {
    let len = size_of::<T>();
    // SAFETY: `attr` is a plain struct laid out as the kernel expects for `cmd`, alive during the call, and `len` is its size.
    let ret = unsafe { libc::syscall(libc::SYS_bpf, cmd, std::ptr::from_mut(attr), len) };
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}

fn bpf_fd<T>(cmd: u32, attr: &mut T) -> io::Result<OwnedFd> {
    bpf(cmd, attr).map(owned)
}

fn owned(fd: i64) -> OwnedFd {
    let fd = RawFd::try_from(fd).expect("the kernel returns file descriptors that fit an int");
    // SAFETY: the kernel just returned this descriptor to us; nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[expect(
    clippy::cast_sign_loss,
    reason = "a file descriptor we own is not negative"
)]
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// Loads a program; only a refusal asks the verifier to explain, so that success costs no log.
pub fn load(program: &Load<'_>) -> Result<OwnedFd, LoadError> {
    let (prog_type, expected_attach_type) = program.ty.numbers();
    let mut prog_name = [0; 16];
    for (to, from) in prog_name.iter_mut().take(15).zip(program.name.bytes()) {
        *to = from;
    }
    let mut attr = ProgLoadAttr {
        prog_type,
        insn_cnt: u32::try_from(program.insns.len() / 8).unwrap_or(u32::MAX),
        insns: program.insns.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        prog_name,
        expected_attach_type,
        attach_btf_id: program.attach_btf_id,
        ..ProgLoadAttr::default()
    };
    match bpf_fd(PROG_LOAD, &mut attr) {
        Ok(fd) => Ok(fd),
        Err(errno) => {
            let mut log = vec![0_u8; 1 << 18];
            (attr.log_level, attr.log_buf) = (1, log.as_mut_ptr() as u64);
            attr.log_size = 1 << 18;
            // The second attempt may succeed where the first met a passing shortage.
            bpf_fd(PROG_LOAD, &mut attr).map_err(|_| LoadError {
                errno,
                log: text(&log),
            })
        }
    }
}

fn text(log: &[u8]) -> String {
    let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).into_owned()
}

#[repr(C)]
struct RawTracepointAttr {
    name: u64,
    prog_fd: u32,
    _pad: u32,
}

/// Attaches `tp_btf`, fentry and fexit programs (no name) and raw tracepoints (by name); the link ends when it is dropped.
pub fn attach_raw(program: BorrowedFd<'_>, tracepoint: Option<&str>) -> io::Result<OwnedFd> {
    let name = tracepoint.map(CString::new).transpose()?;
    let mut attr = RawTracepointAttr {
        name: name.as_deref().map_or(0, |n| n.as_ptr() as u64),
        prog_fd: number(program),
        _pad: 0,
    };
    bpf_fd(RAW_TRACEPOINT_OPEN, &mut attr)
}

#[repr(C)]
#[derive(Default)]
struct LinkCreateAttr {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    iter_info: u64,
    iter_info_len: u32,
    _pad: u32,
}

/// One walk of a BPF iterator: reading the file runs the program on each element.
pub fn iterate(program: BorrowedFd<'_>) -> io::Result<File> {
    walk(std::os::fd::AsFd::as_fd(&attach_iterator(program, None)?))
}

/// An iterator, over the elements of `map` if it is one of maps (5.9).
pub fn attach_iterator(
    program: BorrowedFd<'_>,
    map: Option<BorrowedFd<'_>>,
) -> io::Result<OwnedFd> {
    // union bpf_iter_link_info: the descriptor of the map.
    let info = [map.map_or(0, number); 1];
    let mut link = LinkCreateAttr {
        prog_fd: number(program),
        attach_type: BPF_TRACE_ITER,
        ..LinkCreateAttr::default()
    };
    if map.is_some() {
        (link.iter_info, link.iter_info_len) = (info.as_ptr() as u64, 4);
    }
    bpf_fd(LINK_CREATE, &mut link)
}

/// One walk of an attached iterator.
pub fn walk(iterator: BorrowedFd<'_>) -> io::Result<File> {
    let mut attr = [number(iterator), 0_u32];
    bpf_fd(ITER_CREATE, &mut attr).map(File::from)
}

#[repr(C)]
struct MapAttr {
    map_fd: u32,
    _pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Writes the one value of a `.rodata` or `.bss` map and, if asked, freezes it.
pub fn fill_section(map: BorrowedFd<'_>, data: &[u8], freeze: bool) -> io::Result<()> {
    let key = 0_u32;
    let mut attr = MapAttr {
        map_fd: number(map),
        _pad: 0,
        key: std::ptr::from_ref(&key) as u64,
        value: data.as_ptr() as u64,
        flags: 0,
    };
    bpf(MAP_UPDATE_ELEM, &mut attr)?;
    if freeze {
        let mut attr = [number(map), 0];
        bpf(MAP_FREEZE, &mut attr)?;
    }
    Ok(())
}

/// Lets the kernel time BPF programs for as long as the descriptor lives.
pub fn enable_stats() -> io::Result<OwnedFd> {
    bpf_fd(ENABLE_STATS, &mut [0_u32, 0])
}

#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// Total run time in ns and runs of a program, as far as timing was enabled.
pub fn run_stats(program: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    // struct bpf_prog_info: run_time_ns and run_cnt stand at byte 192 (5.1).
    program_info(program).map(|info| (info[24], info[25]))
}

/// The kernel's number of a program: the second word.
pub fn program_id(program: BorrowedFd<'_>) -> io::Result<u32> {
    program_info(program).map(|info| u32::try_from(info[0] >> 32).unwrap_or(0))
}

/// `struct bpf_prog_info` as words of eight bytes.
fn program_info(program: BorrowedFd<'_>) -> io::Result<[u64; 28]> {
    let mut info = [0_u64; 28];
    let mut attr = InfoAttr {
        fd: number(program),
        len: 224,
        info: info.as_mut_ptr() as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

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

/// Raises the limit on locked memory: maps count against it before 5.11.
pub fn unlimited_memlock() {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is a valid rlimit. A refusal shows itself when a map cannot be made.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
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
