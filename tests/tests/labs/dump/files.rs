//! Files: all forms are read, and what is written is read by tcpdump, capinfos and tshark without a warning.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netobs_tests::captures::{COOKED_2, ETHERNET, Folder, Form, RAW, pcap, relink, zoo};
use netobs_tests::netobs::binary;
use netobs_tests::{tool, wait};

use super::capture::Pair;
use super::{netobs, tcpdump};
use crate::support;

#[test]
fn both_byte_orders_and_both_clocks() -> Result<()> {
    if !support::have(&["tcpdump"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    for (little, nanoseconds) in [(true, false), (true, true), (false, false), (false, true)] {
        let form = Form {
            little,
            nanoseconds,
            ..Form::of(ETHERNET)
        };
        let file = folder.write(&format!("{little}{nanoseconds}"), &pcap(form, &zoo()))?;
        for flags in [&["-tt"][..], &["-tt", "--nano"]] {
            let args = [&["-n", "-q", "-r", &file], flags].concat();
            ensure!(
                netobs(&args)? == tcpdump(&args)?,
                "{form:?} {flags:?} reads otherwise"
            );
        }
    }
    Ok(())
}

/// A tool's standard output; it must end well and say nothing on standard error.
fn quiet(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    // As root it says that this is unwise; that is no word about the file.
    let words: Vec<&str> = said
        .lines()
        .filter(|line| !line.contains("Running as user"))
        .collect();
    ensure!(
        output.status.success(),
        "{program} {args:?}: {}: {said}",
        output.status
    );
    ensure!(words.is_empty(), "{program} {args:?} says: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn what_is_written_is_read_by_others() -> Result<()> {
    if !support::have(&["tcpdump", "capinfos", "tshark"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    for link in [ETHERNET, RAW, COOKED_2] {
        let packets = relink(link, &zoo());
        let file = folder.write(
            "in",
            &pcap(
                Form {
                    nanoseconds: true,
                    ..Form::of(link)
                },
                &packets,
            ),
        )?;
        let out = folder.path("out.pcapng");
        netobs(&["-r", &file, "-w", &out])?.context("netobs writes it")?;
        let args = |file| ["-n", "-e", "-v", "-tt", "--nano", "-r", file];
        ensure!(
            tcpdump(&args(&out))? == tcpdump(&args(&file))?,
            "tcpdump reads another file"
        );
        ensure!(
            netobs(&args(&out))? == netobs(&args(&file))?,
            "netobs reads another file"
        );
        let infos = quiet("capinfos", &["-M", "-c", "-t", &out])?;
        let count = format!("Number of packets:   {}", packets.len());
        ensure!(
            infos.contains(&count) && infos.contains("pcapng"),
            "{infos}"
        );
        let rows = quiet(
            "tshark",
            &["-n", "-r", &out, "-T", "fields", "-e", "frame.time_epoch"],
        )?;
        ensure!(
            rows.lines().count() == packets.len(),
            "tshark reads {} packets",
            rows.lines().count()
        );
        ensure!(
            rows.starts_with("1700000000.000001000"),
            "tshark reads the time {:?}",
            rows.lines().next()
        );
        let picked = folder.path("picked.pcapng");
        netobs(&["-r", &file, "-w", &picked, "-c", "3", "udp"])?.context("netobs writes it")?;
        ensure!(quiet("tshark", &["-n", "-r", &picked])?.lines().count() == 3);
    }
    Ok(())
}

#[test]
fn standard_input_and_output() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.write("in", &pcap(Form::of(ETHERNET), &zoo()))?;
    let script = "\"$0\" dump -r - -w - icmp < \"$1\" 2>/dev/null | \"$0\" dump -n -r - | head -2";
    let binary = netobs_tests::netobs::binary::path()?;
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(&binary)
        .arg(&file)
        .output()?;
    let lines = String::from_utf8(output.stdout)?;
    ensure!(
        lines.lines().count() == 2 && lines.contains("ICMP echo request"),
        "{lines}"
    );
    Ok(())
}

/// A name of the hosts file stands in the file, for who reads it elsewhere.
#[test]
fn names_of_addresses() -> Result<()> {
    if !support::have(&["tshark"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let hosts = folder.write(
        "hosts",
        b"10.9.0.2 lab-peer.example peer\nfd09::2 lab-peer6.example\n",
    )?;
    let file = folder.path("named");
    // Hosts files are of a mount namespace.
    let script = "mount --bind \"$1\" /etc/hosts && exec nsenter --net=\"$2\" \"$3\" dump -i v0 -c 4 -w \"$4\" host peer or icmp6";
    let netobs = binary::command()?.get_program().to_owned();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", &hosts, &pair.a.path()]);
    command.arg(netobs).arg(&file);
    let said = folder.path("said");
    command.stderr(fs::File::create(&said)?);
    let mut child = command.spawn().context("start a capture")?;
    wait::until("the capture to listen", || {
        ensure!(
            child.try_wait()?.is_none(),
            "{}",
            fs::read_to_string(&said)?
        );
        Ok(fs::read_to_string(&said)?
            .contains("listening on")
            .then_some(()))
    })?;
    for peer in ["10.9.0.2", "fd09::2"] {
        pair.a.tool("ping", &["-c", "2", "-i", "0.2", peer], "")?;
    }
    child.wait()?;
    let fields = ["-T", "fields", "-e", "ip.dst_host", "-e", "ip.src_host"];
    let args = ["-N", "n", "-r", &file, "-Y", "icmp"];
    let told = tool::run("tshark", &[&args[..], &fields].concat(), "")?;
    let named = told
        .lines()
        .filter(|line| line.contains("lab-peer.example"));
    ensure!(named.count() >= 2, "{told}");
    Ok(())
}
