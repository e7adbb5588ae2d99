//! The BPF programs, one folder per collector.
#![feature(asm_experimental_arch)]
#![no_std]
#![no_main]
#![allow(static_mut_refs, reason = "maps are shared with the kernel by design")]

mod filter;
mod holders;
mod kernel;
mod maps;
mod owners;
mod sockets;
mod stash;
mod subject;

mod lifecycle {
    mod address;
    mod again;
    mod connect;
    mod functions;
    mod hooks;
    mod plain;
}
mod icmp {
    mod emit;
    mod received;
    mod reported;
    mod sent;
}
mod route {
    mod final_answer;
    mod hooks;
    mod lookup;
    mod pending;
    mod sender;
    mod whose;
}
mod neigh {
    mod hooks;
}

mod reset {
    mod functions;
    pub mod hooks;
}

mod retransmit {
    mod functions;
    pub mod hooks;
}
mod drop {
    mod hooks;
    mod rungs;
}
mod listen_overflow {
    mod entry;
    pub mod poll;
}
mod udp_drop {
    mod hooks;
}
mod capture {
    mod hooks;
}
mod probes {
    mod hooks;
    mod packet;
}
mod symbols;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
