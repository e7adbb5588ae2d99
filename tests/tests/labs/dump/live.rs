//! Capture from interfaces: beside tcpdump, and counted by the sender and by nft.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context, Result, ensure};
use netobs_tests::captures::Folder;
use netobs_tests::netns::Netns;
use netobs_tests::traffic::frame;

use super::capture::{Capture, ENGINES, End, Pair, packets, wait_for_packets};
use crate::support;

const EXPRESSIONS: [&str; 9] = [
    "",
    "udp",
    "udp dst port 7 or icmp",
    "icmp and host 10.9.0.2",
    "inbound",
    "outbound and ip",
    "greater 200",
    "ip6",
    "arp or (udp and ip[2:2] > 100)",
];

/// Both ways, several protocols and lengths.
fn traffic(pair: &Pair) -> Result<()> {
    pair.a
        .tool("ping", &["-c", "2", "-i", "0.2", "10.9.0.2"], "")?;
    pair.a
        .tool("ping", &["-6", "-c", "2", "-i", "0.2", "fd09::2"], "")?;
    for length in [1, 100, 1000] {
        pair.send(7, 3, length)?;
        pair.send(8, 2, length)?;
    }
    pair.a.tool("ping", &["-c", "1", "127.0.0.1"], "")?;
    Ok(())
}

