//! Fields of packets: device, namespace, and the first bytes from the network header on.

use super::{
    access::{Access, Probed, Ptr, copy_words, field, has, offset, pointer},
    sock::{AF_INET, AF_INET6},
};
use netobs_ebpf::event::Flow;
use netobs_ebpf::packet::Flow4;

/// The device of a packet. `skb->dev` shares its place with other things while a packet is in a socket's queue,
/// so it is believed only when it looks like a pointer and leads to a namespace.
pub struct Device {
    pub netns: u32,
    pub ifindex: u32,
    pub name: [u64; 2],
}

impl Device {
    /// Not an `Option`: verifiers before 6.3 let nobody copy what stands uninitialised beside its `None`.
    pub const NONE: Self = Self {
        netns: 0,
        ifindex: 0,
        name: [0; 2],
    };

    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.netns == 0
    }
}

/// Inode numbers of namespaces begin here: `PROC_DYNAMIC_FIRST`, and a little below it the initial ones (`NET_NS_INIT_INO`).
pub const FIRST_NETNS: u32 = 0xefff_ff00;

#[inline(always)]
pub fn device(skb: Ptr) -> Option<Device> {
    let dev: Ptr = field!(Probed, skb, skb_dev);
    of_device(dev)
}

/// The same from the device itself.
#[inline(always)]
pub fn of_device(dev: Ptr) -> Option<Device> {
    // With five-level page tables kernel addresses begin at 0xff11 << 48.
    if (dev as u64) >> 56 != 0xff {
        return None;
    }
    let net: Ptr = field!(Probed, dev, dev_net);
    let netns: u32 = field!(Probed, net, net_inum);
    if netns < FIRST_NETNS {
        return None;
    }
    Some(Device {
        netns,
        ifindex: field!(Probed, dev, dev_ifindex),
        name: field!(Probed, dev, dev_name),
    })
}

/// Offset of the network header from `skb->head`, as far as it is set.
#[inline(always)]
pub fn network<A: Access>(skb: Ptr) -> (Ptr, u32) {
    let head: Ptr = field!(A, skb, skb_head);
    let network: u16 = field!(A, skb, skb_network);
    if network != 0 && network != u16::MAX {
        return (head, u32::from(network));
    }
    let data: Ptr = field!(A, skb, skb_data);
    (head, (data as u64).wrapping_sub(head as u64) as u32)
}

/// Addresses and ports, for filters: source as local end. `None`: neither IPv4 nor IPv6.
#[inline(always)]
pub fn flow<A: Access>(skb: Ptr) -> Option<Flow> {
    let (head, network) = network::<A>(skb);
    flow_at(unsafe { head.add(network as usize) })
}

/// The same of an IP header anywhere in memory.
#[inline(always)]
pub fn flow_at(at: Ptr) -> Option<Flow> {
    let first: u8 = unsafe { Probed::load(at, 0) };
    let mut flow = Flow::default();
    let transport = match first >> 4 {
        4 => {
            let ip: Flow4 = unsafe { Probed::load(at, 8) };
            flow.family = AF_INET;
            flow.proto = u16::from(ip.proto);
            flow.laddr[0] = ip.saddr;
            flow.raddr[0] = ip.daddr;
            u32::from(first & 15) * 4
        }
        6 => {
            let next: u8 = unsafe { Probed::load(at, 6) };
            flow.family = AF_INET6;
            flow.proto = u16::from(next);
            flow.laddr = unsafe { Probed::load(at, 8) };
            flow.raddr = unsafe { Probed::load(at, 24) };
            40
        }
        _ => return None,
    };
    if matches!(flow.proto, 6 | 17 | 132 | 136) {
        let ports: [u16; 2] = unsafe { Probed::load(at, transport) };
        flow.lport = u16::from_be(ports[0]);
        flow.rport = u16::from_be(ports[1]);
    }
    Some(flow)
}

/// The device of a packet, read as the rung allows: a typed load survives whatever stands in the place of a device.
#[inline(always)]
pub fn device_of<A: Access>(skb: Ptr) -> Device {
    let dev = pointer!(A, skb, sk_buff, skb_dev);
    let net: Ptr = field!(A, dev, dev_net);
    let netns: u32 = field!(A, net, net_inum);
    if netns < FIRST_NETNS {
        return Device::NONE;
    }
    Device {
        netns,
        ifindex: field!(A, dev, dev_ifindex),
        name: [field!(A, dev, dev_name), unsafe {
            A::load(dev, offset!(dev_name) + 8)
        }],
    }
}

/// Copies the first `N` bytes from the network header on; returns how many of them are the packet's.
///
/// # Safety
/// `to` is writable.
#[inline(always)]
pub unsafe fn put_start<A: Access, const N: usize>(to: *mut [u8; N], skb: Ptr) -> u16 {
    let (head, network) = network::<A>(skb);
    let tail: u32 = field!(A, skb, skb_tail);
    let valid = tail.wrapping_sub(network);
    unsafe { copy_words(to.cast(), N as u32, head.add(network as usize)) };
    if valid < N as u32 {
        valid as u16
    } else {
        N as u16
    }
}

/// The tag that was taken off: protocol in host byte order (0: none), and tag.
#[inline(always)]
pub fn vlan<A: Access>(skb: Ptr) -> (u16, u16) {
    let proto: u16 = if has!(skb_vlan_proto) {
        field!(A, skb, skb_vlan_proto)
    } else {
        0
    };
    (u16::from_be(proto), field!(A, skb, skb_vlan_tci))
}

/// The ends of a received packet as its socket of `family` sees them: destination as local end.
#[inline(always)]
pub fn received<A: Access>(skb: Ptr, family: u16) -> Option<Flow> {
    let packet = flow::<A>(skb)?;
    let mapped = family == AF_INET6 && packet.family == AF_INET;
    let address = |words: [u32; 4]| {
        if mapped {
            [0, 0, 0xffff_u32.to_be(), words[0]]
        } else {
            words
        }
    };
    Some(Flow {
        laddr: address(packet.raddr),
        raddr: address(packet.laddr),
        lport: packet.rport,
        rport: packet.lport,
        family,
        proto: packet.proto,
    })
}
