//! Who tells which process has which socket: eBPF, or /proc where that is not to be had.

use super::{OwnerError, files::Files, table::Table};
use crate::{
    bpf::holders::{Holders, HoldersError},
    event::Mono,
};
use std::path::Path;

pub enum Source {
    /// Open sockets by a walk, and each one when it is closed.
    Kernel(Box<Holders>),
    /// Open ones alone; and why.
    Files(Files, HoldersError),
}

impl Source {
    /// `root`: the mount of cgroup v2.
    pub fn open(root: Option<&Path>) -> Self {
        match Holders::load(root) {
            Ok(holders) => Self::Kernel(Box::new(holders)),
            Err(why) => Self::Files(Files::default(), why),
        }
    }

    /// Whether nobody tells what was closed.
    pub const fn is_files(&self) -> bool {
        matches!(self, Self::Files(..))
    }

    /// What will not be told, and why, if so.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Kernel(holders) => {
                let why = holders.refusal()?;
                Some(format!(
                    "sockets that live shortly may have no owner: {why}"
                ))
            }
            Self::Files(files, why) => Some(format!(
                "owners come from /proc, so sockets that come and go between two looks have none: {why}{}",
                files.missing()
            )),
        }
    }

    /// Sockets whose closing found no room to be told.
    pub fn untold(&self) -> u64 {
        match self {
            Self::Kernel(holders) => holders.untold(),
            Self::Files(..) => 0,
        }
    }

    /// Notes what was closed since this was asked last; whether anything was.
    pub fn closed(&mut self, table: &mut Table) -> bool {
        let Self::Kernel(holders) = self else {
            return false;
        };
        let mut any = false;
        holders.closed(|holding| {
            table.close(holding);
            any = true;
        });
        any
    }

    /// Notes every open socket, as it is now.
    pub fn walk(&mut self, table: &mut Table, now: Mono) -> Result<(), OwnerError> {
        table.begin();
        match self {
            Self::Kernel(holders) => {
                let outcome = holders.open(|holding| table.open(holding));
                // What was closed during the walk may have been told open before.
                holders.closed(|holding| table.close(holding));
                Ok(outcome?)
            }
            Self::Files(files, _) => {
                let outcome = files.open(|holding| table.open(holding));
                table.compare(now);
                Ok(outcome?)
            }
        }
    }
}
