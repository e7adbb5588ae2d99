//! Flags of `netobs dump`, those of tcpdump.

use super::{
    on::{Occasion, occasion},
    owners::OwnerArgs,
};
use crate::capture::{
    lines::{Bytes, Shown, Stamp},
    live::{self, Direction},
};
use clap::{ArgAction, Args, ValueEnum};
use std::{path::PathBuf, time::Duration};

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Dump {
    /// A filter of pcap-filter(7), such as: tcp port 80 and host 10.0.0.1; flags may stand behind it
    pub expression: Vec<String>,

    /// Interface to capture from, by name or number of -D, or any; without it the first that runs
    #[arg(short, long, value_name = "IFACE", conflicts_with = "read")]
    pub interface: Option<String>,

    /// List the interfaces
    #[arg(short = 'D', long = "list-interfaces")]
    pub devices: bool,

    /// Packets that come, that leave, or both
    #[arg(short = 'Q', long, value_name = "WAY", conflicts_with = "read")]
    pub direction: Option<Wanted>,

    /// Only what is for this host and what it sends: the interface does not become promiscuous
    #[arg(short = 'p', long = "no-promiscuous-mode")]
    pub no_promiscuous: bool,

    /// KiB of the ring between kernel and netobs; 32768 without it
    #[arg(short = 'B', long = "buffer-size", value_name = "KIB", value_parser = buffer)]
    pub buffer: Option<usize>,

    /// How packets are taken from the kernel
    #[arg(long, value_name = "ENGINE", conflicts_with = "read")]
    pub engine: Option<Engine>,

    /// Read a pcap or pcapng file; - is standard input
    #[arg(short, value_name = "FILE")]
    pub read: Option<PathBuf>,

    /// Write the packets to a pcapng file instead of showing them; - is standard output
    #[arg(short, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// Each packet is in the file within 10 ms
    #[arg(short = 'U', long = "packet-buffered")]
    pub unbuffered: bool,

    /// Each line is written within 10 ms, which is so anyway
    #[arg(short = 'l')]
    pub line_buffered: bool,

    /// Packets that the kernel drops, too, with the reason and the place in its code
    #[arg(long, conflicts_with = "read")]
    pub drops: bool,

    /// Keep packets for some seconds, and tell them only around an event: drop, reset or retransmit, as reset:tcp port 443
    #[arg(long, value_name = "EVENT[:FILTER]", conflicts_with = "read", value_parser = occasion)]
    pub on: Option<(Occasion, String)>,

    /// With --on: packets of so many seconds before the event
    #[arg(long, value_name = "SECONDS", default_value = "10", requires = "on", value_parser = seconds)]
    pub before: u64,

    /// With --on: packets of so many seconds behind the event
    #[arg(long, value_name = "SECONDS", default_value = "1", requires = "on", value_parser = seconds)]
    pub after: u64,

    /// Begin another file beyond so many million bytes; k, m or g: KiB, MiB, GiB
    #[arg(short = 'C', value_name = "SIZE", requires = "write", value_parser = file_size)]
    pub file_size: Option<u64>,

    /// Begin another file every so many seconds; the name may hold letters of strftime(3)
    #[arg(short = 'G', value_name = "SECONDS", requires = "write", value_parser = clap::value_parser!(u64).range(1..))]
    pub rotate_seconds: Option<u64>,

    /// With -C: files that are written in turn; with -G: files after which the capture ends
    #[arg(short = 'W', value_name = "FILES", requires = "write", value_parser = clap::value_parser!(u64).range(1..))]
    pub files: Option<u64>,

    #[command(flatten, next_help_heading = "Owners")]
    pub owners: OwnerArgs,

    /// Packets without their owners, which then nobody looks for
    #[arg(long, conflicts_with = "OwnerArgs", help_heading = "Owners")]
    pub no_owner: bool,

    /// Stop after so many packets that match
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Filter from a file, comments after #; one on the command line is not read then
    #[arg(short = 'F', value_name = "FILE")]
    pub filter_file: Option<PathBuf>,

    /// Bytes of each packet that are kept; 0: 262144
    #[arg(short, long = "snapshot-length", value_name = "BYTES")]
    pub snaplen: Option<u32>,

    /// Show the filter's program; -dd as C, -ddd as numbers
    #[arg(short = 'd', action = ArgAction::Count)]
    pub program: u8,

    /// Do not optimize the filter
    #[arg(short = 'O')]
    pub unoptimized: bool,

    /// Link type that -d compiles for: EN10MB, RAW, `LINUX_SLL2` ...
    #[arg(short = 'y', long = "linktype", value_name = "LINK")]
    pub link: Option<String>,

    /// Numbers, not names, of hosts and ports
    #[arg(short, action = ArgAction::Count)]
    pub numeric: u8,

    /// With the header of the link
    #[arg(short = 'e')]
    pub link_header: bool,

    /// Less of each packet
    #[arg(short)]
    pub quiet: bool,

    /// More of each packet; -vv and -vvv still more
    #[arg(short, action = ArgAction::Count)]
    pub verbose: u8,

    /// Sequence numbers as they are, not counted from the first
    #[arg(short = 'S', long = "absolute-tcp-sequence-numbers")]
    pub absolute: bool,

    /// No time; -tt seconds since 1970, -ttt since the packet before, -tttt with the date, -ttttt since the first
    #[arg(short = 't', action = ArgAction::Count)]
    pub time: u8,

    /// Nanoseconds in times
    #[arg(long)]
    pub nano: bool,

    /// Number each packet
    #[arg(short = '#', long = "number")]
    pub numbered: bool,

    /// Do not check checksums
    #[arg(short = 'K', long = "dont-verify-checksums")]
    pub no_checksums: bool,

    /// The packet as text; -AA with the header of the link
    #[arg(short = 'A', action = ArgAction::Count)]
    pub ascii: u8,

    /// The packet in hexadecimal; -xx with the header of the link
    #[arg(short = 'x', action = ArgAction::Count)]
    pub hex: u8,

    /// The packet in hexadecimal and as text; -XX with the header of the link
    #[arg(short = 'X', action = ArgAction::Count)]
    pub both: u8,
}

