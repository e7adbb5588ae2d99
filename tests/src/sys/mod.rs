//! The few system calls that the standard library lacks, each behind a safe function: the only `unsafe` of the labs.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use libc::c_int;

mod sockets;

pub use sockets::*;

pub(crate) fn check(ret: c_int) -> io::Result<c_int> {
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}

/// Gives the calling thread a new network namespace.
pub fn unshare_net() -> io::Result<()> {
    // SAFETY: takes no pointer; the calling thread alone changes its namespace.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Gives the calling thread a table of files of its own.
pub fn unshare_files() -> io::Result<()> {
    // SAFETY: takes no pointer; the calling thread alone changes its table.
    check(unsafe { libc::unshare(libc::CLONE_FILES) }).map(drop)
}

/// Moves the calling thread into the network namespace behind `fd`.
pub fn setns_net(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes no pointer; `fd` is open for the length of the call.
    check(unsafe { libc::setns(fd.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Forks a child into the network namespace `ns`; it keeps standard streams and `keep` (as descriptor 3), runs `body` and exits
/// with its answer.
///
/// Closing everything else matters: a forked copy of another lab's socket would hold back its FIN.
pub fn fork_into(
    ns: BorrowedFd<'_>,
    keep: BorrowedFd<'_>,
    body: impl FnOnce(OwnedFd) -> c_int,
) -> io::Result<libc::pid_t> {
    // SAFETY: the child only runs what follows, whose allocations glibc keeps usable after fork, and leaves by _exit.
    let pid = check(unsafe { libc::fork() })?;
    if pid > 0 {
        return Ok(pid);
    }
    let life = || setns_net(ns).map_or(102, |()| body(only_keep(keep.as_raw_fd())));
    let status = catch_unwind(AssertUnwindSafe(life)).unwrap_or(101);
    // SAFETY: ends the child at once: no destructor of the parent's threads or test harness runs twice.
    unsafe { libc::_exit(status) }
}

/// Forks a child that keeps every descriptor, runs `body` and ends; it dies with the thread that forks it.
pub fn fork_copy(body: impl FnOnce()) -> io::Result<libc::pid_t> {
    // SAFETY: the child only runs what follows, whose allocations glibc keeps usable after fork, and leaves by _exit.
    let pid = check(unsafe { libc::fork() })?;
    if pid > 0 {
        return Ok(pid);
    }
    let life = || die_with_parent().map(|()| body());
    let status = c_int::from(!matches!(catch_unwind(AssertUnwindSafe(life)), Ok(Ok(()))));
    // SAFETY: ends the child at once: no destructor of the parent's threads or test harness runs twice.
    unsafe { libc::_exit(status) }
}

fn only_keep(fd: RawFd) -> OwnedFd {
    // SAFETY: `fd` is open; descriptor 3 belongs to nobody in this fresh child, which closes what it inherited.
    let kept = unsafe { libc::dup2(fd, 3) };
    // SAFETY: closes descriptors inherited by fork, none of which this child uses.
    unsafe { libc::syscall(libc::SYS_close_range, 4u32, u32::MAX, 0u32) };
    // SAFETY: the duplicate is ours alone.
    unsafe { OwnedFd::from_raw_fd(kept) }
}

/// Names the calling thread: `comm`.
pub fn set_comm(name: &CStr) -> io::Result<()> {
    // SAFETY: `name` ends with NUL; the kernel copies at most 16 bytes.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }).map(drop)
}

/// Has the kernel kill this process when the thread that forked it ends.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

/// Has the kernel kill what `command` starts when the thread that starts it ends.
pub fn end_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(die_with_parent) };
}

/// Makes `directory` empty for this command: nothing else sees that.
pub fn hide(command: &mut Command, directory: &'static CStr) {
    let prepare = move || {
        let (none, nothing) = (c"none".as_ptr(), std::ptr::null());
        let private = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: takes no pointer.
        check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        // SAFETY: all strings are static.
        check(unsafe { libc::mount(none, c"/".as_ptr(), nothing, private, nothing.cast()) })?;
        let (at, tmpfs) = (directory.as_ptr(), c"tmpfs".as_ptr());
        // SAFETY: all strings are static.
        check(unsafe { libc::mount(none, at, tmpfs, 0, nothing.cast()) }).map(drop)
    };
    // SAFETY: between fork and exec the closure makes three system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// Has this command run in a network namespace: before what is taken from it, as it may not enter one later.
pub fn enter_net(command: &mut Command, ns: BorrowedFd<'_>) {
    let fd = ns.as_raw_fd();
    // SAFETY: takes no pointer; a descriptor that is closed by then is an error.
    let enter = move || check(unsafe { libc::setns(fd, libc::CLONE_NEWNET) }).map(drop);
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(enter) };
}

/// Takes capabilities, by their numbers, from this command and all it starts.
pub fn take_capabilities(command: &mut Command, numbers: &'static [c_int]) {
    let take = move || {
        numbers.iter().try_for_each(|number| {
            // SAFETY: takes no pointer.
            check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, *number, 0, 0, 0) }).map(drop)
        })
    };
    // SAFETY: between fork and exec the closure makes system calls and allocates nothing.
    unsafe { command.pre_exec(take) };
}

