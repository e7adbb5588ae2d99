//! `-s`: of each packet the first bytes are kept, made-up headers and tags included, and filters look beyond them.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use netobs_tests::captures::Folder;
use netobs_tests::traffic::frame;

use super::capture::{Capture, ENGINES, End, Pair, packets, wait_for_packets};

/// Of the last ones the kernel cannot run the filter.
const CASES: [(&str, &str, usize); 5] = [
    ("v1", "udp port 7 or udp port 8", 5),
    ("any", "udp port 7", 3),
    ("v1", "ip protochain 17", 5),
    ("any", "udp port 7 and ip protochain 17", 3),
    (
        "v1",
        "udp port 7 and udp[40] = 0x78 and ip protochain 17",
        3,
    ),
];

/// Within the cooked header, the tag, and what filters ask for.
const SNAPLENS: [usize; 3] = [17, 20, 60];

/// Digits of the bytes of each packet, as tcpdump reads the file: none is longer than the file says that packets are.
fn bytes(file: &str) -> Result<Vec<String>> {
    let digits = |packet: &String| -> String {
        let rows = packet.lines().filter_map(|row| row.split_once(":  "));
        let rows = rows.filter(|(at, _)| at.starts_with("\t0x"));
        rows.flat_map(|(_, row)| row.split_whitespace()).collect()
    };
    Ok(packets(file)?.iter().map(digits).collect())
}

#[test]
fn the_first_bytes_of_packets_that_are_picked_whole() -> Result<()> {
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let mut all = Vec::new();
    for (number, (device, filter, wanted)) in CASES.into_iter().enumerate() {
        let whole = folder.path(&format!("tcpdump-{number}"));
        let tcpdump = Capture::tcpdump(&pair.b, &["-i", device, "-w", &whole, filter])?;
        let mut cut = Vec::new();
        let engines = if device == "any" || filter.contains("protochain") {
            &ENGINES[..1]
        } else {
            &ENGINES
        };
        for (engine, snaplen) in engines
            .iter()
            .flat_map(|engine| SNAPLENS.map(|snaplen| (engine, snaplen)))
        {
            let file = folder.path(&format!("{engine}-{number}-{snaplen}"));
            let length = snaplen.to_string();
            let args = [
                "--engine", engine, "-i", device, "-s", &length, "-w", &file, filter,
            ];
            cut.push((Capture::netobs(&pair.b, &args)?, snaplen, file));
        }
        all.push((tcpdump, whole, cut, wanted));
    }
    pair.send(7, 3, 100)?;
    let (from, to) = (frame::mac(&pair.a, "v0")?, frame::mac(&pair.b, "v1")?);
    let ports = |n: u8, port| (Ipv4Addr::new(10, 9, 0, n), port);
    let tagged = frame::vlan_udp(42, from, to, ports(1, 1000), ports(2, 8));
    frame::send(&pair.a, "v0", &tagged, 2)?;
    for (tcpdump, whole, cut, wanted) in all {
        wait_for_packets(&whole, wanted)?;
        tcpdump.end()?;
        let whole = bytes(&whole)?;
        ensure!(whole.len() == wanted, "tcpdump: {whole:#?}");
        for (netobs, snaplen, file) in cut {
            let end = netobs.end()?;
            let cut = |digits: &String| digits[..digits.len().min(2 * snaplen)].to_owned();
            let first: Vec<String> = whole.iter().map(cut).collect();
            let ours = bytes(&file)?;
            ensure!(ours == first, "{file}: {ours:#?}, not {first:#?}");
            let captured = u64::try_from(wanted)?;
            let exact = End {
                captured,
                received: captured,
                lost: 0,
            };
            ensure!(end == exact, "{file}: {end:?}");
        }
    }
    Ok(())
}
