//! Owners of packets as they were asked for, and what is said when there are none.

use super::args::Dump;
use crate::{
    capture::{
        file::Process,
        link::LinkType,
        owner::{Owners, Wanted},
    },
    cli::{Failure, Status},
    event::Mono,
    netns::Netns,
    sinks::stream::tell,
};
use clap::Args;

/// Whose packets are wanted; files do not say whose theirs are.
#[derive(Args)]
#[group(multiple = true, conflicts_with = "read")]
pub struct OwnerArgs {
    /// Packets of these processes only: of either end, several with commas
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pid: Vec<u32>,

    /// Packets of processes of this name
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    comm: Vec<String>,

    /// Packets of processes of this container, by the beginning of its id
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    container: Vec<String>,

    /// Packets of sockets of this network namespace: a name, a process id, a path or an inode number
    #[arg(long, value_name = "NETNS")]
    netns: Vec<String>,

    /// Packets of sockets of this user id
    #[arg(long, value_name = "UID", value_delimiter = ',')]
    uid: Vec<u32>,
}

/// What is said of a packet.
pub struct Said<'a> {
    pub comment: &'a [u8],
    pub process: Option<Process>,
}

/// Nobody looks for owners, or somebody does.
pub struct Whose {
    owners: Option<Owners>,
    gso: Vec<u8>,
}

impl Whose {
    /// Where owners are only shown, a machine that tells none shows none, and it is said; where they are asked for it is an error.
    pub fn open(args: &Dump) -> Result<Self, Failure> {
        let wanted = wanted(&args.owners)?;
        let is_any = wanted.is_any();
        let mut whose = Self {
            owners: None,
            gso: Vec::new(),
        };
        if args.no_owner {
            return Ok(whose);
        }
        match Owners::open(wanted) {
            Ok(owners) => {
                if let Some(what) = owners.refusal() {
                    tell(&format!("netobs: {what}"));
                }
                whose.owners = Some(owners);
            }
            Err(error) if is_any => {
                let what = format!("packets have no owner here: {error}");
                return Err(Failure::new(Status::Missing, what));
            }
            Err(error) => tell(&format!("netobs: packets have no owner here: {error}")),
        }
        Ok(whose)
    }

    /// Packets were taken from the kernel.
    pub fn refresh(&mut self) {
        if let Some(owners) = &mut self.owners {
            owners.refresh();
        }
    }

    /// What is said of a packet, which passed at that time; none: it is of an owner that was not asked for.
    #[inline]
    pub fn of(&mut self, link: LinkType, data: &[u8], at: Mono, gso: bool) -> Option<Said<'_>> {
        let Some(owners) = &mut self.owners else {
            return Some(Said {
                comment: if gso { b"gso" } else { &[] },
                process: None,
            });
        };
        let label = owners.of(link, data, at);
        if !label.wanted {
            return None;
        }
        let process = label.process;
        let text = &*label.text;
        if !gso {
            return Some(Said {
                comment: text,
                process,
            });
        }
        self.gso.clear();
        self.gso.extend_from_slice(b"gso; ");
        self.gso.extend_from_slice(text);
        let length = if text.is_empty() { 3 } else { self.gso.len() };
        Some(Said {
            comment: &self.gso[..length],
            process,
        })
    }

    /// What owners could not be told of, for the end.
    pub fn missed(&self) -> Option<String> {
        let owners = self.owners.as_ref()?;
        let (untold, unsought) = (owners.untold(), owners.unsought);
        (untold + unsought > 0).then(|| {
            format!(
                "netobs: owners: {untold} closed sockets found no room to be told, {unsought} packets no time to be looked for"
            )
        })
    }
}

fn wanted(args: &OwnerArgs) -> Result<Wanted, Failure> {
    let mut namespaces = Vec::new();
    for which in &args.netns {
        let inode = match Netns::find(which) {
            Ok(netns) => netns.inode(),
            Err(error) => which
                .parse()
                .map_err(|_| Failure::new(Status::Usage, error.to_string()))?,
        };
        namespaces.push(inode);
    }
    Ok(Wanted {
        pids: args.pid.clone(),
        comms: args.comm.clone(),
        containers: args.container.clone(),
        namespaces,
        uids: args.uid.clone(),
    })
}
