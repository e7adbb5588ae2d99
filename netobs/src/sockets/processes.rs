//! Which processes hold which sockets: one walk over /proc/*/fd, by descriptors of directories, without paths.

use crate::{event::Comm, socket::Holder};
use rustix::{
    fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw},
    io::Errno,
};
use std::{cmp::Reverse, ffi::CStr, mem::MaybeUninit, os::fd::OwnedFd};

/// What a descriptor of a socket reads as: `socket:[12345]`.
const SOCKET: &[u8] = b"socket:[";

/// One descriptor: 12 bytes, as a busy machine has a million.
#[derive(Clone, Copy)]
struct Held {
    inode: u32,
    process: u32,
    fd: u32,
}

#[derive(Clone, Copy)]
struct Process {
    pid: u32,
    tid: u32,
    comm: Comm,
}

/// Holders of every socket of the machine, by inode number.
#[derive(Default)]
pub struct Processes {
    held: Vec<Held>,
    list: Vec<Process>,
    /// Of the descriptor added last: process, thread, descriptor.
    last: (u32, u32, u32),
    /// Descriptors were added out of order: a thread with a table of its own holds what its process holds.
    mixed: bool,
    /// Processes whose descriptors we may not read.
    pub refused: usize,
    /// Gone while we looked.
    pub vanished: usize,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Entries of a directory are read in such portions.
const PORTION: usize = 32 * 1024;

impl Processes {
    /// Looks at every process; with `threads` also at threads that do not share descriptors with their process.
    pub fn read(threads: bool) -> std::io::Result<Self> {
        let mut found = Self::default();
        let proc = openat(CWD, c"/proc", DIRECTORY, Mode::empty())?;
        let mut outer = vec![MaybeUninit::uninit(); PORTION];
        let mut inner = vec![MaybeUninit::uninit(); PORTION];
        let mut dir = RawDir::new(&proc, &mut outer);
        while let Some(entry) = dir.next() {
            let entry = entry?;
            let Some(pid) = number(entry.file_name().to_bytes()) else {
                continue;
            };
            found.process(&proc, entry.file_name(), pid, threads, &mut inner);
        }
        found.finish();
        Ok(found)
    }

    /// Adds a descriptor that another source met.
    pub fn add(&mut self, inode: u64, holder: &Holder) {
        // Inodes of sockets count in 32 bits.
        let Ok(inode) = u32::try_from(inode) else {
            return;
        };
        let same = self
            .list
            .last()
            .is_some_and(|last| (last.pid, last.tid) == (holder.pid, holder.tid));
        if !same {
            self.list.push(Process {
                pid: holder.pid,
                tid: holder.tid,
                comm: holder.comm,
            });
        }
        let this = (holder.pid, holder.tid, holder.fd);
        self.mixed |= this <= std::mem::replace(&mut self.last, this);
        self.held.push(Held {
            inode,
            process: u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX),
            fd: holder.fd,
        });
    }

    /// All descriptors were added.
    pub fn finish(&mut self) {
        // Of equal inodes the last found stands first, as ss prints them.
        self.held.reverse();
        self.held.sort_by_key(|held| held.inode);
        if self.mixed {
            let list = &self.list;
            let key = |held: &Held| {
                let holder = list.get(held.process as usize);
                let holder = holder.map(|process| (process.pid, process.tid, held.fd));
                (held.inode, Reverse(holder))
            };
            self.held.sort_by_key(key);
            self.held.dedup_by_key(|held| key(held));
        }
    }

    fn process(
        &mut self,
        proc: &OwnedFd,
        name: &CStr,
        pid: u32,
        threads: bool,
        buffer: &mut [MaybeUninit<u8>],
    ) {
        let opened = openat(proc, name, DIRECTORY | OFlags::PATH, Mode::empty());
        match opened.and_then(|process| self.task(&process, pid, pid, buffer).map(|()| process)) {
            Ok(process) if threads => self.threads(&process, pid, buffer),
            Ok(_) => {}
            Err(Errno::ACCESS | Errno::PERM) => self.refused += 1,
            Err(_) => self.vanished += 1,
        }
    }

