//! The kernel's network configuration and tables, asked over netlink: plain typed structs come out.
//!
//! Every call answers for the network namespace of the calling thread. Attributes are decoded one by one: what is odd or
//! unknown costs itself, never the message it came in.

pub mod addresses;
pub mod attrs;
pub mod conntrack;
pub mod ethtool;
pub mod families;
pub mod firewall;
pub mod ipset;
pub mod iptables;
pub mod links;
pub mod names;
pub mod neighbours;
pub mod nftables;
pub mod route_get;
pub mod routes;
pub mod rules;
pub mod sock_diag;
pub mod socket;
pub mod tc;
pub mod xtables;
