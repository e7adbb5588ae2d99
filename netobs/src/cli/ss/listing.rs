//! One look at the sockets: from every source through filter and surroundings to the output.

use super::{
    End, args::Ss, grouping::Groups, lookup::Host, output::Output, remark, request::Request,
};
use crate::{
    cli::{Failure, Status},
    enrich::{About, Enricher, namespaces},
    netns::Netns,
    socket::{Flow, Holder, Row},
    sockets::{self, Path, SourceError, Told, filter::Filter, ports, processes::Processes},
    views::sockets::{Change, Shown, SocketNames},
};
use std::{collections::HashMap, rc::Rc, sync::Arc};

/// `netobs ss` without `--watch` and `-K`.
pub fn once(args: &Ss, request: &Request) -> Result<Status, End> {
    if args.summary {
        super::summary::show(args)?;
    }
    let mut listing = Listing::new(args, request)?;
    let told = if let Some(by) = args.group_by {
        let mut groups = Groups::new(by);
        let told = listing.look(&mut |shown, _, names| {
            groups.add(shown, names);
            Ok(())
        })?;
        groups.write(args, &mut listing.output)?;
        told
    } else {
        let told = listing.look(&mut |shown, output, names| output.row(shown, names))?;
        listing.output.finish()?;
        told
    };
    listing.remarks(&told);
    Ok(Status::Done)
}

/// What takes the sockets of a look.
pub type Take<'t> = dyn FnMut(&Shown<'_>, &mut Output, &mut SocketNames) -> Result<(), End> + 't;

/// All that a look needs and that stays from one to the next.
pub struct Listing<'a> {
    request: &'a Request,
    engine: sockets::Engine,
    pub output: Output,
    names: SocketNames,
    enricher: Option<Enricher>,
    netns_names: HashMap<u32, String>,
    /// The namespace we began in, to come back to; only needed if we leave it.
    home: Option<Netns>,
    /// Namespaces that could not be entered or were gone.
    skipped: usize,
    refused: usize,
}

impl<'a> Listing<'a> {
    pub fn new(args: &Ss, request: &'a Request) -> Result<Self, Failure> {
        let options = &request.options;
        let about = options.container
            || options.pod
            || options.cgroup
            || options.details
            || args.json
            || args.columns.is_some()
            || args.group_by.is_some_and(super::grouping::By::needs_about);
        Ok(Self {
            request,
            engine: args.engine,
            output: Output::new(args, request)?,
            names: SocketNames::new(args.numeric, args.resolve, Box::new(Host::new(None))),
            enricher: about.then(Enricher::new),
            netns_names: if args.all_netns || args.netns.is_some() {
                namespaces::named().into_iter().collect()
            } else {
                HashMap::new()
            },
            home: if request.stays() {
                None
            } else {
                Netns::own().ok()
            },
            skipped: 0,
            refused: 0,
        })
    }

    /// Tells every socket that is asked for to `take`.
    pub fn look(&mut self, take: &mut Take<'_>) -> Result<Told, End> {
        let mut told = Told::default();
        // Known from the first namespace that needs it on: one walk finds the sockets of all.
        let mut processes = None;
        for netns in &self.request.namespaces {
            match self.namespace(netns.as_ref(), &mut processes, take) {
                Ok(one) => told.add(&one),
                Err(Fault::End(end)) => return Err(end),
                Err(Fault::Source(SourceError::Netns(_))) if self.request.namespaces.len() > 1 => {
                    self.skipped += 1;
                }
                Err(Fault::Source(error)) => return Err(failure(&error).into()),
            }
        }
        self.refused = processes
            .as_ref()
            .map_or(0, |found: &Processes| found.refused);
        Ok(told)
    }

