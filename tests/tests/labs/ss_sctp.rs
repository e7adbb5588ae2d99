//! `netobs ss -S` beside ss, on kernels that have SCTP: listeners, both ends of associations, who holds them.

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::sys;
use netobs_tests::tables::{lines, same_lines};

const ASSOCIATIONS: u16 = 4;

/// A listener and clients that are connected to it, as one-to-one sockets.
fn associations(at: SocketAddr) -> Result<Vec<OwnedFd>> {
    let domain = if at.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let socket = || sys::socket(domain, libc::SOCK_STREAM, libc::IPPROTO_SCTP);
    let listener = socket().context("make an SCTP socket")?;
    sys::bind(listener.as_fd(), at)?;
    sys::listen(listener.as_fd(), 16)?;
    let mut held = vec![listener];
    for n in 0..ASSOCIATIONS {
        let client = socket()?;
        let mut from = at;
        from.set_port(at.port() + 1 + n);
        sys::bind(client.as_fd(), from)?;
        sys::connect(client.as_fd(), at).context("associate")?;
        held.push(client);
    }
    Ok(held)
}

#[test]
fn listings_are_those_of_ss() -> Result<()> {
    let ns = Netns::new("sctp")?;
    let held = ns.run(|| {
        let made = sys::socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP);
        if let Err(error) = made {
            eprintln!("left out, this kernel has no SCTP: {error}");
            return Ok(Vec::new());
        }
        let mut held = associations(SocketAddr::from(([127, 0, 0, 1], 7100)))?;
        held.extend(associations("[::1]:7200".parse()?)?);
        Ok(held)
    })?;
    if held.is_empty() {
        return Ok(());
    }
    for flags in ["-SanH", "-SlnH", "-SnH", "-SanpH", "-4SanH", "-6SanH"] {
        for engine in ["auto", "bpf"] {
            let ours = ["ss", flags, "--engine", engine];
            let told = same_lines(&ns, &[flags], &ours, |text| lines(text, |_| true))?;
            ensure!(told > 0, "{flags} shows nothing");
        }
    }
    Ok(())
}
