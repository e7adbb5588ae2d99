//! Where packets go: lines on standard output, or files.

use super::{
    args::Dump,
    names::{Shown, System},
    rotate::Files,
};
use crate::{
    capture::{
        file::{Interface, Packet, Statistics},
        lines::{Lines, Naming, Numbers, Stamps},
    },
    cli::Failure,
    sinks::stream::{SinkError, Stdout},
};
use jiff::tz::TimeZone;

/// Bytes of text that are written at once.
const TEXT: usize = 64 * 1024;

/// Why it ended early.
pub enum Ended {
    Failed(Failure),
    Sink(SinkError),
    /// The last of the files that were asked for is full.
    Full,
}

impl Ended {
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Sink(SinkError::Closed))
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<SinkError> for Ended {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

pub enum Sink<'a> {
    Lines(Box<Lines<'a>>),
    Files(Box<Files>),
}

impl<'a> Sink<'a> {
    pub fn open(args: &Dump, names: &'a System) -> Result<Self, Failure> {
        if let Some(path) = &args.write {
            // What this host calls addresses says nothing of those of a file.
            let known = if args.read.is_none() {
                names.known()
            } else {
                Vec::new()
            };
            return Ok(Self::Files(Box::new(Files::open(args, path, known)?)));
        }
        let names: Box<dyn Naming> = if args.numeric > 0 {
            Box::new(Numbers)
        } else {
            Box::new(Shown(names))
        };
        let stamps = Stamps::new(TimeZone::system(), args.nano);
        Ok(Self::Lines(Box::new(Lines::new(
            args.shown(),
            stamps,
            names,
        ))))
    }

    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, interfaces: &[Interface]) -> Result<(), Ended> {
        match self {
            Self::Files(files) => files.packet(packet, interfaces),
            Self::Lines(lines) => {
                if let Some(interface) = interfaces.get(packet.interface) {
                    lines.packet(interface, packet);
                }
                if lines.pending().len() >= TEXT {
                    self.flush()?;
                }
                Ok(())
            }
        }
    }

    /// Writes out what waits in memory.
    pub fn flush(&mut self) -> Result<(), Ended> {
        match self {
            Self::Files(files) => files.flush(),
            Self::Lines(lines) => {
                let written = Stdout.write(lines.pending());
                lines.clear();
                Ok(written?)
            }
        }
    }

    /// The end of a file tells what was captured and lost, where that is known.
    pub fn finish(&mut self, told: Option<(Statistics, &[Interface])>) -> Result<(), Ended> {
        if let (Self::Files(files), Some((statistics, interfaces))) = (&mut *self, told) {
            files.statistics(statistics, interfaces)?;
        }
        self.flush()
    }

    /// How much was lost up to now, for the end of a file that is full.
    pub fn tell(&mut self, statistics: Statistics) {
        if let Self::Files(files) = self {
            files.tell(statistics);
        }
    }
}