    fn namespace(
        &mut self,
        netns: Option<&Arc<Netns>>,
        processes: &mut Option<Processes>,
        take: &mut Take<'_>,
    ) -> Result<Told, Fault> {
        if let Some(netns) = netns.map(Arc::as_ref).or(self.home.as_ref()) {
            netns.enter().map_err(SourceError::Netns)?;
        }
        let want = &self.request.want;
        let mut here = want.clone();
        if self.request.namespaces.len() > 1 {
            here = sockets::summary::occupied(want);
        }
        let mut filter = self.request.filter.clone();
        if filter.expression.is_some() {
            filter.ephemeral = ports::ephemeral();
        }
        let mut source = sockets::open(self.engine, None, &here)?;
        if want.holders && !source.tells_holders() && processes.is_none() {
            *processes = Some(sockets::holders(self.engine, want)?);
        }
        let mut surroundings = Surroundings {
            filter: &filter,
            processes: processes.as_ref(),
            enricher: self.enricher.as_mut(),
            netns_names: &self.netns_names,
            holders: Vec::new(),
        };
        let (output, names) = (&mut self.output, &mut self.names);
        let mut ended = None;
        let told = source.read(&here, &mut |row| {
            let Some(Err(end)) = surroundings.with(row, |shown| take(shown, output, names)) else {
                return Flow::More;
            };
            ended = Some(end);
            Flow::Enough
        })?;
        match ended {
            Some(end) => Err(Fault::End(end)),
            None => Ok(told),
        }
    }

    /// What the rows do not say, one line each.
    pub fn remarks(&self, told: &Told) {
        if self.refused > 0 {
            remark(&format!(
                "processes of other users are not shown: {} may not be read; need CAP_SYS_PTRACE: run as root",
                self.refused
            ));
        }
        if self.skipped > 0 {
            remark(&format!(
                "{} network namespaces are left out: gone, or not ours to enter",
                self.skipped
            ));
        }
        if told.malformed > 0 {
            remark(&format!(
                "{} lines of /proc/net were not understood",
                told.malformed
            ));
        }
        if told.interrupted > 0 {
            remark("the kernel's table changed while it was read: sockets may be missing");
        }
        for table in &self.request.named {
            let mut paths = told.paths.iter().filter(|(of, _)| of == table).peekable();
            if paths.peek().is_some() && paths.all(|(_, path)| *path == Path::None) {
                remark(&format!(
                    "this kernel tells nothing of {} sockets",
                    table.name()
                ));
            }
        }
    }
}

enum Fault {
    End(End),
    Source(SourceError),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

pub fn failure(error: &SourceError) -> Failure {
    let status = match error {
        SourceError::Unavailable(_) | SourceError::Netns(_) => Status::Missing,
        SourceError::Diag(_) | SourceError::Proc { .. } => Status::Other,
    };
    Failure::new(status, error.to_string())
}

/// What turns a row into something to show.
struct Surroundings<'a> {
    filter: &'a Filter,
    processes: Option<&'a Processes>,
    enricher: Option<&'a mut Enricher>,
    netns_names: &'a HashMap<u32, String>,
    holders: Vec<Holder>,
}

impl Surroundings<'_> {
    /// `None`: the filter does not want it.
    #[inline]
    fn with<T>(&mut self, row: &Row, take: impl FnOnce(&Shown<'_>) -> T) -> Option<T> {
        if !self.filter.matches(row) {
            return None;
        }
        let holders = if row.holders_known {
            &row.holders
        } else {
            self.holders.clear();
            if let Some(processes) = self.processes {
                self.holders.extend(processes.of(row.inode));
            }
            &self.holders
        };
        let about: Option<Rc<About>> = self.enricher.as_mut().map(|enricher| {
            let pid = holders.first().map_or(0, |holder| holder.pid);
            enricher.of(row.cgroup.unwrap_or(0), pid)
        });
        Some(take(&Shown {
            row,
            holders,
            about: about.as_deref(),
            netns: self.netns_names.get(&row.netns).map(String::as_str),
            change: None::<&Change>,
        }))
    }
}
