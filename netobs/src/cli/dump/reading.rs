//! `-r`: packets of a file through the filter, to lines or to another file.

use super::{
    args::Dump,
    names::System,
    refused, show_program,
    sink::{Ended, Sink},
};
use crate::{
    capture::{
        file::{Interface, Reader},
        filter::{self, Options, Program},
    },
    cli::{Failure, Status},
    sinks::stream::tell,
};
use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

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
    if args.write.as_deref().is_some_and(|to| is_same(path, to)) {
        let what = format!("-w {name}: it is being read; expected another file");
        return Err(Failure::new(Status::Usage, what));
    }
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
    let ended = sink.finish(None);
    match outcome.and(ended) {
        Err(error) if error.is_closed() => return Ok(Status::Done),
        Err(Ended::Failed(failure)) => return Err(failure),
        Err(Ended::Sink(error)) => return Err(error.into()),
        Err(Ended::Full) | Ok(()) => {}
    }
    tell(&format!(
        "netobs: {} read, {} matched",
        super::count(counts.read, "packet"),
        counts.matched
    ));
    Ok(Status::Done)
}

/// Whether writing the one would empty the other before it is read.
fn is_same(read: &Path, write: &Path) -> bool {
    let file = |path: &Path| {
        let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((meta.dev(), meta.ino()))
    };
    let read = file(read);
    read.is_some() && read == file(write)
}

#[derive(Default)]
struct Counts {
    read: u64,
    matched: u64,
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
