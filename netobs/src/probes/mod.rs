//! Active measurement: questions put to the network, plain results out; nothing here prints.

pub mod dns;
pub mod resolve;
