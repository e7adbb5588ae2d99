//! Labs: what really happened in namespaces of our own, and whether netobs told it.

mod accept;
mod bad_days;
mod bad_input;
mod close;
mod close_numbers;
mod connect;
mod connect_command;
mod connect_failed;
mod connect_odd;
mod dns;
mod doctor;
mod drop;
mod dump;
mod edge;
mod edge_manners;
mod existing;
mod filters;
mod filters_process;
mod http;
mod icmp;
mod interrupts;
mod listen_overflow;
mod lost;
mod neigh;
mod probe_ways;
mod reset;
mod retransmit;
mod retransmit_kinds;
mod route;
mod show;
mod ss;
mod ss_bpf;
mod ss_churn;
mod ss_filters;
mod ss_input;
mod ss_netns;
mod ss_processes;
mod ss_sctp;
mod ss_views;
mod support;
mod tls;
mod udp_drop;
mod watch;

/// The labs of what asks the network, by raw sockets.
#[path = "."]
mod by_raw {
    use netobs_tests::netobs::engines::raw as probe;

    mod hostile;
    mod mtr;
    mod ping;
    mod scan;
    mod scan_services;
    mod tcping;
    mod trace;
    mod trace_ends;
    mod trace_protocols;
}

/// The same, by the kernel engine.
#[path = "."]
#[expect(
    clippy::duplicate_mod,
    reason = "every lab runs by both engines, and is written once"
)]
mod by_kernel {
    use netobs_tests::netobs::engines::kernel as probe;

    mod hostile;
    mod mtr;
    mod ping;
    mod scan;
    mod scan_services;
    mod tcping;
    mod trace;
    mod trace_ends;
    mod trace_protocols;
}
