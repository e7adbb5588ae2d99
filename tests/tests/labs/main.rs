//! Labs: what really happened in namespaces of our own, and whether netobs told it.

mod accept;
mod bad_days;
mod bad_input;
mod close;
mod close_numbers;
mod connect;
mod connect_failed;
mod doctor;
mod drop;
mod existing;
mod filters;
mod filters_process;
mod icmp;
mod listen_overflow;
mod lost;
mod neigh;
mod reset;
mod retransmit;
mod retransmit_kinds;
mod route;
mod show;
mod support;
mod udp_drop;
mod watch;
