//! The netobs under test: where its binary is, how it runs, and what it has said.

pub mod binary;
pub mod doctor;
pub mod engines;
mod observer;
pub mod probe;
mod record;

pub use observer::{Observer, Watch};
pub use record::{Record, subset};

/// The collector that makes an event: they share a name, except where one collector makes several events.
pub fn collector_of(event: &str) -> &str {
    match event {
        "connect" | "accept" | "close" | "connect-failed" => "lifecycle",
        own => own,
    }
}
