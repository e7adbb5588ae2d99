//! Flags of `netobs dump`, those of tcpdump.

use crate::capture::lines::{Bytes, Shown, Stamp};
use clap::{ArgAction, Args};
use std::path::PathBuf;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Dump {
    /// A filter of pcap-filter(7), such as: tcp port 80 and host 10.0.0.1
    #[arg(trailing_var_arg = true)]
    pub expression: Vec<String>,

    /// Interface to capture from, or any
    #[arg(short, value_name = "IFACE", conflicts_with = "read")]
    pub interface: Option<String>,

    /// Read a pcap or pcapng file; - is standard input
    #[arg(short, value_name = "FILE")]
    pub read: Option<PathBuf>,

    /// Write the packets to a pcapng file instead of showing them; - is standard output
    #[arg(short, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// Stop after so many packets that match
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Filter from a file, comments after #; one on the command line is not read then
    #[arg(short = 'F', value_name = "FILE")]
    pub filter_file: Option<PathBuf>,

    /// Bytes of each packet that are kept; 0: 262144
    #[arg(short, value_name = "BYTES")]
    pub snaplen: Option<u32>,

    /// Show the filter's program; -dd as C, -ddd as numbers
    #[arg(short = 'd', action = ArgAction::Count)]
    pub program: u8,

    /// Do not optimize the filter
    #[arg(short = 'O')]
    pub unoptimized: bool,

    /// Link type that -d compiles for: EN10MB, RAW, `LINUX_SLL2` ...
    #[arg(short = 'y', value_name = "LINK")]
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
    #[arg(short = 'S')]
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
    #[arg(short = 'K')]
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
