//! The table of sockets from BPF iterators: one walk over all open files tells TCP sockets with their holders, and who
//! holds the others; a walk over the kernel's table tells the TCP sockets that no file holds.

mod counts;
mod decode;
mod fill;
mod listed;
mod load;
mod local;
mod table;
mod threads;
mod told;
mod walk;

pub use counts::{Counts, sockets};
pub use listed::Rest;
pub use load::SocketsError;
pub use netobs_ebpf::sockets::record::{HOLD_INET, HOLD_OTHER, HOLD_TCP, HOLD_UNIX};
pub use table::{Held, Missing, Question, Table};