/// `-Q`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    In,
    Out,
    #[default]
    Inout,
}

impl From<Wanted> for Direction {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::In => Self::In,
            Wanted::Out => Self::Out,
            Wanted::Inout => Self::Both,
        }
    }
}

/// `--engine`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// eBPF at TC of one interface
    Bpf,
    /// The ring of a packet socket
    Packet,
}

impl From<Engine> for live::Engine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Bpf => Self::Bpf,
            Engine::Packet => Self::Packet,
        }
    }
}

/// Of `-B`: the ring is memory of the kernel.
fn buffer(text: &str) -> Result<usize, String> {
    const MOST: usize = 4 << 20;
    let kib: usize = text.parse().map_err(|_| "is no number".to_owned())?;
    if kib == 0 || kib > MOST {
        return Err(format!("expected 1 to {MOST} KiB"));
    }
    Ok(kib)
}

/// As nanoseconds.
fn seconds(text: &str) -> Result<u64, String> {
    let number: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    let time = Duration::try_from_secs_f64(number).map_err(|e| e.to_string())?;
    u64::try_from(time.as_nanos()).map_err(|e| e.to_string())
}

/// Of `-C`.
fn file_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1_000_000,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err("expected a number, with k, m or g behind it".to_owned()),
    };
    let n: u64 = digits.parse().map_err(|_| "is no number".to_owned())?;
    match n.checked_mul(unit) {
        Some(bytes @ 1..) => Ok(bytes),
        _ => Err("expected more than 0, and less than 16 EiB".to_owned()),
    }
}

impl Dump {
    pub fn shown(&self) -> Shown {
        Shown {
            verbose: self.verbose,
            quiet: self.quiet,
            link: self.link_header,
            absolute: self.absolute,
            numbered: self.numbered,
            no_checksums: self.no_checksums,
            bytes: Bytes {
                ascii: self.ascii > 0,
                hex: self.hex > 0,
                both: self.both > 0,
                link: self.ascii > 1 || self.hex > 1 || self.both > 1,
            },
            stamp: match self.time {
                0 => Stamp::Clock,
                1 => Stamp::None,
                2 => Stamp::Seconds,
                3 => Stamp::Delta,
                4 => Stamp::Date,
                _ => Stamp::SinceFirst,
            },
        }
    }
}
