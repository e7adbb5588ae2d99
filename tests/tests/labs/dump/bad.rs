//! Bad input: damaged files and expressions end in one line that names the place.

use anyhow::{Result, ensure};
use netobs_tests::captures::{ETHERNET, Folder, Form, pcap, zoo};
use netobs_tests::netobs::binary;

use crate::support;

fn said(args: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = binary::run(&[&["dump"], args].concat())?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes);
    Ok((
        output.status.code(),
        text(output.stdout)?,
        text(output.stderr)?,
    ))
}

#[test]
fn damaged_files_name_file_and_offset() -> Result<()> {
    let folder = Folder::new()?;
    let good = pcap(Form::of(ETHERNET), &zoo());
    let first = 24 + 16 + zoo()[0].len();
    let mut long = good.clone();
    long[first + 8..first + 12].fill(0xff);
    let mut link = good.clone();
    link[20] = 250;
    let cases: [(&str, &[u8], &[&str]); 6] = [
        (
            "cut",
            &good[..first + 30],
            &["cut, offset ", "the file ends inside of a packet"],
        ),
        (
            "long",
            &long,
            &["a packet of 4294967295 bytes is longer than 262144"],
        ),
        (
            "link",
            &link,
            &["link, offset 20: link type 250 is not known"],
        ),
        (
            "packed",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
            &["packed, offset 0: compressed by gzip: gzip -dc FILE | netobs dump -r -"],
        ),
        (
            "text",
            b"hello, world",
            &["offset 0: neither pcap nor pcapng"],
        ),
        (
            "empty",
            b"",
            &["offset 0: the file ends inside of the magic number"],
        ),
    ];
    for (name, bytes, words) in cases {
        let file = folder.write(name, bytes)?;
        let (status, out, err) = said(&["-n", "-r", &file])?;
        ensure!(status == Some(4), "{name} ended with {status:?}: {err}");
        for word in words {
            ensure!(err.contains(word), "{name} does not say {word}: {err}");
        }
        // What came before the damage is shown.
        let shown = usize::from(["cut", "long"].contains(&name));
        ensure!(out.lines().count() == shown, "{name} shows {out}");
    }
    Ok(())
}

#[test]
fn expressions_and_flags() -> Result<()> {
    let refuse =
        |args: &[&str], words: &[&str]| support::usage_error(&[&["dump"], args].concat(), words);
    refuse(&["-d", "tcp and"], &["column 8", "a primitive", "the end"])?;
    refuse(&["-d", "tcp or wlan host 1"], &["column 8"])?;
    refuse(
        &["-d", "type mgt"],
        &["column 1", "not supported", "802.11"],
    )?;
    refuse(
        &["-d", "port nosuchservice"],
        &["column 1", "nosuchservice", "/etc/services"],
    )?;
    refuse(&["-d", "ip proto nosuch"], &["column 1", "nosuch"])?;
    refuse(
        &["-d", "net 10.0.0.1/8"],
        &["column 1", "bits set beyond the prefix"],
    )?;
    refuse(&["-d", "-y", "NOSUCH", "tcp"], &["NOSUCH", "LINUX_SLL2"])?;
    refuse(&["-c", "0", "-r", "x"], &["0"])
}

/// A file that is read is not emptied to be written.
#[test]
fn the_same_file_twice() -> Result<()> {
    let folder = Folder::new()?;
    let good = pcap(Form::of(ETHERNET), &zoo());
    let file = folder.write("same", &good)?;
    support::usage_error(
        &["dump", "-r", &file, "-w", &file],
        &["same", "is being read"],
    )?;
    ensure!(std::fs::read(&file)? == good, "the file is another now");
    Ok(())
}

/// What cannot be written has a name.
#[test]
fn a_full_disk() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.write("zoo", &pcap(Form::of(ETHERNET), &zoo()))?;
    let (status, _, err) = said(&["-r", &file, "-w", "/dev/full"])?;
    ensure!(
        status == Some(4) && err.contains("netobs: write /dev/full: No space left"),
        "ended with {status:?}: {err}"
    );
    Ok(())
}
