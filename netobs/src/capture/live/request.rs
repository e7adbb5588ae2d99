//! What is to be captured, and how.

use crate::capture::{filter::Program, link::LinkType};

/// What is to be captured.
pub struct Request<'a> {
    pub engine: Engine,
    /// Index of the device; none: all.
    pub device: Option<u32>,
    pub loopback: Option<u32>,
    /// What packets are told as: `Sll2` where the header of the link is not asked for.
    pub link: LinkType,
    pub filter: &'a Program,
    pub snaplen: u32,
    pub direction: Direction,
    pub promiscuous: bool,
    pub shape: Shape,
}

/// How large the ring is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes of a block of a packet socket's ring: a power of two, of pages at least.
    pub block: usize,
    pub blocks: usize,
    /// What does not fill a block is handed over after so long.
    pub retire_ms: u32,
}

impl Shape {
    pub const fn bytes(self) -> usize {
        self.block * self.blocks
    }
}

/// Which packets are wanted: `-Q`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
    #[default]
    Both,
}

/// How packets are taken from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// eBPF at TC of one device.
    Bpf,
    /// The same, where it ends with us even if we are killed.
    BpfLinks,
    /// The ring of a packet socket.
    Packet,
}
