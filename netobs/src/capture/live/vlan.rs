//! The VLAN tag that the kernel keeps beside a packet, as it stood on the wire.

/// Bytes of both addresses of an Ethernet header: behind them it stands.
pub const ADDRESSES: usize = 12;
/// Bytes of a tag.
pub const BYTES: usize = 4;

/// A tag of a type in network order.
#[inline]
pub fn tag([first, second]: [u8; 2], tag: u16) -> [u8; BYTES] {
    let [high, low] = tag.to_be_bytes();
    [first, second, high, low]
}
