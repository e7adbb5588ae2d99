//! `-r`: packets of a file through the filter, to lines or to another file.

use super::{
    args::Dump,
    names::{Shown, System},
    refused, show_program,
};
use crate::{
    capture::{
        file::{Interface, Packet, Reader, Writer},
        filter::{self, Options, Program},
        lines::{Lines, Naming, Numbers, Stamps},
    },
    cli::{Failure, Status},
    sinks::stream::{SinkError, Stdout, tell},
};
use jiff::tz::TimeZone;
use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

/// Bytes of text that are written at once, and bytes of packets.
const TEXT: usize = 64 * 1024;
const PACKETS: usize = 256 * 1024;

pub fn run(args: &Dump, expression: &str, names: &System) -> Result<Status, Failure> {
    let path = args.read.as_deref().unwrap_or(Path::new("-"));
    let name = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let mut reader = Reader::open(&name, input(path)?)?;
    let Some(first) = reader.first_interface()? else {
        tell(&format!("netobs: {name} has no packets"));
        return Ok(Status::Done);
    };
    let mut filters = Filters {
        args,
        expression,
        names,
        programs: Vec::new(),
    };
    let program = filters.compile(first)?;
    if args.program > 0 {
        return show_program(args, &program);
    }
    tell(&format!(
        "reading from file {name}, link-type {} ({}), snapshot length {}",
        first.link.name(),
        first.link.description(),
        first.snaplen
    ));
    filters.programs.push(program);
    let mut sink = Sink::open(args, names)?;
    let mut counts = Counts::default();
    let outcome = copy(
        &mut reader,
        &mut filters,
        &mut sink,
        args.count,
        &mut counts,
    );
    // What was read before an error is shown before it.
    let ended = sink.finish();
    match outcome.and(ended) {
        Err(error) if error.is_closed() => return Ok(Status::Done),
        Err(Ended::Failed(failure)) => return Err(failure),
        Err(Ended::Sink(error)) => return Err(error.into()),
        Ok(()) => {}
    }
    tell(&format!(
        "netobs: {} packets read, {} matched",
        counts.read, counts.matched
    ));
    Ok(Status::Done)
}

#[derive(Default)]
struct Counts {
    read: u64,
    matched: u64,
}

/// Why reading ended early.
enum Ended {
    Failed(Failure),
    Sink(SinkError),
}

impl Ended {
    fn is_closed(&self) -> bool {
        matches!(self, Self::Sink(SinkError::Closed))
    }
}

impl From<SinkError> for Ended {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

fn input(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(path);
    let file = opened.map_err(|error| {
        Failure::new(Status::Other, format!("open {}: {error}", path.display()))
    })?;
    Ok(Box::new(file))
}

fn copy(
    reader: &mut Reader,
    filters: &mut Filters<'_>,
    sink: &mut Sink<'_>,
    most: Option<u64>,
    counts: &mut Counts,
) -> Result<(), Ended> {
    let most = most.unwrap_or(u64::MAX);
    while counts.matched < most {
        let next = reader.packet();
        let next = next.map_err(|error| Ended::Failed(error.into()))?;
        let Some((packet, interfaces)) = next else {
            break;
        };
        counts.read += 1;
        let program = filters
            .of(packet.interface, interfaces)
            .map_err(Ended::Failed)?;
        if program.matches(packet.data, packet.wire) {
            counts.matched += 1;
            sink.packet(&packet, interfaces)?;
        }
    }
    Ok(())
}

/// The filter, compiled for each interface of the file.
struct Filters<'a> {
    args: &'a Dump,
    expression: &'a str,
    names: &'a System,
    programs: Vec<Program>,
}

impl Filters<'_> {
    #[inline]
    fn of(&mut self, interface: usize, interfaces: &[Interface]) -> Result<&Program, Failure> {
        while self.programs.len() <= interface && self.programs.len() < interfaces.len() {
            let program = self.compile(&interfaces[self.programs.len()])?;
            self.programs.push(program);
        }
        let program = self.programs.get(interface);
        program.ok_or_else(|| Failure::new(Status::Other, "a packet of an unknown interface"))
    }

    fn compile(&self, interface: &Interface) -> Result<Program, Failure> {
        let options = Options {
            link: interface.link,
            snaplen: interface.snaplen,
            optimize: !self.args.unoptimized,
            live: false,
            swapped: interface.swapped,
            netmask: Some(0), // what tcpdump takes when it reads a file
            names: self.names,
        };
        filter::compile(self.expression, &options).map_err(refused)
    }
}

/// Where packets go.
enum Sink<'a> {
    Lines(Box<Lines<'a>>),
    File(Writer<BufWriter<Box<dyn Write>>>),
}

impl<'a> Sink<'a> {
    fn open(args: &Dump, names: &'a System) -> Result<Self, Failure> {
        let Some(path) = &args.write else {
            let names: Box<dyn Naming> = if args.numeric > 0 {
                Box::new(Numbers)
            } else {
                Box::new(Shown(names))
            };
            let stamps = Stamps::new(TimeZone::system(), args.nano);
            return Ok(Self::Lines(Box::new(Lines::new(
                args.shown(),
                stamps,
                names,
            ))));
        };
        let failed = |error: io::Error| {
            Failure::new(Status::Other, format!("write {}: {error}", path.display()))
        };
        let output: Box<dyn Write> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(path).map_err(failed)?)
        };
        let writer = Writer::new(BufWriter::with_capacity(PACKETS, output)).map_err(failed)?;
        Ok(Self::File(writer))
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>, interfaces: &[Interface]) -> Result<(), SinkError> {
        match self {
            Self::File(writer) => Ok(writer.write(packet, interfaces)?),
            Self::Lines(lines) => {
                if let Some(interface) = interfaces.get(packet.interface) {
                    lines.packet(interface.link, packet);
                }
                if lines.pending().len() >= TEXT {
                    Stdout.write(lines.pending())?;
                    lines.clear();
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> Result<(), Ended> {
        match self {
            Self::File(writer) => writer.flush().map_err(SinkError::from)?,
            Self::Lines(lines) => {
                Stdout.write(lines.pending())?;
                lines.clear();
            }
        }
        Ok(())
    }
}
