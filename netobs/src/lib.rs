//! netobs sees the network of a Linux node from inside the kernel and says why.

pub mod bpf;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod collectors;
pub mod enrich;
pub mod event;
pub mod fields;
pub mod host;
pub mod icmp;
pub mod line;
pub mod names;
pub mod netlink;
pub mod netns;
pub mod packet;
pub mod probes;
pub mod signals;
pub mod sinks;
pub mod socket;
pub mod sockets;
pub mod views;
pub mod wall;
