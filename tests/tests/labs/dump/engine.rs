//! Ways to take packets: exact figures, and by eBPF the filter of tcpdump, other programs that see every packet, and nothing left behind.

use anyhow::{Context, Result, ensure};
use netobs_tests::captures::{ETHERNET, Folder, Form, odd, pcap, zoo};
use netobs_tests::mirror::Mirror;
use netobs_tests::traffic::frame;

use super::capture::{Capture, ENGINES, Pair, packets};
use super::tcpdump;
use crate::edge::tc;
use crate::support;

const FILTERS: &str = include_str!("filters.txt");
/// Captures at once; the kernel takes 64 programs at one place of a device.
const AT_ONCE: usize = 24;
/// Between frames of one capture: what the kernel makes of tags on the way in is another lab's.
const TAGS: [[u8; 2]; 3] = [[0x81, 0], [0x88, 0xa8], [0x91, 0]];

/// Frames that any device takes as they are.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = [zoo(), odd()].concat();
    frames.retain(|frame| {
        let kind = frame.get(12..14);
        (60..1500).contains(&frame.len()) && !TAGS.iter().any(|tag| kind == Some(tag))
    });
    frames
}

/// Packets of a file by an expression, as tcpdump picks them; none: it refuses the expression.
fn picked(folder: &Folder, file: &str, expression: &str) -> Result<Option<Vec<String>>> {
    let out = folder.path("picked");
    let args = ["-r", file, "-w", &out, "--", expression];
    tcpdump(&args)?.map(|_| packets(&out)).transpose()
}

/// Expressions that tcpdump takes, of each side half of them, and the packets that they pick.
fn wanted(folder: &Folder, file: &str, part: usize) -> Result<Vec<(&'static str, Vec<String>)>> {
    let mut wanted = Vec::new();
    for expression in FILTERS.lines().skip(part).step_by(2) {
        // A file has no direction, and no interface.
        let odd = [
            "inbound",
            "outbound",
            "ifindex",
            "ifname",
            "on ",
            "vlan",
            "less",
            "protochain",
        ];
        if odd.iter().any(|word| expression.contains(word)) {
            continue;
        }
        if let Some(packets) = picked(folder, file, expression)? {
            wanted.push((expression, packets));
        }
    }
    ensure!(wanted.len() > 100, "only {} expressions", wanted.len());
    Ok(wanted)
}

