//! A packet socket and its ring (`TPACKET_V3`): blocks of packets that change hands with the kernel by one word, no system call a packet.

use super::super::Shape;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};
use zerocopy::{FromZeros as _, IntoBytes};

/// Options of packet sockets (`uapi/linux/if_packet.h`).
const ADD_MEMBERSHIP: libc::c_int = 1;
const RX_RING: libc::c_int = 5;
const STATISTICS: libc::c_int = 6;
const VERSION: libc::c_int = 10;
const IGNORE_OUTGOING: libc::c_int = 23;
const TPACKET_V3: u32 = 2;
const PROMISCUOUS: u16 = 1;
/// Where the word stands by which a block changes hands, and who has it.
const STATUS: usize = 8;
const OURS: u32 = 1;
const KERNELS: u32 = 0;
/// `ETH_P_ALL`
const EVERYTHING: u16 = 3;

/// A socket for packets, not yet listening to any: those before its filter would be nobody's.
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// `cooked`: packets come without the header of their link.
    pub fn open(cooked: bool) -> Result<Self, Errno> {
        let kind = if cooked {
            SocketType::DGRAM
        } else {
            SocketType::RAW
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        socket_with(AddressFamily::PACKET, kind, flags, None).map(Self)
    }

    fn set(&self, option: libc::c_int, value: &[u8]) -> io::Result<()> {
        let len = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
        let at = value.as_ptr().cast();
        // SAFETY: `at` points to `len` readable bytes that live through the call.
        let ret =
            unsafe { libc::setsockopt(self.0.as_raw_fd(), libc::SOL_PACKET, option, at, len) };
        if ret < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// All that the device receives, for whomever it is; ends with the socket.
    pub fn promiscuous(&self, device: u32) -> io::Result<()> {
        // struct packet_mreq: index, kind, no address.
        let mut request = [0; 16];
        request[..4].copy_from_slice(&device.to_ne_bytes());
        request[4..6].copy_from_slice(&PROMISCUOUS.to_ne_bytes());
        self.set(ADD_MEMBERSHIP, &request)
    }

    /// Packets that this host sends are not even looked at (4.20).
    pub fn ignore_outgoing(&self) -> io::Result<()> {
        self.set(IGNORE_OUTGOING, 1_u32.as_bytes())
    }

    /// From here on packets come, of one device or of all.
    pub fn listen(&self, device: Option<u32>) -> io::Result<()> {
        let mut address = [0_u32; 5];
        let bytes = address.as_mut_bytes();
        let family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
        bytes[..2].copy_from_slice(&family.to_ne_bytes());
        bytes[2..4].copy_from_slice(&EVERYTHING.to_be_bytes());
        bytes[4..8].copy_from_slice(&device.unwrap_or(0).to_ne_bytes());
        let at = address.as_ptr().cast();
        // SAFETY: the address is a whole sockaddr_ll of 20 bytes, aligned as its widest field, and lives through the call.
        let ret = unsafe { libc::bind(self.0.as_raw_fd(), at, 20) };
        if ret < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Packets that passed the filter since this was asked last, and how many of them found no room.
    pub fn statistics(&self) -> io::Result<[u32; 2]> {
        let mut words = <[u32; 3]>::new_zeroed();
        let mut len: libc::socklen_t = 12;
        let at = words.as_mut_ptr().cast();
        // SAFETY: `at` points to the 12 writable bytes that `len` tells, which live through the call.
        let ret = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                STATISTICS,
                at,
                &raw mut len,
            )
        };
        if ret < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok([words[0], words[1]])
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The memory shared with the kernel.
pub struct Ring {
    memory: NonNull<u8>,
    shape: Shape,
    next: usize,
}

// SAFETY: the memory is reached through this value alone.
unsafe impl Send for Ring {}

impl Ring {
    /// Gives a socket its ring.
    pub fn new(socket: &PacketSocket, shape: Shape) -> io::Result<Self> {
        /// Frames are as long as their packets: this only has to divide a block.
        const FRAME: u32 = 2048;
        let [block, blocks] = [shape.block, shape.blocks].map(u32::try_from);
        let (block, blocks) = block.ok().zip(blocks.ok()).ok_or(Errno::INVAL)?;
        socket.set(VERSION, TPACKET_V3.as_bytes())?;
        // struct tpacket_req3
        let frames = block / FRAME * blocks;
        let request = [block, blocks, FRAME, frames, shape.retire_ms, 0, 0];
        socket.set(RX_RING, request.as_bytes())?;
        let length = shape.bytes();
        // SAFETY: a new mapping of the ring that the kernel just made, of exactly its length; no memory of ours is replaced.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.0.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            memory: NonNull::new(memory.cast()).ok_or(Errno::NOMEM)?,
            shape,
            next: 0,
        })
    }

    fn status(&self) -> &AtomicU32 {
        let at = self.next * self.shape.block + STATUS;
        // SAFETY: blocks are whole and inside of the mapping, so their header is.
        let word = unsafe { self.memory.as_ptr().add(at) };
        // SAFETY: blocks begin at pages: the word is aligned; both sides reach it by atomic operations; the mapping lives as long as self.
        unsafe { AtomicU32::from_ptr(word.cast()) }
    }

    /// The next block, if the kernel has handed it over.
    pub fn block(&mut self) -> Option<&mut [u8]> {
        if self.status().load(Ordering::Acquire) & OURS == 0 {
            return None;
        }
        // SAFETY: a whole block inside of the mapping.
        let start = unsafe { self.memory.as_ptr().add(self.next * self.shape.block) };
        // SAFETY: the block is ours until `give_back`, which needs `self`, borrowed as long as the slice lives; the kernel does not write to it.
        Some(unsafe { std::slice::from_raw_parts_mut(start, self.shape.block) })
    }

    /// The block that was taken is the kernel's again.
    pub fn give_back(&mut self) {
        self.status().store(KERNELS, Ordering::Release);
        self.next = (self.next + 1) % self.shape.blocks;
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let length = self.shape.bytes();
        // SAFETY: the mapping is ours, of this length, and nobody can reach it any more.
        let _unmapped = unsafe { libc::munmap(self.memory.as_ptr().cast(), length) };
    }
}
