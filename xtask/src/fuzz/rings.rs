//! Blocks of packet sockets' rings, and records of programs at TC, as the kernel makes them; of some, the length is as great as
//! can be.

use netobs_tests::captures::{COOKED_2, ETHERNET, RAW};

use super::seeds::OnLink;

/// Packets of one block.
const FEW: usize = 3;
/// What stands before packets of a block; before each one, and before its bytes (`TPACKET3_HDRLEN`, and room for a header).
const DESCRIPTION: usize = 48;
const HEADER: usize = 68;
const MAC: usize = 82;
/// `TP_STATUS_VLAN_VALID`, `TP_STATUS_VLAN_TPID_VALID`, `TP_STATUS_GSO_TCP`
const STATUS: [u32; 4] = [0, 1 << 4, 1 << 4 | 1 << 6, 1 << 8];
/// Links of interfaces whose packets are taken at TC.
const TAKEN: [u32; 2] = [ETHERNET, RAW];
const LONGEST: usize = 0xffff_ffff;
const TAG: u16 = 0x6005;
const TAG_TYPE: u16 = 0x88a8;

/// A block of a few packets of each link, and each packet as a record.
pub fn seeds(links: &[OnLink]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, link, packets) in links {
        // A packet socket makes the cooked header itself.
        let own = if *link == COOKED_2 { 20 } else { 0 };
        let bare: Vec<&[u8]> = packets.iter().filter_map(|one| one.get(own..)).collect();
        for few in bare.chunks(FEW) {
            seeds.push([&[0, *number][..], &block(few)].concat());
        }
        if TAKEN.contains(link) {
            let records = packets.iter().enumerate().map(record);
            seeds.extend(records.map(|record| [&[1, *number][..], &record].concat()));
        }
    }
    seeds
}

fn block(packets: &[&[u8]]) -> Vec<u8> {
    let mut block = vec![0; DESCRIPTION];
    put(&mut block, 12, packets.len());
    put(&mut block, 16, DESCRIPTION);
    for (index, packet) in packets.iter().enumerate() {
        let mut header = vec![0; MAC];
        let next = (MAC + packet.len()).next_multiple_of(8);
        let last = index + 1 == packets.len();
        put(&mut header, 0, if last { 0 } else { next });
        put(&mut header, 4, 1_700_000_000);
        put(&mut header, 8, index);
        put(&mut header, 12, packet.len());
        put(&mut header, 16, [packet.len(), LONGEST][index / 2 % 2]);
        let status = STATUS[index % STATUS.len()];
        header[20..24].copy_from_slice(&status.to_ne_bytes());
        header[24..26].copy_from_slice(&u16::try_from(MAC).unwrap_or(0).to_ne_bytes());
        header[32..34].copy_from_slice(&TAG.to_ne_bytes());
        header[36..38].copy_from_slice(&TAG_TYPE.to_ne_bytes());
        // struct sockaddr_ll: family, protocol, device, hardware, kind, address.
        let address = [17, 0, 8, 0, 2, 0, 0, 0, 1, 0, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        header[HEADER - address.len()..HEADER].copy_from_slice(&address);
        block.extend(header);
        block.extend(*packet);
        block.resize(block.len().next_multiple_of(8), 0);
    }
    block
}

fn record((index, packet): (usize, &Vec<u8>)) -> Vec<u8> {
    let mut record = vec![0; 32];
    put(&mut record, 8, packet.len());
    put(&mut record, 12, [packet.len(), LONGEST][index / 2 % 2]);
    put(&mut record, 16, index % 5);
    if index % 2 == 1 {
        let tag = u32::from(TAG) | 1 << 16;
        record[24..28].copy_from_slice(&tag.to_ne_bytes());
        record[28..30].copy_from_slice(&TAG_TYPE.to_be_bytes());
    }
    record.extend(packet);
    record
}

fn put(bytes: &mut [u8], at: usize, number: usize) {
    let word = u32::try_from(number).unwrap_or(u32::MAX);
    bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
}
