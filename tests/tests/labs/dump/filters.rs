//! Expressions: the same program as libpcap's, and the same packets of captures of every link.

use anyhow::{Context, Result, ensure};
use netobs_tests::captures::{
    self, COOKED, COOKED_2, ETHERNET, Folder, Form, LOOP, NULL, RAW, RAW_V4, RAW_V6, odd, pcap,
    relink, zoo,
};

use super::{netobs, same_packets, tcpdump};
use crate::support;

/// One expression a line: right ones, and ones that libpcap refuses.
const FILTERS: &str = include_str!("filters.txt");
const LINKS: [u32; 8] = [ETHERNET, RAW, COOKED, COOKED_2, NULL, LOOP, RAW_V4, RAW_V6];

/// What tcpdump and netobs print with `-d`; none when refused.
fn same_program(file: &str, flags: &[&str], expression: &str) -> Result<bool> {
    let args = [&["-r", file, "-d"], flags, &["--", expression]].concat();
    let (theirs, ours) = (tcpdump(&args)?, netobs(&args)?);
    ensure!(
        ours == theirs,
        "`{expression}` on {file}: netobs makes\n{}\ntcpdump\n{}",
        ours.unwrap_or_default(),
        theirs.unwrap_or_default()
    );
    Ok(ours.is_some())
}

fn compare_programs(flags: &[&str], links: impl Fn(usize) -> Vec<u32>) -> Result<()> {
    if !support::have(&["tcpdump"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    for link in LINKS {
        // A packet, as a file without one is of no link to netobs.
        folder.write(&link.to_string(), &pcap(Form::of(link), &[vec![0x45; 60]]))?;
    }
    let (mut taken, mut refused) = (0, 0);
    for (index, expression) in FILTERS.lines().enumerate() {
        for link in links(index) {
            let file = folder.path(&link.to_string());
            if same_program(&file, flags, expression)? {
                taken += 1;
            } else {
                refused += 1;
            }
        }
    }
    ensure!(
        taken > 200,
        "only {taken} expressions were taken, {refused} refused"
    );
    Ok(())
}

#[test]
fn programs_on_ethernet() -> Result<()> {
    compare_programs(&[], |_| vec![ETHERNET])
}

#[test]
fn programs_without_optimizer() -> Result<()> {
    compare_programs(&["-O"], |index| vec![LINKS[index % 2]])
}

#[test]
fn programs_on_other_links() -> Result<()> {
    compare_programs(&[], |index| vec![LINKS[1 + index % 7]])
}

/// Captures of every link, and cut off so that loads miss their bytes.
fn files(folder: &Folder) -> Result<Vec<String>> {
    let frames = [zoo(), odd()].concat();
    let mut files = Vec::new();
    for link in LINKS {
        let packets = relink(link, &frames);
        files.push(folder.write(&format!("link{link}"), &pcap(Form::of(link), &packets))?);
    }
    for snaplen in [20, 36, 50] {
        let form = Form {
            snaplen,
            ..Form::of(ETHERNET)
        };
        files.push(folder.write(&format!("snap{snaplen}"), &pcap(form, &frames))?);
    }
    let turned = Form {
        little: false,
        nanoseconds: true,
        ..Form::of(NULL)
    };
    files.push(folder.write("turned", &pcap(turned, &relink(NULL, &frames)))?);
    Ok(files)
}

/// Each expression on several of the captures, by turns.
fn compare_packets(part: usize) -> Result<()> {
    if !support::have(&["tcpdump"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let files = files(&folder)?;
    let mut picked = 0;
    for (index, expression) in FILTERS.lines().enumerate() {
        let turn = (index * 5 + part * 3) % (files.len() - 1) + 1;
        let file = if part == 0 { &files[0] } else { &files[turn] };
        picked += same_packets(file, expression).with_context(|| format!("part {part}"))?;
    }
    ensure!(picked > 1000, "only {picked} packets were picked");
    Ok(())
}

#[test]
fn packets_on_ethernet() -> Result<()> {
    compare_packets(0)
}

#[test]
fn packets_of_other_captures() -> Result<()> {
    compare_packets(1)?;
    compare_packets(2)
}

/// Two links in one file: the filter is made for each. tcpdump refuses such files.
#[test]
fn names_and_files_of_filters() -> Result<()> {
    if !support::have(&["tcpdump"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let file = folder.write("x", &pcap(Form::of(ETHERNET), &zoo()))?;
    let filter = folder.write("filter", b"tcp # of the web\nport 80 or 81\n")?;
    let args = ["-n", "-tt", "-q", "-r", &file, "-F", &filter];
    ensure!(
        netobs(&args)? == tcpdump(&args)?,
        "a filter from a file picks other packets"
    );
    ensure!(captures::BEGIN > 0);
    Ok(())
}
