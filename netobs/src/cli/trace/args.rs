//! What can be asked of a trace: the flags of traceroute.

use crate::{
    cli::{
        Failure, Status,
        probe::{Common, seconds},
    },
    event,
    probes::net::Proto,
    sockets::ports::protocols,
};
use clap::Args;
use std::net::IpAddr;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Trace {
    /// Host by name or address
    pub host: String,

    /// Size of the packets, IP header included
    pub size: Option<u16>,

    /// Numbers only
    #[arg(short)]
    pub numeric: bool,

    /// First hop
    #[arg(short, value_name = "HOP", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub first: u8,

    /// Last hop
    #[arg(short, value_name = "HOP", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..))]
    pub max: u8,

    /// Probes to each hop
    #[arg(short, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub queries: u8,

    /// Longest wait for an answer; what the path shows makes it shorter
    #[arg(short, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    pub wait: u64,

    /// Least time between two probes
    #[arg(short = 'z', value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    pub gap: u64,

    /// Most probes in flight
    #[arg(short = 'N', value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    pub at_once: u16,

    /// Source address
    #[arg(short, value_name = "ADDR")]
    pub source: Option<IpAddr>,

    /// Interface
    #[arg(short, value_name = "IFACE")]
    pub interface: Option<String>,

    /// ICMP echoes
    #[arg(short = 'I', conflicts_with_all = ["tcp", "udp", "protocol"])]
    pub icmp: bool,

    /// TCP SYNs, to port 80
    #[arg(short = 'T', conflicts_with_all = ["udp", "protocol"])]
    pub tcp: bool,

    /// UDP to port 53
    #[arg(short = 'U', conflicts_with = "protocol")]
    pub udp: bool,

    /// With -U: UDP-Lite
    #[arg(short = 'L', requires = "udp")]
    pub lite: bool,

    /// DCCP requests
    #[arg(short = 'D', conflicts_with_all = ["icmp", "tcp", "udp", "protocol"])]
    pub dccp: bool,

    /// Any IP protocol, by name or number
    #[arg(short = 'P', value_name = "PROTO")]
    pub protocol: Option<String>,

    /// Destination port
    #[arg(short, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// Packets may not be fragmented
    #[arg(short = 'F')]
    pub dont_fragment: bool,

    /// The path MTU, and the hop in front of each narrow link
    #[arg(long)]
    pub mtu: bool,

    /// Find the branches that routers spread flows over, at most N behind each router
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16), conflicts_with = "mtu")]
    pub paths: Option<u8>,

    /// End after so many seconds, with what is known by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub deadline: Option<u64>,

    #[command(flatten)]
    pub common: Common,
}

/// Where UDP probes go, as traceroute's: nobody should serve it.
const UNLIKELY: u16 = 33_434;

impl Trace {
    pub fn proto(&self) -> Result<Proto, Failure> {
        if let Some(text) = self.protocol.as_deref() {
            return by_name(text).ok_or_else(|| {
                let text =
                    format!("'{text}' is no protocol: a name of /etc/protocols, or 0 to 255");
                Failure::new(Status::Usage, text)
            });
        }
        Ok(match (self.icmp, self.tcp, self.lite, self.dccp) {
            (true, ..) => Proto::Icmp,
            (_, true, ..) => Proto::Tcp,
            (_, _, true, _) => Proto::UDP_LITE,
            (.., true) => Proto::DCCP,
            (false, false, false, false) => Proto::Udp,
        })
    }

    pub fn port(&self) -> u16 {
        let tcp = matches!(self.proto(), Ok(Proto::Tcp));
        let usual = match (tcp, self.udp) {
            (true, _) => 80,
            (_, true) => 53,
            (false, false) => UNLIKELY,
        };
        self.port.unwrap_or(usual)
    }
}

/// A protocol as /etc/protocols, or else the kernel's headers, call it.
fn by_name(text: &str) -> Option<Proto> {
    let number = text.parse::<u8>().ok().or_else(|| {
        let file = protocols().into_iter();
        let own = (0..=u8::MAX).filter_map(|n| {
            let name = event::Proto(u16::from(n)).name()?;
            Some((u32::from(n), name.to_owned()))
        });
        let mut all = file.chain(own);
        let (number, _) = all.find(|(_, name)| name.eq_ignore_ascii_case(text))?;
        u8::try_from(number).ok()
    })?;
    Some(match number {
        1 | 58 => Proto::Icmp,
        6 => Proto::Tcp,
        17 => Proto::Udp,
        other => Proto::Other(other),
    })
}
