//! Frames for events, which begin at the network header or know a flow only: what stands before is made up.

use crate::capture::link::LinkType;
use netobs_ebpf::event::Flow;

/// `EtherType`s of IPv4 and IPv6.
const IP: [u16; 2] = [0x0800, 0x86dd];
/// Bytes of a tag.
pub const TAG: usize = 4;
/// No kind of packet that the kernel knows: whether it came or was to leave is not told.
const NO_KIND: u8 = 0xff;
/// `ARPHRD_NONE`
const NO_HARDWARE: u16 = 0xfffe;

/// A packet of the link, with the network header and what follows; none: the link cannot carry it.
pub fn frame(
    link: LinkType,
    device: u32,
    ethertype: u16,
    tag: Option<[u16; 2]>,
    start: &[u8],
) -> Option<Vec<u8>> {
    let outer = tag.map_or(ethertype, |[protocol, _]| protocol);
    let mut bytes = Vec::with_capacity(24 + start.len());
    match link {
        LinkType::Ethernet => {
            bytes.extend([0; 12]);
            bytes.extend(outer.to_be_bytes());
        }
        LinkType::Sll2 => {
            bytes.extend(outer.to_be_bytes());
            bytes.extend([0; 2]);
            bytes.extend(device.to_be_bytes());
            bytes.extend(NO_HARDWARE.to_be_bytes());
            bytes.extend([NO_KIND, 0]);
            bytes.extend([0; 8]);
        }
        LinkType::Raw | LinkType::RawV4 | LinkType::RawV6 => {
            bytes.extend(start);
            return IP.contains(&ethertype).then_some(bytes);
        }
        // No interface of Linux is one of these.
        LinkType::Sll | LinkType::Null | LinkType::Loop | LinkType::Ppp => return None,
    }
    if let Some([_, tci]) = tag {
        bytes.extend(tci.to_be_bytes());
        bytes.extend(ethertype.to_be_bytes());
    }
    bytes.extend(start);
    Some(bytes)
}

/// From the network header on: IP says it itself, since the kernel's length begins at the header that it had come to.
pub fn length(ethertype: u16, start: &[u8], len: u32) -> usize {
    let word = |at: usize| {
        let word = start.get(at..)?.first_chunk()?;
        Some(usize::from(u16::from_be_bytes(*word))).filter(|word| *word != 0)
    };
    let told = match ethertype {
        0x0800 => word(2),
        0x86dd => word(4).map(|payload| payload + 40),
        _ => None,
    };
    told.unwrap_or(len as usize).max(start.len())
}

/// The headers of a TCP segment, as an event knows them: network header and what follows, and its `EtherType`.
pub fn segment(flow: &Flow, is_sent: bool, flags: u8, seq: u32, len: u32) -> (u16, Vec<u8>) {
    const MAPPED: u32 = 0xffff_u32.to_be();
    const V6: u16 = 10;
    const TCP: u8 = 6;
    let swapped = !is_sent;
    let of = |local: [u32; 4], remote: [u32; 4]| {
        if swapped {
            [remote, local]
        } else {
            [local, remote]
        }
    };
    let [from, to] = of(flow.laddr, flow.raddr);
    let mut ports = [flow.lport, flow.rport];
    if swapped {
        ports.reverse();
    }
    let is_mapped = |addr: [u32; 4]| addr[..3] == [0, 0, MAPPED];
    let short = flow.family != V6 || is_mapped(from) && is_mapped(to);
    let place = if flow.family == V6 { 3 } else { 0 };
    let payload = u16::try_from(len).unwrap_or(u16::MAX - 60);
    let mut bytes = Vec::with_capacity(60);
    if short {
        bytes.extend([0x45, 0]);
        bytes.extend((payload + 40).to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, TCP, 0, 0]);
        bytes.extend(from[place].to_ne_bytes());
        bytes.extend(to[place].to_ne_bytes());
    } else {
        bytes.extend([0x60, 0, 0, 0]);
        bytes.extend((payload + 20).to_be_bytes());
        bytes.extend([TCP, 64]);
        for word in from.into_iter().chain(to) {
            bytes.extend(word.to_ne_bytes());
        }
    }
    bytes.extend(ports.into_iter().flat_map(u16::to_be_bytes));
    bytes.extend(seq.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
    (if short { IP[0] } else { IP[1] }, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: [u8; 28] = [
        0x45, 0, 0, 200, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 9, 0, 180, 0,
        0,
    ];

    #[test]
    fn frames_of_each_link() {
        let ether = frame(LinkType::Ethernet, 3, 0x0800, None, &UDP).unwrap();
        assert_eq!((ether.len(), &ether[12..14]), (42, &[8, 0][..]));
        let tagged = frame(LinkType::Ethernet, 3, 0x0800, Some([0x8100, 5]), &UDP).unwrap();
        assert_eq!(tagged[12..18], [0x81, 0, 0, 5, 8, 0]);
        let cooked = frame(LinkType::Sll2, 3, 0x0800, Some([0x8100, 5]), &UDP).unwrap();
        assert_eq!(cooked[..8], [0x81, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(cooked[20..24], [0, 5, 8, 0]);
        assert_eq!(
            frame(LinkType::Raw, 3, 0x0800, None, &UDP).unwrap(),
            UDP.to_vec()
        );
        assert!(frame(LinkType::Raw, 3, 0x0806, None, &UDP).is_none());
    }

    #[test]
    fn segments_of_flows() {
        let flow = Flow {
            laddr: [u32::from_ne_bytes([10, 0, 0, 1]), 0, 0, 0],
            raddr: [u32::from_ne_bytes([10, 0, 0, 2]), 0, 0, 0],
            lport: 80,
            rport: 4000,
            family: 2,
            proto: 6,
        };
        let (kind, sent) = segment(&flow, true, 4, 7, 0);
        assert_eq!((kind, sent.len(), &sent[2..4]), (0x0800, 40, &[0, 40][..]));
        assert_eq!(sent[12..22], [10, 0, 0, 1, 10, 0, 0, 2, 0, 80]);
        let (_, received) = segment(&flow, false, 4, 7, 0);
        assert_eq!(received[12..22], [10, 0, 0, 2, 10, 0, 0, 1, 0x0f, 0xa0]);
        let mapped = |last| [0, 0, 0xffff_u32.to_be(), last];
        let six = Flow {
            laddr: mapped(flow.laddr[0]),
            raddr: mapped(flow.raddr[0]),
            family: 10,
            ..flow
        };
        assert_eq!(segment(&six, true, 4, 7, 0).1, sent);
        let whole = Flow {
            laddr: [1, 2, 3, 4],
            ..six
        };
        let (kind, sent) = segment(&whole, true, 0x10, 7, 70_000);
        assert_eq!((kind, sent.len()), (0x86dd, 60));
    }

    #[test]
    fn lengths_are_those_of_the_header() {
        assert_eq!(length(0x0800, &UDP, 8), 200);
        assert_eq!(length(0x0806, &UDP, 46), 46);
        // A packet of several segments may say nothing.
        let mut big = UDP;
        big[2..4].fill(0);
        assert_eq!(length(0x0800, &big, 70_000), 70_000);
        assert_eq!(length(0x0800, &UDP[..2], 9), 9);
    }
}
