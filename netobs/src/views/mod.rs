//! Events to lines: text for people, JSON for programs.

pub mod ask;
pub mod json;
pub mod probes;
pub mod show;
pub mod sockets;
pub mod table;
pub mod text;
pub mod time;

use crate::enrich::About;
use crate::event::Event;
use crate::names::Names;

/// How a stream of events is written into a buffer of bytes.
pub trait View {
    /// What stands above the first event.
    fn head(&mut self) {}
    fn event(&mut self, event: &Event, about: &About, names: &Names);
    /// Events that the ring had no room for, as they happen.
    fn lost(&mut self, hook: &str, count: u64);
    /// What is ready to be written.
    fn pending(&self) -> &[u8];
    fn clear(&mut self);
    /// Events are about to be shown: what time it is may have been set meanwhile.
    fn look_at_clock(&mut self);
}
