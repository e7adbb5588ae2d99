//! Questions to name servers over UDP, TCP and TLS; what is no answer to them is ignored and counted.

pub mod exchange;
pub mod question;
pub mod rdata;
pub mod reply;
mod stream;
mod udp;

pub use exchange::{Asked, Ignored, Limits, Server, Trouble, Via, ask, ask_all};
pub use question::Question;
pub use reply::{Record, Reply};
