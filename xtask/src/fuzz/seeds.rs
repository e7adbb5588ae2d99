//! What fuzzing begins with: packets of the labs' zoo, files and rings of them, and the expressions that the labs compare.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use netobs_tests::captures::{
    COOKED, COOKED_2, ETHERNET, Form, LOOP, NULL, RAW, RAW_V4, RAW_V6, odd, pcap, relink, zoo,
};

use super::{rings, run};
use crate::paths;

/// Links in the order in which the targets number them.
const LINKS: [u32; 8] = [ETHERNET, RAW, RAW_V4, RAW_V6, COOKED, COOKED_2, NULL, LOOP];
/// Packets of one file.
const FEW: usize = 3;

pub fn folder(target: &str) -> PathBuf {
    run::folder("seeds", target)
}

/// Writes the seeds of all targets anew.
pub fn write() -> Result<()> {
    let frames = [zoo(), odd()].concat();
    let links: Vec<(u8, u32, Vec<Vec<u8>>)> = (0..)
        .zip(LINKS)
        .map(|(number, link)| (number, link, relink(link, &frames)))
        .collect();
    save("filter", &filters(&links)?)?;
    save("files", &files(&links))?;
    save("lines", &lines(&links))?;
    save("ring", &rings::seeds(&links))
}

/// A link: its number among the targets', and in files, and packets of it.
pub type OnLink = (u8, u32, Vec<Vec<u8>>);

fn save(target: &str, seeds: &[Vec<u8>]) -> Result<()> {
    let folder = folder(target);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("{number:04}")), seed)?;
    }
    Ok(())
}

/// Each expression with a packet, link by link.
fn filters(links: &[OnLink]) -> Result<Vec<Vec<u8>>> {
    let file = paths::root().join("tests/tests/labs/dump/filters.txt");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let seeds = text.lines().enumerate().map(|(index, expression)| {
        let (number, _, packets) = &links[if index % 2 == 0 {
            0
        } else {
            index / 2 % links.len()
        }];
        let asked = u8::try_from(index % 8).unwrap_or(0);
        let packet = packets.get(index % packets.len().max(1));
        let packet = packet.map_or(&[][..], Vec::as_slice);
        [&[*number, asked][..], expression.as_bytes(), &[0], packet].concat()
    });
    Ok(seeds.collect())
}

/// Each packet on each link, shown in several ways.
fn lines(links: &[OnLink]) -> Vec<Vec<u8>> {
    const FLAGS: [u16; 6] = [0, 3, 0x0b, 0x603, 0x8003, 4];
    let mut seeds = Vec::new();
    for (number, _, packets) in links {
        for (packet, flags) in packets.iter().zip(FLAGS.into_iter().cycle()) {
            let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
            let head = [flags.to_be_bytes(), [*number, 0], length.to_be_bytes()];
            seeds.push([head.as_flattened(), packet].concat());
        }
    }
    seeds
}

/// Both formats in both byte orders, of each link.
fn files(links: &[OnLink]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (_, link, packets) in links {
        let few = &packets[..packets.len().min(FEW)];
        for little in [true, false] {
            let form = Form {
                little,
                nanoseconds: little,
                ..Form::of(*link)
            };
            seeds.push(pcap(form, few));
            seeds.push(pcapng(little, *link, few));
        }
    }
    seeds
}

/// A section, a block to be stepped over, a process, two interfaces, and packets in blocks of each kind.
fn pcapng(little: bool, link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let order = Order { little };
    let link = u16::try_from(link).unwrap_or(0);
    let head = [
        order.u32(0x1a2b_3c4d),
        order.u16s([1, 0]),
        [0xff; 4],
        [0xff; 4],
    ];
    let clock = [order.option(9, &[9]), order.option(14, &[0; 8])].concat();
    let interface = [order.u16s([link, 0]), order.u32(96)].concat();
    let named = [&interface[..], &order.option(2, b"eth0"), &clock, &[0; 4]].concat();
    let mut file = order.block(0x0a0d_0d0a, head.as_flattened());
    file.extend(order.block(4, &[0; 8]));
    let process = [&order.u32(812)[..], &order.option(2, b"curl"), &[0; 4]].concat();
    file.extend(order.block(0x8000_0001, &process));
    file.extend(order.block(1, &named));
    file.extend(order.block(1, &interface));
    for (index, packet) in (0_u32..).zip(packets) {
        let length = order.u32(u32::try_from(packet.len()).unwrap_or(0));
        let stamp = [order.u32(0x0005_0000), order.u32(index)];
        let body = match index % 3 {
            0 => {
                let about = [
                    order.option(1, b"pid=1 comm=a"),
                    order.option(2, &order.u32(2)),
                    order.option(0x8001, &order.u32(0)),
                    vec![0; 4],
                ];
                let head = [order.u32(0), stamp[0], stamp[1], length, length];
                (
                    6,
                    [head.as_flattened(), &padded(packet), &about.concat()].concat(),
                )
            }
            1 => (3, [&length[..], &padded(packet)].concat()),
            _ => {
                let head = [order.u16s([1, 0]), stamp[0], stamp[1], length, length];
                (2, [head.as_flattened(), &padded(packet)].concat())
            }
        };
        file.extend(order.block(body.0, &body.1));
    }
    file
}

struct Order {
    little: bool,
}

impl Order {
    fn u32(&self, n: u32) -> [u8; 4] {
        if self.little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    }

    fn u16s(&self, [a, b]: [u16; 2]) -> [u8; 4] {
        let ([a, b], [c, d]) = if self.little {
            (a.to_le_bytes(), b.to_le_bytes())
        } else {
            (a.to_be_bytes(), b.to_be_bytes())
        };
        [a, b, c, d]
    }

    fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap_or(0);
        [&self.u16s([code, length])[..], &padded(value)].concat()
    }

    fn block(&self, kind: u32, body: &[u8]) -> Vec<u8> {
        let length = self.u32(u32::try_from(body.len() + 12).unwrap_or(0));
        [&self.u32(kind)[..], &length, body, &length].concat()
    }
}

/// Filled up to whole words.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
