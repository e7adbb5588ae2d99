//! Questions to name servers over UDP, TCP and TLS; what is no answer to them is ignored and counted.

pub mod compare;
pub mod exchange;
mod explain;
mod lookup;
pub mod question;
pub mod rdata;
pub mod reply;
mod stream;
pub mod trace;
mod udp;

pub use exchange::{Asked, Ignored, Limits, Secure, Server, Trouble, Via, ask, ask_all};
pub use explain::explain;
pub use lookup::{Answer, Attempt, lookup};
pub use question::Question;
pub use reply::{Record, Reply};
