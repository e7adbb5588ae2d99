//! Active measurement: pure state machines that ask, and engines that send the probes and stamp the answers; nothing here prints.
//!
//! A state machine (`trace`, `ping`, `port`) is told the time and what came in, and says what to send and when to wake it: no
//! socket, no clock. An engine (`engine`) sends a probe and yields stamped answers, and has a name.

pub mod dial;
pub mod dns;
pub mod doctor;
pub mod engine;
pub mod http;
pub mod names;
pub mod net;
pub mod outstanding;
pub mod packet;
pub mod ping;
pub mod port;
pub mod refusal;
pub mod resolve;
pub mod run;
#[cfg(test)]
mod simnet;
pub mod stats;
pub mod stop;
pub mod tls;
pub mod trace;
