//! `-w` with `-C`, `-G` and `-W`: one file after the other, named as tcpdump names them.

use super::{args::Dump, sink::Ended};
use crate::{
    capture::file::{Interface, Packet, Statistics, Writer},
    cli::{Failure, Status},
    clock,
    sinks::stream::SinkError,
};
use jiff::{Timestamp, tz::TimeZone};
use std::{
    fs::File,
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

const SECOND: u64 = 1_000_000_000;

type Output = Writer<Box<dyn Write>>;

/// The file being written, and when the next one begins.
pub struct Files {
    name: PathBuf,
    /// Names of addresses, told at the beginning of each.
    known: Vec<(IpAddr, String)>,
    output: Output,
    /// `-C`, `-G`, `-W`
    bytes: Option<u64>,
    seconds: Option<u64>,
    most: Option<u64>,
    /// When this file was begun, wall clock.
    since: i64,
    /// Of those begun by size, and by time.
    number: u64,
    turns: u64,
    /// What was captured and lost before this file, and up to now.
    before: Statistics,
    now: Statistics,
}

impl Files {
    pub fn open(args: &Dump, path: &Path, known: Vec<(IpAddr, String)>) -> Result<Self, Failure> {
        let mut files = Self {
            name: path.to_owned(),
            known,
            output: Writer::new(Box::new(io::sink()) as Box<dyn Write>)?,
            bytes: args.file_size,
            seconds: args.rotate_seconds,
            most: args.files,
            since: clock::wall_seconds(),
            number: 0,
            turns: 0,
            before: Statistics::default(),
            now: Statistics::default(),
        };
        files.output = files.next()?;
        Ok(files)
    }

    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, interfaces: &[Interface]) -> Result<(), Ended> {
        if self.bytes.is_some() || self.seconds.is_some() {
            self.turn(packet, interfaces)?;
        }
        let written = self.output.write(packet, interfaces);
        written.map_err(|error| self.broken(error))
    }

    /// A reader that goes away is no failure; a file that takes no more is one, and has a name.
    #[cold]
    fn broken(&self, error: io::Error) -> Ended {
        let error = match SinkError::from(error) {
            SinkError::Closed => return Ended::Sink(SinkError::Closed),
            SinkError::Io(error) => error,
        };
        let path = self.path();
        let name = if path == Path::new("-") {
            Path::new("standard output")
        } else {
            &path
        };
        let what = format!("write {}: {error}", name.display());
        Ended::Failed(Failure::new(Status::Other, what))
    }

    /// Begins the next file when it is time: the packet at hand is its first.
    fn turn(&mut self, packet: &Packet<'_>, interfaces: &[Interface]) -> Result<(), Ended> {
        let second = i64::try_from(packet.time_ns / SECOND).unwrap_or(0);
        let passed = second.saturating_sub(self.since);
        if let Some(seconds) = self.seconds
            && u64::try_from(passed).is_ok_and(|passed| passed >= seconds)
        {
            self.since = second;
            self.turns += 1;
            self.number = 0;
            self.close(interfaces)?;
            if self.bytes.is_none() && self.most.is_some_and(|most| self.turns >= most) {
                return Err(Ended::Full);
            }
            self.output = self.next().map_err(Ended::Failed)?;
        }
        if self.bytes.is_some_and(|most| self.output.written() > most) {
            self.number += 1;
            if self.most.is_some_and(|most| self.number >= most) {
                self.number = 0;
            }
            self.close(interfaces)?;
            self.output = self.next().map_err(Ended::Failed)?;
        }
        Ok(())
    }

    fn close(&mut self, interfaces: &[Interface]) -> Result<(), Ended> {
        self.statistics(self.now, interfaces)?;
        self.before = self.now;
        self.flush()
    }

    fn next(&self) -> Result<Output, Failure> {
        let path = self.path();
        let failed = |error: io::Error| {
            Failure::new(Status::Other, format!("write {}: {error}", path.display()))
        };
        let output: Box<dyn Write> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(&path).map_err(failed)?)
        };
        let mut output = Writer::new(output).map_err(failed)?;
        output.names(&self.known).map_err(failed)?;
        Ok(output)
    }

    /// The time takes the place of its letters, as of `strftime`; numbers have as many digits as the last one.
    fn path(&self) -> PathBuf {
        let mut name = self.name.to_string_lossy().into_owned();
        if self.seconds.is_some() {
            let begun = Timestamp::from_second(self.since).unwrap_or_default();
            let local = begun.to_zoned(TimeZone::system());
            // What is no format of a time is a name.
            name = jiff::fmt::strtime::format(&name, &local).unwrap_or(name);
        }
        if self.bytes.is_some() {
            let digits = self.most.map_or(0, |most| digits(most.saturating_sub(1)));
            if self.number > 0 || digits > 0 {
                name = format!("{name}{:0digits$}", self.number);
            }
        }
        if self.bytes.is_none() && self.seconds.is_none() {
            return self.name.clone();
        }
        PathBuf::from(name)
    }

    pub fn flush(&mut self) -> Result<(), Ended> {
        let flushed = self.output.flush();
        flushed.map_err(|error| self.broken(error))
    }

    /// How much there was up to now.
    pub fn tell(&mut self, now: Statistics) {
        self.now = now;
    }

    /// Ends this file with what was captured and lost while it was written.
    pub fn statistics(&mut self, now: Statistics, interfaces: &[Interface]) -> Result<(), Ended> {
        let since = Statistics {
            received: now.received.saturating_sub(self.before.received),
            lost: now.lost.saturating_sub(self.before.lost),
        };
        let written = self.output.statistics(since, interfaces);
        written.map_err(|error| self.broken(error))
    }
}

/// Digits of a number; none of 0.
fn digits(mut n: u64) -> usize {
    let mut digits = 0;
    while n > 0 {
        n /= 10;
        digits += 1;
    }
    digits
}
