//! `netobs dump`: packets of interfaces or of a file, filtered, shown or written, with the flags of tcpdump.

pub mod args;
mod kept;
mod live;
mod names;
mod on;
mod owners;
mod reading;
mod rotate;
mod setup;
mod signals;
mod sink;
mod table;
mod told;

use super::{Failure, Status};
use crate::{
    capture::{
        filter::{self, FilterError, Options, Program},
        link::LinkType,
        live::devices,
    },
    sinks::stream::{SinkError, Stdout},
    views::table::escape,
};
use args::Dump;
use names::System;
use std::{fs, io::Read as _};

/// Longest filter file that is read.
const LONGEST_FILTER: u64 = 1 << 16;
const SNAPLEN: u32 = 262_144;

pub fn run(args: &Dump) -> Result<Status, Failure> {
    let expression = expression(args)?;
    let names = System::default();
    if args.devices {
        return list_devices();
    }
    if args.read.is_some() {
        return reading::run(args, &expression, &names);
    }
    if args.program > 0 && args.interface.is_none() {
        let link = match &args.link {
            Some(name) => LinkType::named(name).ok_or_else(|| unknown_link(name))?,
            None => LinkType::Ethernet,
        };
        let options = Options {
            link,
            snaplen: snaplen(args),
            optimize: !args.unoptimized,
            live: false,
            swapped: false,
            netmask: None,
            names: &names,
        };
        let program = filter::compile(&expression, &options).map_err(refused)?;
        return show_program(args, &program);
    }
    live::run(args, &expression, &names)
}

/// Bytes of each packet that are kept.
fn snaplen(args: &Dump) -> u32 {
    let asked = args.snaplen.filter(|n| *n > 0);
    asked.unwrap_or(SNAPLEN).min(SNAPLEN)
}

/// `-D`
fn list_devices() -> Result<Status, Failure> {
    let lines = devices::all()?.into_iter().enumerate().map(|(at, device)| {
        let name = escape(&device.name);
        format!("{}.{name} {}\n", at + 1, device.flags)
    });
    shown(&lines.collect::<String>())
}

fn shown(text: &str) -> Result<Status, Failure> {
    match Stdout.write(text.as_bytes()) {
        Err(SinkError::Closed) | Ok(()) => Ok(Status::Done),
        Err(error) => Err(error.into()),
    }
}

fn unknown_link(name: &str) -> Failure {
    let what = format!(
        "link type '{name}' is not known: EN10MB, RAW, IPV4, IPV6, LINUX_SLL, LINUX_SLL2, NULL and LOOP are"
    );
    Failure::new(Status::Usage, what)
}

fn refused(error: FilterError) -> Failure {
    Failure {
        status: Status::Usage,
        error: error.into(),
    }
}

/// What stands on the command line, or in the file of `-F`.
fn expression(args: &Dump) -> Result<String, Failure> {
    let Some(path) = &args.filter_file else {
        return Ok(args.expression.join(" "));
    };
    let failed = |error: std::io::Error| {
        Failure::new(
            Status::Usage,
            format!("read the filter {}: {error}", path.display()),
        )
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LONGEST_FILTER)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    Ok(lines.collect::<Vec<_>>().join(" ").trim().to_owned())
}

/// `-d`, `-dd`, `-ddd`
fn show_program(args: &Dump, program: &Program) -> Result<Status, Failure> {
    let text = match args.program {
        1 => program.to_string(),
        2 => program.c_array(),
        _ => program.numbers(),
    };
    shown(&text)
}

/// `1 packet`, `2 packets`
fn count(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