/// Many expressions on every frame, as it leaves one side of a link and as it comes to the other.
fn picks(part: usize) -> Result<()> {
    if !support::have(&["tcpdump"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    // Nobody answers, and nothing is sent on.
    for (ns, device) in [(&pair.a, "v0"), (&pair.b, "v1")] {
        ns.ip(&format!("addr flush dev {device}"))?;
        ns.sysctl(&format!("net/ipv6/conf/{device}/disable_ipv6"), "1")?;
    }
    let frames = frames();
    let file = folder.write("frames", &pcap(Form::of(ETHERNET), &frames))?;
    let (side, device, way) = [(&pair.a, "v0", "out"), (&pair.b, "v1", "in")][part];
    let wanted = wanted(&folder, &file, part)?;
    let (mut all, mut some) = (0, 0);
    for chunk in wanted.chunks(AT_ONCE) {
        let mut captures = Vec::new();
        for (number, (expression, _)) in chunk.iter().enumerate() {
            let out = folder.path(&format!("out{number}"));
            let args = ["--engine", "bpf", "--no-owner", "-i", device, "-Q", way];
            let rest = ["-B", "256", "-w", &out, "--", expression];
            let capture = Capture::netobs(side, &[&args[..], &rest].concat());
            captures.push(capture.with_context(|| format!("`{expression}`"))?);
        }
        for bytes in &frames {
            frame::send(&pair.a, "v0", bytes, 1)?;
        }
        for (number, (capture, (expression, wanted))) in captures.into_iter().zip(chunk).enumerate()
        {
            let end = capture.end()?;
            let ours = packets(&folder.path(&format!("out{number}")))?;
            ensure!(
                ours == *wanted,
                "`{expression}` {way}: {} packets of {end:?}, tcpdump picks {}",
                ours.len(),
                wanted.len()
            );
            all += 1;
            some += usize::from(!wanted.is_empty() && wanted.len() < frames.len());
        }
    }
    ensure!(
        some > 50,
        "only {some} of {all} expressions tell packets apart"
    );
    Ok(())
}

#[test]
fn picks_what_tcpdump_picks_as_it_leaves() -> Result<()> {
    picks(0)
}

#[test]
fn picks_what_tcpdump_picks_as_it_comes() -> Result<()> {
    picks(1)
}

/// What passes the filter is captured or counted as lost, in a ring far too small as well.
#[test]
fn the_figures_are_those_of_the_sender() -> Result<()> {
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let cases = ENGINES.map(|engine| [(engine, "32768"), (engine, "1")]);
    let sent = 20_000;
    for (engine, buffer) in cases.concat() {
        let file = folder.path(&format!("{engine}-{buffer}"));
        let args = ["--engine", engine, "-i", "v0", "-B", buffer, "-w", &file];
        let args = [&args[..], &["udp dst port 9"]].concat();
        let capture = Capture::netobs(&pair.a, &args)?;
        pair.send(9, sent, 100)?;
        pair.send(10, 5, 100)?;
        let end = capture.end()?;
        ensure!(
            end.received == sent && end.captured + end.lost == sent,
            "{engine}: {sent} were sent: {end:?}"
        );
        ensure!(
            buffer == "1" || end.lost == 0,
            "{engine}: a large ring lost some: {end:?}"
        );
        if support::have(&["capinfos"])? {
            let infos = netobs_tests::tool::run("capinfos", &["-M", "-c", &file], "")?;
            let count = format!("Number of packets:   {}", end.captured);
            ensure!(infos.contains(&count), "{infos}");
        }
    }
    Ok(())
}

/// Filters of TC count every packet while we capture, and all of TC is afterwards what it was before.
#[test]
fn others_keep_working() -> Result<()> {
    let pair = Pair::new()?;
    pair.a
        .ip("link set v0 down\nlink set v0 name eth0\nlink set eth0 up")?;
    pair.b
        .ip("link set v1 down\nlink set v1 name eth0\nlink set eth0 up")?;
    let clean = tc(&pair.b)?;
    let ping = ["-c", "3", "-i", "0.2", "10.9.0.2"];
    pair.a.tool("ping", &ping, "")?;
    let capture = Capture::netobs(&pair.b, &["--engine", "bpf", "-i", "eth0", "-n", "icmp"])?;
    pair.a.tool("ping", &ping, "")?;
    ensure!(capture.end()?.captured == 6, "the echoes are not taken");
    ensure!(tc(&pair.b)? == clean, "something stayed: {}", tc(&pair.b)?);
    let mirror = Mirror::add(&pair.b)?;
    let before = tc(&pair.b)?;
    let (came, left) = (mirror.came()?, mirror.left()?);
    let capture = Capture::netobs(&pair.b, &["--engine", "bpf", "-i", "eth0", "-n", "icmp"])?;
    pair.a.tool("ping", &ping, "")?;
    ensure!(capture.end()?.captured == 6, "the echoes are not taken");
    ensure!(
        mirror.came()? >= came + 3 && mirror.left()? >= left + 3,
        "the filter behind us saw fewer packets"
    );
    ensure!(tc(&pair.b)? == before, "{before}\nbecame\n{}", tc(&pair.b)?);
    Ok(())
}

/// What this way cannot do is told, with the status of what is missing.
#[test]
fn what_it_cannot_do() -> Result<()> {
    let pair = Pair::new()?;
    let cases = [
        (vec!["-i", "any"], "one interface"),
        (
            vec!["-i", "v0", "ip6 protochain 58"],
            "cannot run this filter",
        ),
    ];
    for (args, words) in cases {
        let args = [&["dump", "--engine", "bpf"][..], &args].concat();
        let output = pair.a.run(|| netobs_tests::netobs::binary::run(&args))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(3) && said.contains(words),
            "{args:?}: {}: {said}",
            output.status
        );
    }
    Ok(())
}

/// An interface that goes away, and one that is down and comes back.
#[test]
fn the_interface_goes() -> Result<()> {
    let pair = Pair::new()?;
    let mut capture = Capture::netobs(&pair.b, &["--engine", "bpf", "-i", "v1", "-n", "udp"])?;
    pair.send(7, 2, 10)?;
    capture.wait_for_lines(2)?;
    pair.b.ip("link set v1 down")?;
    capture.says("v1: Network is down")?;
    pair.b.ip("link set v1 up")?;
    pair.a
        .tool("ping", &["-c", "1", "-w", "5", "10.9.0.2"], "")?;
    pair.send(7, 2, 10)?;
    capture.wait_for_lines(4)?;
    pair.b.ip("link del v1")?;
    capture.says("v1: the interface is gone")?;
    Ok(())
}