/// tcpdump and netobs capture the same traffic at once: the same packets, byte by byte.
#[test]
fn the_packets_of_tcpdump() -> Result<()> {
    if !support::have(&["tcpdump", "ping"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let mut both = Vec::new();
    for (number, expression) in EXPRESSIONS.iter().enumerate() {
        for device in ["v0", "any"] {
            // The first packets of a capture libpcap filters itself, where it does not know the direction of a frame.
            if device == "v0" && expression.contains("bound") {
                continue;
            }
            let name = |tool: &str| folder.path(&format!("{tool}-{device}-{number}"));
            let theirs = name("tcpdump");
            let tcpdump = Capture::tcpdump(&pair.a, &["-i", device, "-w", &theirs, expression])?;
            let mut ours = Vec::new();
            for engine in if device == "any" {
                &ENGINES[..1]
            } else {
                &ENGINES
            } {
                let file = name(engine);
                let args = ["--engine", engine, "-i", device, "-w", &file, expression];
                ours.push((Capture::netobs(&pair.a, &args)?, file));
            }
            both.push((*expression, device, tcpdump, theirs, ours));
        }
    }
    traffic(&pair)?;
    for (expression, device, tcpdump, theirs, ours) in both {
        let mut ended = Vec::new();
        for (netobs, ours) in ours {
            let end = netobs.end()?;
            wait_for_packets(&theirs, comparable(&ours)?.len())?;
            ended.push((end, ours));
        }
        tcpdump.end()?;
        for (end, ours) in ended {
            same(&format!("{ours} '{expression}'"), &end, [&theirs, &ours])?;
        }
        ensure!(
            ["ip6"].contains(&expression) || !packets(&theirs)?.is_empty(),
            "{device}: {expression} took nothing"
        );
    }
    Ok(())
}

/// Without reports, which the kernel sends when it likes: perhaps before the second capture began.
fn comparable(file: &str) -> Result<Vec<String>> {
    let mut packets = packets(file)?;
    packets.retain(|packet| !packet.contains("listener report"));
    Ok(packets)
}

fn same(what: &str, end: &End, files: [&str; 2]) -> Result<()> {
    let [theirs, ours] = [comparable(files[0])?, comparable(files[1])?];
    ensure!(
        theirs == ours,
        "{what}: tcpdump has {} packets, netobs {}; the first that differ: {:#?}",
        theirs.len(),
        ours.len(),
        theirs
            .iter()
            .zip(&ours)
            .find(|(theirs, ours)| theirs != ours)
    );
    let all = u64::try_from(packets(files[1])?.len())?;
    let wanted = End {
        captured: all,
        received: all,
        lost: 0,
    };
    ensure!(*end == wanted, "{what}: {end:?}, not {wanted:?}");
    Ok(())
}

/// An ICMP echo over loopback is two packets, each once; `-Q` picks one side of a link.
#[test]
fn loopback_once_and_one_direction() -> Result<()> {
    let pair = Pair::new()?;
    let cases = [
        ("lo", "inout", "127.0.0.1", 2),
        ("lo", "in", "127.0.0.1", 2),
        ("lo", "out", "127.0.0.1", 2),
        ("any", "inout", "127.0.0.1", 2),
        ("v0", "inout", "10.9.0.2", 2),
        ("v0", "in", "10.9.0.2", 1),
        ("v0", "out", "10.9.0.2", 1),
        ("any", "in", "10.9.0.2", 1),
    ];
    for (device, way, to, wanted) in cases {
        let words = match way {
            "in" => "icmp and inbound",
            "out" => "icmp and outbound",
            _ => "icmp",
        };
        for engine in if device == "any" {
            &ENGINES[..1]
        } else {
            &ENGINES
        } {
            let args = ["--engine", engine, "-i", device, "-Q", way, "-n", words];
            let capture = Capture::netobs(&pair.a, &args)?;
            pair.a.tool("ping", &["-c", "1", to], "")?;
            let (end, text) = capture.end_with_text()?;
            ensure!(
                end.captured == wanted && text.lines().count() as u64 == wanted,
                "{engine} {device} {way}: {end:?}\n{text}"
            );
        }
    }
    Ok(())
}

/// The kernel takes tags off what comes: they are in the file and in the line again, as in tcpdump's, on all interfaces too.
#[test]
fn tags_are_put_back() -> Result<()> {
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let (from, to) = (frame::mac(&pair.a, "v0")?, frame::mac(&pair.b, "v1")?);
    let ports = |n: u8, port| (Ipv4Addr::new(10, 9, 0, n), port);
    let tagged = frame::vlan_udp(42, from, to, ports(1, 1000), ports(2, 7));
    let other = frame::vlan_udp(43, from, to, ports(1, 1000), ports(2, 7));
    let theirs = folder.path("tcpdump");
    let filter = "vlan 42 and udp";
    let tcpdump = Capture::tcpdump(&pair.b, &["-i", "v1", "-w", &theirs, filter])?;
    let netobs = ENGINES.map(|engine| {
        let ours = folder.path(engine);
        let args = ["--engine", engine, "-i", "v1", "-w", &ours, filter];
        Capture::netobs(&pair.b, &args).map(|capture| (capture, ours))
    });
    let any = Capture::netobs(&pair.b, &["-i", "any", "-n", "-e", "udp port 7"])?;
    let here = Capture::netobs(&pair.b, &["-i", "v1", "-n", "-e", "ip protochain 17"])?;
    frame::send(&pair.a, "v0", &tagged, 3)?;
    frame::send(&pair.a, "v0", &other, 2)?;
    tcpdump.end()?;
    for netobs in netobs {
        let (capture, ours) = netobs?;
        ensure!(capture.end()?.captured == 3, "{ours}");
        let ours = packets(&ours)?;
        ensure!(ours == packets(&theirs)?, "{ours:#?}");
    }
    let (_, text) = any.end_with_text()?;
    let shown = |tag: &str| text.lines().filter(|line| line.contains(tag)).count();
    ensure!(
        shown("vlan 42, p 0") == 3 && shown("vlan 43, p 0") == 2,
        "{text}"
    );
    let (end, text) = here.end_with_text()?;
    ensure!(
        end.captured == 5 && text.matches("vlan 42").count() == 3,
        "{end:?}\n{text}"
    );
    Ok(())
}

/// A filter that the kernel cannot run picks the same packets here, and says so.
#[test]
fn a_loop_is_run_here() -> Result<()> {
    let pair = Pair::new()?;
    let capture = Capture::netobs(&pair.a, &["-i", "v0", "-n", "ip6 protochain 58"])?;
    pair.a
        .tool("ping", &["-6", "-c", "2", "-i", "0.2", "fd09::2"], "")?;
    pair.send(7, 3, 10)?;
    let (end, text) = capture.end_with_text()?;
    let echoes = text.lines().filter(|line| line.contains("echo re")).count();
    ensure!(
        echoes == 4 && end.received == end.captured,
        "{end:?}\n{text}"
    );
    Ok(())
}

/// Large segments of TCP are shown as what they are: several in one.
#[test]
fn segments_in_one_are_named() -> Result<()> {
    let pair = Pair::new()?;
    let listener = pair
        .b
        .run(|| std::net::TcpListener::bind("10.9.0.2:80").context("listen"))?;
    let filter = "tcp dst port 80 and greater 2000";
    let captures = ENGINES.map(|engine| {
        let args = ["--engine", engine, "-i", "v0", "-n", "-s", "96", filter];
        Capture::netobs(&pair.a, &args)
    });
    let mut client = pair
        .a
        .run(|| std::net::TcpStream::connect("10.9.0.2:80").context("connect"))?;
    let (mut served, _) = listener.accept()?;
    std::io::Write::write_all(&mut client, &vec![0; 60_000])?;
    std::io::Read::read_exact(&mut served, &mut vec![0; 60_000])?;
    for (capture, engine) in captures.into_iter().zip(ENGINES) {
        let (end, text) = capture?.end_with_text()?;
        ensure!(end.captured > 0, "{engine}: no large segment: {end:?}");
        // A packet socket tells it from then on.
        if engine == "bpf" || support::kernel_since(6, 0)? {
            let named = |line: &str| line.contains("  [gso; from pid=");
            ensure!(text.lines().all(named), "{engine}: {text}");
        }
    }
    Ok(())
}

/// `-C`, `-W` and `-c` together: numbered names, in turn, and no packet beyond the number.
#[test]
fn files_in_turn() -> Result<()> {
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let file = folder.path("turn");
    let args = [
        "--no-owner",
        "-i",
        "v0",
        "-w",
        &file,
        "-C",
        "2k",
        "-W",
        "12",
        "-c",
        "50",
        "udp dst port 9",
    ];
    let capture = Capture::netobs(&pair.a, &args)?;
    pair.send(9, 60, 400)?;
    let end = capture.ended()?;
    ensure!(end.captured == 50, "{end:?}");
    let mut all = 0;
    let mut files = 0;
    for number in 0..12 {
        let name = format!("{file}{number:02}");
        if std::fs::exists(&name)? {
            all += packets(&name)?.len();
            files += 1;
        }
    }
    ensure!(all == 50 && files >= 8, "{files} files hold {all} packets");
    Ok(())
}

/// SIGUSR1 tells the figures and the capture goes on.
#[test]
fn figures_on_a_signal() -> Result<()> {
    let pair = Pair::new()?;
    let mut capture = Capture::netobs(&pair.a, &["-i", "v0", "-n", "udp dst port 9"])?;
    pair.send(9, 3, 10)?;
    capture.wait_for_lines(3)?;
    capture.signal(libc_usr1())?;
    capture.says("3 packets captured, 3 received by filter, 0 lost by the kernel")?;
    pair.send(9, 2, 10)?;
    capture.wait_for_lines(5)?;
    ensure!(capture.end()?.captured == 5);
    Ok(())
}

fn libc_usr1() -> i32 {
    10 // SIGUSR1 on every architecture that we build for
}

#[test]
fn without_privilege_or_interface() -> Result<()> {
    let output = netobs_tests::netobs::binary::run_as_nobody(&["dump", "-i", "any"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(3) && said.lines().count() == 1,
        "{}: {said}",
        output.status
    );
    ensure!(said.contains("CAP_NET_RAW"), "{said}");
    support::usage_error(&["dump", "-i", "nosuch0"], &["nosuch0", "-D"])?;
    let ns = Netns::new("dump-down")?;
    ns.ip("link add d0 type veth peer name d1")?;
    let output = ns.run(|| netobs_tests::netobs::binary::run(&["dump", "-i", "d0"]))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(4) && said.contains("ip link set d0 up"),
        "{}: {said}",
        output.status
    );
    Ok(())
}

/// The list, and the number of an interface in it.
#[test]
fn interfaces_are_listed() -> Result<()> {
    let pair = Pair::new()?;
    let list = netobs_tests::netobs::binary::run_within(&pair.a, &["dump", "-D"])?;
    ensure!(
        list.starts_with("1.v0 [Up, Running, Connected]\n2.any ") && list.contains("3.lo ["),
        "{list}"
    );
    let capture = Capture::netobs(&pair.a, &["-i", "1", "-n", "-c", "1", "udp"])?;
    let socket = pair
        .a
        .run(|| UdpSocket::bind("10.9.0.1:0").context("bind"))?;
    socket.send_to(b"x", "10.9.0.2:9")?;
    ensure!(capture.ended()?.captured == 1);
    Ok(())
}
