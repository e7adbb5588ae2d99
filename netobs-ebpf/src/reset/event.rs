//! The event of a connection reset.

use crate::event::{Flow, Header};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `reset`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Reset {
    pub header: Header,
    pub flow: Flow,
    /// `enum sk_rst_reason` (6.10); [`NO_REASON`]: not told.
    pub reason: u32,
    /// [`SENT`] or [`RECEIVED`].
    pub direction: u8,
    /// TCP state before; 0: no socket.
    pub state: u8,
    pub _pad: u16,
}

pub const NO_REASON: u32 = u32::MAX;
pub const SENT: u8 = 0;
pub const RECEIVED: u8 = 1;
