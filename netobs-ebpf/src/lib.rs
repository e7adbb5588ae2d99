//! The ABI between the BPF programs and userspace: configuration in, events out.
#![no_std]

pub mod config;
pub mod event;
pub mod hook;
pub mod offsets;
pub mod owner;
pub mod packet;

pub mod capture {
    //! Packets of a device.
    pub mod record;
}

pub mod drop {
    //! Packets the kernel freed.
    pub mod event;
}

pub mod listen_overflow {
    //! Listeners whose SYN or accept queue was full.
    pub mod event;
}

pub mod udp_drop {
    //! Datagrams refused by a full receive buffer.
    pub mod event;
}

pub mod lifecycle {
    //! TCP connections made, accepted, refused and ended.
    pub mod event;
}
pub mod holders {
    //! Sockets with the process that has them.
    pub mod record;
}
pub mod icmp {
    //! ICMP errors, with the packets they are about.
    pub mod event;
}
pub mod route {
    //! Route lookups that end in failure.
    pub mod event;
}
pub mod neigh {
    //! Neighbours that failed or changed.
    pub mod event;
}
pub mod sought;

pub mod sockets {
    //! The table of sockets as it is.
    pub mod local;
    pub mod record;
}

pub mod probes {
    //! Probes and answers with their time.
    pub mod record;
}

pub mod reset {
    //! RST segments sent and received.
    pub mod event;
}

pub mod retransmit {
    //! TCP segments sent again.
    pub mod event;
}

/// Raised whenever a struct of this crate changes; the loader refuses an object of another version.
pub const ABI_VERSION: u32 = 1;