    fn threads(&mut self, process: &OwnedFd, pid: u32, buffer: &mut [MaybeUninit<u8>]) {
        let Ok(tasks) = openat(process, c"task", DIRECTORY, Mode::empty()) else {
            return;
        };
        let mut names = vec![MaybeUninit::uninit(); PORTION];
        let mut dir = RawDir::new(&tasks, &mut names);
        while let Some(Ok(entry)) = dir.next() {
            let Some(tid) = number(entry.file_name().to_bytes()).filter(|tid| *tid != pid) else {
                continue;
            };
            let task = openat(
                &tasks,
                entry.file_name(),
                DIRECTORY | OFlags::PATH,
                Mode::empty(),
            );
            // A thread may end at any time; its process is counted elsewhere.
            if task.is_err()
                || self
                    .task(&task.expect("checked before"), pid, tid, buffer)
                    .is_err()
            {
                self.vanished += 1;
            }
        }
    }

    /// Descriptors of one process or thread.
    fn task(
        &mut self,
        task: &OwnedFd,
        pid: u32,
        tid: u32,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<(), Errno> {
        let fds = openat(task, c"fd", DIRECTORY, Mode::empty())?;
        let process = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let before = self.held.len();
        let mut dir = RawDir::new(&fds, buffer);
        while let Some(entry) = dir.next() {
            let entry = entry?;
            let name = entry.file_name();
            let Some(fd) = number(name.to_bytes()) else {
                continue;
            };
            let mut target = [MaybeUninit::uninit(); 32];
            // Closed between the two looks, or no socket.
            let Ok((target, _)) = readlinkat_raw(&fds, name, &mut target) else {
                continue;
            };
            if let Some(inode) = socket_inode(target) {
                self.held.push(Held { inode, process, fd });
            }
        }
        if self.held.len() > before {
            self.list.push(Process {
                pid,
                tid,
                comm: comm_of(task),
            });
        }
        Ok(())
    }

    /// All that hold the socket.
    pub fn of(&self, inode: u32) -> impl Iterator<Item = Holder> + '_ {
        let start = self.held.partition_point(|held| held.inode < inode);
        let of_inode = self.held[start..].iter();
        of_inode
            .take_while(move |held| held.inode == inode && inode != 0)
            .filter_map(|held| {
                let process = self.list.get(held.process as usize)?;
                Some(Holder {
                    pid: process.pid,
                    tid: process.tid,
                    fd: held.fd,
                    comm: process.comm,
                })
            })
    }
}

/// What a walk over /proc will take, roughly: measured 50 microseconds a process, a third of the tasks being threads, and 2.5
/// for each open file.
pub fn walk_us() -> u64 {
    let tasks = word("/proc/loadavg", 3).and_then(|w| w.split_once('/')?.1.parse::<u64>().ok());
    let files = word("/proc/sys/fs/file-nr", 0).and_then(|w| w.parse::<u64>().ok());
    tasks.unwrap_or(0) * 35 + files.unwrap_or(0) * 5 / 2
}

fn word(path: &str, place: usize) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.split_whitespace().nth(place).map(str::to_owned)
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

fn socket_inode(target: &[u8]) -> Option<u32> {
    let digits = target.strip_prefix(SOCKET)?.strip_suffix(b"]")?;
    digits.iter().try_fold(0u32, |number, digit| {
        let value = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(value)
    })
}

fn comm_of(task: &OwnedFd) -> Comm {
    let mut comm = Comm::default();
    let mut bytes = [0; 64];
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let read = openat(task, c"comm", flags, Mode::empty())
        .and_then(|file| rustix::io::read(&file, &mut bytes[..]));
    if let Ok(length) = read {
        let name = bytes[..length]
            .strip_suffix(b"\n")
            .unwrap_or(&bytes[..length]);
        let length = name.len().min(comm.0.len());
        comm.0[..length].copy_from_slice(&name[..length]);
    }
    comm
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::UdpSocket, os::fd::AsRawFd as _};

    #[test]
    fn our_own_socket_is_found_twice() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let copy = socket.try_clone().unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        let inode = socket_inode(link.to_str().unwrap().as_bytes()).unwrap();
        let found = Processes::read(false).unwrap();
        let mut fds: Vec<u32> = found.of(inode).map(|holder| holder.fd).collect();
        fds.sort_unstable();
        let mut want = [socket.as_raw_fd(), copy.as_raw_fd()].map(i32::unsigned_abs);
        want.sort_unstable();
        assert_eq!(fds, want);
        assert!(found.of(inode).all(|h| h.pid == std::process::id()));
        assert_eq!(found.of(0).count(), 0);
    }

    #[test]
    fn what_is_no_socket() {
        for text in ["pipe:[3]", "socket:[", "socket:[x]", "socket:[99999999999]"] {
            assert_eq!(socket_inode(text.as_bytes()), None, "{text}");
        }
        assert_eq!(number(b"self"), None);
    }
}
