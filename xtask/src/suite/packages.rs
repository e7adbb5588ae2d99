//! Debian packages that the tests need: installed when root, named when not.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cmd;

/// A program that proves the package is there, and the package.
const NEEDED: [(&str, &str); 32] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("ipset", "ipset"),
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("ping", "iputils-ping"),
    ("tcpdump", "tcpdump"),
    ("traceroute", "traceroute"),
    ("mtr", "mtr-tiny"),
    ("nmap", "nmap"),
    ("fping", "fping"),
    ("nc.openbsd", "netcat-openbsd"),
    ("readelf", "binutils"),
    ("podman", "podman"),
    ("conntrack", "conntrack"),
    ("ethtool", "ethtool"),
    ("bpftool", "bpftool"),
    ("cc", "gcc"),
    ("c++", "g++"),
    ("setpriv", "util-linux"),
    ("named", "bind9"),
    ("dig", "bind9-dnsutils"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("tshark", "tshark"),
    ("capinfos", "wireshark-common"),
    ("nghttpd", "nghttp2-server"),
];

/// Installs what is missing, or says what to install.
pub fn install() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        println!("all there");
        return Ok(());
    }
    let list = missing.join(" ");
    if !cmd::is_root() {
        bail!("not root, and these packages are missing: {list}");
    }
    println!("installing {list}");
    apt(&["update"]).context("update the package lists")?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)?;
    let still = self::missing();
    ensure!(
        still.is_empty(),
        "installed, yet their programs are missing: {}",
        still.join(" ")
    );
    Ok(())
}

/// The manifest's schema check lives in a Python environment of its own.
fn python_makes_environments() -> bool {
    let ensurepip = Command::new("python3")
        .args(["-c", "import ensurepip"])
        .output();
    ensurepip.is_ok_and(|output| output.status.success())
}

fn missing() -> Vec<&'static str> {
    let mut missing: Vec<_> = NEEDED
        .iter()
        .filter(|(program, _)| cmd::find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if !python_makes_environments() {
        missing.extend(["python3", "python3-venv"]);
    }
    missing.dedup();
    missing
}

fn apt(args: &[&str]) -> Result<()> {
    // The log is long and of no use unless it fails: `output` shows stderr then.
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive")
        .args([
            "-q",
            "-o",
            "Acquire::Retries=3",
            "-o",
            "DPkg::Lock::Timeout=120",
        ])
        .args(args);
    cmd::output(&mut apt).map(|_| ())
}
