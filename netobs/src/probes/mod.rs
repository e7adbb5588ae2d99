//! Active measurement: questions put to the network, plain results out; nothing here prints.

pub mod dns;
pub mod http;
pub mod refusal;
pub mod resolve;
pub mod tls;
