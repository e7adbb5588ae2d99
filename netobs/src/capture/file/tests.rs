//! Files of every form, and damaged ones: packets or an error with its place, never a panic.

use super::*;
use std::io::Cursor;

const FRAME: [u8; 14] = [1; 14];

fn classic(little: bool, magic: u32) -> Vec<u8> {
    let u32 = |n: u32| {
        if little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    };
    let u16 = |n: u16| {
        if little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    };
    let mut file = u32(magic).to_vec();
    file.extend([u16(2), u16(4)].concat());
    for n in [0, 0, 262_144, 1, 7, 9, 14, 60] {
        file.extend(u32(n));
    }
    file.extend(FRAME);
    file
}

fn read(file: &[u8]) -> Result<Vec<(u64, usize, u32)>, String> {
    let mut reader =
        Reader::open("x.pcap", Box::new(Cursor::new(file.to_vec()))).map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    while let Some((packet, _)) = reader.packet().map_err(|e| e.to_string())? {
        all.push((packet.time_ns, packet.data.len(), packet.wire));
    }
    Ok(all)
}

#[test]
fn classic_in_every_form() {
    for little in [true, false] {
        assert_eq!(
            read(&classic(little, 0xa1b2_c3d4)),
            Ok(vec![(7_000_009_000, 14, 60)])
        );
        assert_eq!(
            read(&classic(little, 0xa1b2_3c4d)),
            Ok(vec![(7_000_000_009, 14, 60)])
        );
    }
}

const PROCESS: Process = Process {
    pid: 812,
    comm: Comm(*b"curl\0\0\0\0\0\0\0\0\0\0\0\0"),
};

fn written() -> Vec<u8> {
    let interface = |name: &str| Interface {
        link: LinkType::Ethernet,
        snaplen: 96,
        name: Some(name.to_owned()),
        nanoseconds: true,
        swapped: false,
    };
    let interfaces = [interface("a"), interface("b")];
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file).unwrap();
    for interface in [1, 0, 1] {
        let packet = Packet {
            time_ns: 1_700_000_000_123_456_789,
            data: &FRAME[..13],
            wire: 1500,
            interface,
            way: Some(Way {
                out: true,
                reception: 3,
            }),
            comment: b"pid=1 comm=a",
            process: (interface == 1).then_some(PROCESS),
        };
        writer.write(&packet, &interfaces).unwrap();
    }
    writer.flush().unwrap();
    file
}

#[test]
fn what_is_written_is_read() {
    let packet = (1_700_000_000_123_456_789, 13, 1500);
    assert_eq!(read(&written()), Ok(vec![packet; 3]));
    let mut reader = Reader::open("x", Box::new(Cursor::new(written()))).unwrap();
    let mut processes = Vec::new();
    while let Some((packet, _)) = reader.packet().unwrap() {
        processes.push(packet.process);
    }
    assert_eq!(processes, [Some(PROCESS), None, Some(PROCESS)]);
    let names: Vec<_> = reader
        .interfaces()
        .iter()
        .map(|i| i.name.as_deref())
        .collect();
    assert_eq!(names, [Some("b"), Some("a")]);
}

/// Each byte that is no text becomes three.
#[test]
fn a_name_that_is_no_text_is_written_as_it_was_read() {
    let mut name = vec![0xff; 30_000];
    name[0] = b'e';
    let named = [
        &[1, 0, 0, 0, 96, 0, 0, 0, 2, 0][..],
        &30_000_u16.to_le_bytes(),
        &name,
    ]
    .concat();
    let length = u32::try_from(named.len() + 12).unwrap().to_le_bytes();
    let mut file =
        b"\n\r\r\n\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0"
            .to_vec();
    file.extend([&[1, 0, 0, 0][..], &length, &named, &length].concat());
    let read = |file: Vec<u8>| {
        let mut reader = Reader::open("x", Box::new(Cursor::new(file))).unwrap();
        reader
            .first_interface()
            .unwrap()
            .unwrap()
            .name
            .clone()
            .unwrap()
    };
    let name = read(file);
    assert!(name.len() <= 256 && name.starts_with("e\u{fffd}"));
    let interface = Interface {
        link: LinkType::Ethernet,
        snaplen: 96,
        name: Some(name.clone()),
        nanoseconds: true,
        swapped: false,
    };
    let mut again = Vec::new();
    let mut writer = Writer::new(&mut again).unwrap();
    writer
        .statistics(Statistics::default(), &[interface])
        .unwrap();
    writer.flush().unwrap();
    assert_eq!(read(again), name);
}

#[test]
fn an_error_names_file_and_offset() {
    let file = classic(true, 0xa1b2_c3d4);
    assert_eq!(
        read(&file[..50]),
        Err(
            "x.pcap, offset 24: the file ends inside of a packet: 10 of 14 bytes are there"
                .to_owned()
        )
    );
    let mut huge = file.clone();
    huge[32..36].fill(0xff);
    assert_eq!(
        read(&huge),
        Err("x.pcap, offset 24: a packet of 4294967295 bytes is longer than 262144: the file is damaged".to_owned())
    );
    assert!(
        read(b"#!/bin/sh\n")
            .unwrap_err()
            .contains("neither pcap nor pcapng")
    );
}

/// Every byte of both formats, changed in several ways, and every length.
/// Of an interface that nothing tells, so that no filter can be made.
#[test]
fn a_packet_before_all_interfaces_is_an_error() {
    let section = [
        &[
            0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
        ][..],
        &[0xff; 8],
        &[28, 0, 0, 0],
    ]
    .concat();
    let packet = [&[6, 0, 0, 0, 32, 0, 0, 0][..], &[0; 20], &[32, 0, 0, 0]].concat();
    let first = |file: Vec<u8>| {
        let reader = Reader::open("x.pcapng", Box::new(Cursor::new(file)));
        let first = reader.and_then(|mut reader| Ok(reader.first_interface()?.is_some()));
        first.map_err(|error| error.to_string())
    };
    assert_eq!(first(section.clone()), Ok(false));
    assert_eq!(
        first([section, packet].concat()),
        Err("x.pcapng, offset 28: a packet names an interface that is not there: the file is damaged".to_owned())
    );
}

#[test]
fn no_file_is_too_odd() {
    for file in [
        classic(true, 0xa1b2_c3d4),
        classic(false, 0xa1b2_3c4d),
        written(),
    ] {
        for at in 0..file.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut odd = file.clone();
                odd[at] = byte;
                drop(read(&odd));
            }
            drop(read(&file[..at]));
        }
    }
}
