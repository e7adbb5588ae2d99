//! What UNIX, packet and netlink sockets have of their own.

/// What only UNIX sockets have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unix {
    /// Path, or an abstract name that begins with NUL; empty: none. Bytes from outside.
    pub name: Vec<u8>,
    /// The peer's name where the source tells it.
    pub peer_name: Vec<u8>,
    /// Inode and device of the path.
    pub vfs: Option<(u32, u32)>,
    /// Inodes of sockets that wait to be accepted, and whether they were told.
    pub waiting: Vec<u32>,
    pub waiting_known: bool,
}

impl Unix {
    /// As the kernel keeps it: a path ends at its NUL, an abstract name begins with one.
    pub fn set_name(&mut self, value: &[u8]) {
        let name = if value.first() == Some(&0) {
            value
        } else {
            value.split(|byte| *byte == 0).next().unwrap_or_default()
        };
        self.name.extend_from_slice(name);
    }

    pub(super) fn reset(&mut self) {
        self.name.clear();
        self.peer_name.clear();
        self.waiting.clear();
        self.vfs = None;
        self.waiting_known = false;
    }
}

/// What only packet sockets have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Ethernet protocol; 3: all.
    pub protocol: u16,
    /// Whether version, threshold and flags are told.
    pub info_known: bool,
    pub version: u32,
    pub copy_threshold: u32,
    /// `PDI_*`.
    pub flags: u32,
    /// Block size and number, frame size and number, time-out, features.
    pub rx_ring: Option<[u32; 6]>,
    pub tx_ring: Option<[u32; 6]>,
    pub fanout: Option<u32>,
    /// Instructions of the attached classic filter.
    pub filter: Vec<[u32; 4]>,
}

impl Packet {
    pub(super) fn reset(&mut self) {
        let mut filter = std::mem::take(&mut self.filter);
        filter.clear();
        *self = Self {
            filter,
            ..Self::default()
        };
    }
}

/// What only netlink sockets have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Netlink {
    pub protocol: u8,
    pub groups: u32,
    /// Port id and group it is connected to.
    pub peer: Option<(u32, u32)>,
    /// Address of its callback, where /proc tells it.
    pub callback: u64,
}