/// Becomes another user, for good.
pub fn setuid(uid: u32) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::setuid(uid) }).map(drop)
}

pub fn is_root() -> bool {
    // SAFETY: cannot fail, takes nothing.
    unsafe { libc::geteuid() == 0 }
}

/// Sends a signal to one process that we started.
pub fn kill(pid: libc::pid_t, signal: c_int) -> io::Result<()> {
    // SAFETY: takes no pointer; callers pass the pid of a child not yet reaped.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Reaps `pid` if it has ended: its wait status.
pub fn try_wait(pid: libc::pid_t) -> io::Result<Option<c_int>> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let got = check(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) })?;
    Ok((got == pid).then_some(status))
}

/// Closes every descriptor but the standard ones: for a child of [`fork_copy`] that uses none.
pub fn close_descriptors() {
    // SAFETY: the child ends without touching any of them.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
}

/// Sleeps until a signal ends the process.
pub fn pause() {
    // SAFETY: takes nothing.
    unsafe { libc::pause() };
}

/// Lets this process have as many files open as it may; root may have more than it was given.
pub fn raise_file_limit() -> io::Result<()> {
    const WANTED: libc::rlim_t = 65_536;
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` outlives the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    let more = libc::rlimit {
        rlim_cur: WANTED.max(limit.rlim_cur),
        rlim_max: WANTED.max(limit.rlim_max),
    };
    // SAFETY: `more` outlives the call.
    if check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const more) }).is_ok() {
        return Ok(());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` outlives the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// CPU time of this process, user and system, from getrusage(2).
pub fn cpu_user_sys() -> (Duration, Duration) {
    // SAFETY: all zeroes is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` outlives the call, which cannot fail for RUSAGE_SELF.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    (from_timeval(usage.ru_utime), from_timeval(usage.ru_stime))
}

fn from_timeval(t: libc::timeval) -> Duration {
    Duration::from_secs(t.tv_sec.unsigned_abs()) + Duration::from_micros(t.tv_usec.unsigned_abs())
}

/// CPU time of this process to the nanosecond.
pub fn cpu_time() -> Duration {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `t` outlives the call, which cannot fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut t) };
    Duration::from_secs(t.tv_sec.unsigned_abs()) + Duration::from_nanos(t.tv_nsec.unsigned_abs())
}

/// bpf(2) with its attribute as 64-bit words.
pub fn bpf(command: c_int, words: &mut [u64]) -> io::Result<c_int> {
    let len = u32::try_from(size_of_val(words)).expect("an attribute is small");
    // SAFETY: the kernel reads and writes `len` bytes at `words`; addresses inside it are the caller's live buffers.
    let ret = unsafe { libc::syscall(libc::SYS_bpf, command, words.as_mut_ptr(), len) };
    check(c_int::try_from(ret).expect("bpf(2) answers an int"))
}

/// Takes ownership of a descriptor that bpf(2) has just returned.
pub fn own(fd: c_int) -> OwnedFd {
    // SAFETY: callers pass the descriptor that a system call has just given them.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
