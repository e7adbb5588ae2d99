//! `bpf(2)`: loading, attaching, maps, statistics.

use std::{
    ffi::CString,
    fmt,
    fs::File,
    io::{self, Read as _},
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
/// `BPF_CGROUP_INET_SOCK_RELEASE`
const SOCK_RELEASE: u32 = 34;

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
    SchedCls,
    /// `cgroup/sock_release` (5.9)
    SockRelease,
}

impl ProgType {
    /// Does the kernel skip a run while another has lost the processor?
    pub const fn is_traced(self) -> bool {
        matches!(
            self,
            Self::RawTracepoint | Self::TpBtf | Self::Fentry | Self::Fexit
        )
    }

    const fn numbers(self) -> (u32, u32) {
        match self {
            Self::Kprobe => (2, 0),
            Self::Tracepoint => (5, 0),
            Self::RawTracepoint => (17, 0),
            Self::TpBtf => (26, 23),
            Self::Fentry => (26, 24),
            Self::Fexit => (26, 25),
            Self::Iter => (26, BPF_TRACE_ITER),
            Self::SchedCls => (3, 0),
            Self::SockRelease => (9, SOCK_RELEASE),
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

pub(super) fn bpf<T>(cmd: u32, attr: &mut T) -> io::Result<i64> {
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

pub(super) fn owned(fd: i64) -> OwnedFd {
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

/// The two places of a device that TC programs attach to by link (6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TcxAt {
    Ingress = 46,
    Egress = 47,
}

/// Puts a TC program in front of those that are there.
pub fn attach_tcx(program: BorrowedFd<'_>, device: u32, at: TcxAt) -> io::Result<OwnedFd> {
    /// `BPF_F_BEFORE`: of nothing named, so before all.
    const BEFORE: u32 = 1 << 3;
    let mut link = LinkCreateAttr {
        prog_fd: number(program),
        target_fd: device,
        attach_type: at as u32,
        flags: BEFORE,
        ..LinkCreateAttr::default()
    };
    bpf_fd(LINK_CREATE, &mut link)
}

/// Runs a program on each socket that processes of a cgroup close; others on the same cgroup stay (links: 5.7).
pub fn attach_sock_release(program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut link = LinkCreateAttr {
        prog_fd: number(program),
        target_fd: number(cgroup),
        attach_type: SOCK_RELEASE,
        ..LinkCreateAttr::default()
    };
    bpf_fd(LINK_CREATE, &mut link)
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

/// Walks to the end, for what the program does on its way. A walk that passes a million elements without a word pauses.
pub fn walk_through(mut walk: File) -> io::Result<()> {
    let mut nothing = [0; 64];
    loop {
        match walk.read(&mut nothing) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
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

/// What the kernel keeps about the runs of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunStats {
    /// Total time of the runs that were timed.
    pub ns: u64,
    /// Runs that were timed.
    pub runs: u64,
    /// Runs left out, because an interrupt came while the same program was running on that CPU (counted from 5.12).
    pub skipped: u64,
}

/// The run statistics of a program, as far as timing was enabled.
pub fn run_stats(program: BorrowedFd<'_>) -> io::Result<RunStats> {
    // struct bpf_prog_info: run_time_ns, run_cnt and recursion_misses stand from byte 192 on.
    program_info(program).map(|info| RunStats {
        ns: info[24],
        runs: info[25],
        skipped: info[26],
    })
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

/// Raises the limit on locked memory: maps count against it before 5.11.
pub fn unlimited_memlock() {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is a valid rlimit. A refusal shows itself when a map cannot be made.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
}
