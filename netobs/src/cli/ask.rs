//! What commands that ask the network have in common: families, namespaces, targets, output.

use super::{
    Failure, Status,
    probe::{From, number, small},
};
use crate::{
    host::resolver::Whose,
    netns::Netns,
    probes::{
        dial::Leave,
        resolve::{Config, Unresolved, Why},
        stop,
    },
    sinks::stream::{SinkError, Stdout},
    views::table::escape,
};
use clap::Args;
use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// Longer than anybody waits.
const LONGEST: f64 = 86_400.0;

#[derive(Args)]
pub struct Net {
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    pub v4: bool,

    /// IPv6 only
    #[arg(short = '6')]
    pub v6: bool,

    /// Network namespace to ask from: a name in /run/netns, a process id, or a path
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// How connections leave.
#[derive(Args)]
pub struct Leaving {
    /// Source address, or interface
    #[arg(long, value_name = "ADDR|IFACE")]
    interface: Option<String>,

    /// Firewall mark of the packets
    #[arg(long, value_name = "N", value_parser = number)]
    mark: Option<u32>,

    /// Type of service, or traffic class
    #[arg(long, value_name = "N", value_parser = small)]
    tos: Option<u8>,
}

impl Leaving {
    pub fn leave(&self) -> Leave {
        self.leave_from(None)
    }

    /// With a source address by an option of its own.
    pub fn leave_from(&self, source: Option<IpAddr>) -> Leave {
        let from = From::new(self.interface.as_deref(), source);
        Leave {
            source: from.source,
            device: from.device,
            mark: self.mark,
            tos: self.tos,
        }
    }
}

impl Net {
    /// Runs in the namespace asked for, with its resolver configuration.
    pub fn inside(
        &self,
        work: impl FnOnce(Config) -> Result<Status, Failure> + Send,
    ) -> Result<Status, Failure> {
        // A summary is told even after Ctrl-C.
        stop::arm()?;
        let Some(which) = &self.netns else {
            return work(Config::read(&Whose::Own));
        };
        let netns =
            Netns::find(which).map_err(|error| Failure::new(Status::Usage, error.to_string()))?;
        let whose = Whose::of(Some(which), netns.name.as_deref(), netns.pid);
        netns.run(|| work(Config::read(&whose)))?
    }
}

/// `HOST`, `HOST:PORT`, `[v6]:PORT`, `v6`, `v6%eth0`.
pub fn host_port(text: &str) -> Result<(String, Option<u16>), String> {
    let number = |port: &str| {
        let found = port.parse::<u16>().ok().filter(|port| *port > 0);
        found.ok_or_else(|| format!("'{port}' in '{text}' is no port: expected 1 to 65535"))
    };
    let none = || format!("'{text}': no host");
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or_else(|| format!("'{text}': no ']'"))?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(number(port)?),
            None if after.is_empty() => None,
            None => return Err(format!("'{text}': expected ':PORT' after ']'")),
        };
        return Ok((host.to_owned(), port));
    }
    let plain = text.split('%').next().unwrap_or_default();
    if plain.parse::<Ipv6Addr>().is_ok() {
        return Ok((text.to_owned(), None));
    }
    match text.rsplit_once(':') {
        Some(("", _)) => Err(none()),
        Some((host, port)) => Ok((host.to_owned(), Some(number(port)?))),
        None if text.is_empty() => Err(none()),
        None => Ok((text.to_owned(), None)),
    }
}

/// Exit status of a name without addresses.
pub fn unresolved(error: &Unresolved) -> Status {
    match error.why {
        Why::BadName => Status::Usage,
        Why::NoSuchName | Why::NoAddress => Status::No,
        Why::ServerFailed | Why::Refused | Why::NoAnswer => Status::Other,
    }
}

/// A number of seconds, as an argument.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.trim_end_matches('s').parse::<f64>().ok();
    parsed
        .filter(|s| *s > 0.0 && *s <= LONGEST)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("'{text}' is no number of seconds between 0 and {LONGEST}"))
}

/// Standard output; a closed pipe ends quietly.
#[derive(Default)]
pub struct Out(Vec<u8>);

impl Out {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Text that a view made.
    pub fn text(&mut self, text: &str) {
        self.0.extend(text.as_bytes());
    }

    /// A line that may hold foreign bytes.
    pub fn line(&mut self, text: &str) {
        self.text(&escape(text));
        self.text("\n");
    }

    pub fn done(self) -> Result<(), Failure> {
        match Stdout.write(&self.0) {
            Err(SinkError::Closed) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, host, port) in [
            ("a.example", "a.example", None),
            ("a.example:53", "a.example", Some(53)),
            ("[::1]:53", "::1", Some(53)),
            ("[::1]", "::1", None),
            ("::1", "::1", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
        ] {
            assert_eq!(host_port(text), Ok((host.to_owned(), port)), "{text}");
        }
        for bad in ["", ":53", "a:0", "a:70000", "a:x", "[::1", "[::1]x"] {
            assert!(host_port(bad).is_err(), "{bad}");
        }
    }
}
