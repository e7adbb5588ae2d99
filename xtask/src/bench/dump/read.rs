//! A large capture read and filtered by `netobs dump` and tcpdump, written to nowhere and shown as lines.
//!
//! The capture lies in the page cache: what counts is the work, not the disk. The commands run one after the other, round by
//! round, so that the machine's other work spoils all alike; medians.
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use crate::bench::cost::scratch;
use crate::bench::options::DumpOptions;
use crate::bench::ss::measure;
use crate::bench::stats::median;

/// What is asked of the capture; the last ones are shown as lines, of a part of it.
const EXPRESSIONS: [&str; 4] = [
    "",
    "tcp port 443",
    "host 10.0.1.7 and udp port 53",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 or icmp",
];

pub fn run(netobs: &str, options: &DumpOptions) -> Result<()> {
    let file = scratch("dump.pcap")?;
    let small = scratch("dump-small.pcap")?;
    let packets = make(&file, options.size << 20)?;
    let few = make(&small, 16 << 20)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{packets} packets, {} MiB; medians of {} runs",
        options.size, options.rounds
    )?;
    writeln!(
        out,
        "{:<52} {:>10} {:>10} {:>8}",
        "", "netobs ms", "tcpdump ms", "ratio"
    )?;
    for expression in EXPRESSIONS {
        let args = |tool: &[&str]| {
            let file = file.to_string_lossy();
            let rest = ["-r", &file, "-w", "/dev/null", "--", expression];
            [tool, &rest]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (ours, theirs) = (args(&[netobs, "dump"]), args(&["tcpdump"]));
        row(
            &mut out,
            options.rounds,
            &format!("-w /dev/null '{expression}'"),
            &ours,
            &theirs,
        )?;
    }
    let lines = |tool: &[&str]| {
        let small = small.to_string_lossy();
        [tool, &["-n", "-r", &small]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let name = format!("lines of {few} packets");
    row(
        &mut out,
        options.rounds,
        &name,
        &lines(&[netobs, "dump"]),
        &lines(&["tcpdump"]),
    )?;
    for file in [file, small] {
        fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))?;
    }
    Ok(())
}

/// CPU and wall time of both; the ratio is of CPU time.
fn row(
    out: &mut impl Write,
    rounds: usize,
    name: &str,
    ours: &[String],
    theirs: &[String],
) -> Result<()> {
    let mut cpu = [Vec::new(), Vec::new()];
    let mut wall = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (index, command) in [ours, theirs].into_iter().enumerate() {
            let run = measure(command)?;
            cpu[index].push(run.cpu_ms);
            wall[index].push(run.wall_ms);
        }
    }
    let [a, b] = cpu.map(|all| median(&all));
    let [c, d] = wall.map(|all| median(&all));
    writeln!(
        out,
        "{name:<52} {a:>10.0} {b:>10.0} {:>8.2}   wall {c:.0} and {d:.0}",
        a / b
    )?;
    Ok(())
}

/// A capture of TCP and UDP packets of several sizes between a few hundred hosts; how many packets it holds.
fn make(path: &Path, size: u64) -> Result<u64> {
    const SIZES: [usize; 8] = [0, 0, 0, 0, 100, 600, 1400, 1400];
    const PORTS: [u16; 4] = [80, 443, 22, 53];
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    for n in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
        file.write_all(&n.to_le_bytes())?;
    }
    let (mut written, mut number) = (0, 0_u32);
    while written < size {
        let turn = number as usize * 7 % 512;
        let payload = vec![b'x'; SIZES[turn % 8]];
        let udp = turn % 4 == 3;
        let frame = frame(turn, PORTS[turn / 8 % 4], udp, &payload);
        let length = u32::try_from(frame.len())?;
        for n in [
            1_700_000_000 + number / 100_000,
            number % 100_000 * 10,
            length,
            length,
        ] {
            file.write_all(&n.to_le_bytes())?;
        }
        file.write_all(&frame)?;
        written += u64::from(length) + 16;
        number += 1;
    }
    file.flush()?;
    Ok(u64::from(number))
}

fn frame(turn: usize, port: u16, udp: bool, payload: &[u8]) -> Vec<u8> {
    let [low, ..] = turn.to_le_bytes();
    let header = if udp { 8 } else { 20 };
    let total = u16::try_from(20 + header + payload.len()).unwrap_or(u16::MAX);
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend(total.to_be_bytes());
    frame.extend([0, 1, 0x40, 0, 64, if udp { 17 } else { 6 }, 0, 0]);
    frame.extend([10, 0, u8::from(turn > 255), low, 10, 1, 0, low]);
    frame.extend(port.to_be_bytes());
    frame.extend([0x9c, low]);
    if udp {
        frame.extend((total - 20).to_be_bytes());
        frame.extend([0, 0]);
    } else {
        frame.extend([0, 0, 1, low, 0, 0, 2, low, 0x50, 0x10, 2, 0, 0, 0, 0, 0]);
    }
    frame.extend(payload);
    frame
}
