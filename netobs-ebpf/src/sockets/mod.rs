//! The table of sockets: a walk over all open files tells sockets with their holders, walks over the kernel's own tables
//! the rest.

mod ahead;
mod row;
mod tasks;
mod tcp;
mod threads;
mod told;
mod udp;
mod unix;

use netobs_ebpf::sockets::record::SocketsWanted;

/// Written by userspace, frozen before loading.
#[unsafe(no_mangle)]
pub static SOCKETS_WANTED: SocketsWanted = SocketsWanted {
    tcp_rows: 0,
    states: 0,
    holders: 0,
    netns: 0,
    from_file: 0,
    slots: 1,
    seed: 0,
    details: 0,
};

/// Reads one field of [`SOCKETS_WANTED`].
macro_rules! wanted {
    ($field:ident) => {
        $crate::kernel::access::constant(&raw const $crate::sockets::SOCKETS_WANTED.$field)
    };
}
pub(crate) use wanted;

/// Fills fields of a record on the stack. Volatile: zeros side by side would become a call of memset.
macro_rules! set {
    ($record:expr, { $($($field:ident).+ $([$index:literal])? : $value:expr),* $(,)? }) => {
        $({
            let value = $value;
            unsafe { (&raw mut (*$record).$($field).+ $([$index])?).write_volatile(value) }
        })*
    };
}
pub(crate) use set;
