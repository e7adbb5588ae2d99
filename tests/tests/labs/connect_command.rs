//! `netobs connect`: bytes both ways, every ending, and one connection served.

use std::io::{BufRead, BufReader, Read, Write};

use anyhow::{Context, Result, ensure};
use netobs_tests::netobs::probe;
use netobs_tests::topology::Pair;
use netobs_tests::traffic::tcp;

use crate::support::at;

#[test]
fn sends_and_prints() -> Result<()> {
    let lab = Pair::new()?;
    for target in [Pair::B4, Pair::B6] {
        let listener = lab.b.run(|| Ok(tcp::listen(at(target, 7), 4)?))?;
        let server = std::thread::spawn(move || -> Result<Vec<u8>> {
            let (mut stream, _) = listener.accept()?;
            let mut got = Vec::new();
            stream.read_to_end(&mut got)?;
            stream.write_all(b"answer\x00\xff\n")?;
            Ok(got)
        });
        let mut client = probe::start(&lab.a, &["connect", &target.to_string(), "7"])?;
        client
            .stdin
            .take()
            .context("stdin")?
            .write_all(b"question\n")?;
        let output = client.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.stdout == b"answer\x00\xff\n",
            "{:?} {said}",
            output.stdout
        );
        ensure!(
            output.status.success() && said.contains("9 bytes sent, 9 received"),
            "{said}"
        );
        ensure!(server.join().map_err(|_| anyhow::anyhow!("the server"))?? == b"question\n");
    }
    Ok(())
}

#[test]
fn refused_and_unknown() -> Result<()> {
    let lab = Pair::new()?;
    let said = probe::text(&lab.a, &["connect", "10.77.1.2", "7"])?.ended(1)?;
    ensure!(said.stderr.contains("refused"), "{}", said.stderr);
    let said = probe::text(&lab.a, &["connect", "10.99.0.1", "7"])?.ended(1)?;
    ensure!(said.stderr.contains("no route"), "{}", said.stderr);
    probe::text(&lab.a, &["connect", "10.77.1.2"])?.ended(2)?;
    probe::text(&lab.a, &["connect", "10.77.1.2", "0"])?.ended(2)?;
    Ok(())
}

/// Both ends ours: netobs serves, netobs asks.
#[test]
fn serves_one() -> Result<()> {
    let lab = Pair::new()?;
    let mut server = probe::start(&lab.b, &["connect", "--listen", "7000"])?;
    let mut words = BufReader::new(server.stderr.take().context("stderr")?);
    let mut line = String::new();
    words.read_line(&mut line)?;
    ensure!(line.contains("listening on"), "{line}");
    server
        .stdin
        .take()
        .context("stdin")?
        .write_all(b"from the server")?;
    let mut client = probe::start(&lab.a, &["connect", "10.77.1.2", "7000"])?;
    client
        .stdin
        .take()
        .context("stdin")?
        .write_all(b"from the client")?;
    let (client, server) = (client.wait_with_output()?, server.wait_with_output()?);
    ensure!(client.stdout == b"from the server", "{:?}", client.stdout);
    ensure!(server.stdout == b"from the client", "{:?}", server.stdout);
    Ok(())
}

/// Datagrams both ways; a port that nobody serves refuses, by whom.
#[test]
fn datagrams() -> Result<()> {
    let lab = Pair::new()?;
    for target in ["10.77.1.2", "fd00:77:1::2"] {
        let args = ["connect", "-u", "--listen", "7000", "-w", "3"];
        let mut server = probe::start(&lab.b, &args)?;
        let mut words = BufReader::new(server.stderr.take().context("stderr")?);
        let mut line = String::new();
        words.read_line(&mut line)?;
        ensure!(line.contains("listening on"), "{line}");
        server
            .stdin
            .take()
            .context("stdin")?
            .write_all(b"from the server")?;
        let mut client = probe::start(&lab.a, &["connect", "-u", target, "7000"])?;
        client
            .stdin
            .take()
            .context("stdin")?
            .write_all(b"from the client")?;
        let (client, server) = (client.wait_with_output()?, server.wait_with_output()?);
        ensure!(client.stdout == b"from the server", "{client:?}");
        ensure!(server.stdout == b"from the client", "{server:?}");
        let mut refused = probe::start(&lab.a, &["connect", "-u", target, "7"])?;
        refused.stdin.take().context("stdin")?.write_all(b"x")?;
        let refused = refused.wait_with_output()?;
        let said = String::from_utf8_lossy(&refused.stderr);
        ensure!(
            refused.status.code() == Some(1)
                && said.contains("refused by the host itself (ICMP: port unreachable)"),
            "{said}"
        );
    }
    Ok(())
}

/// The other end says no more, yet hears all: nothing of standard input is lost. And an echo of more than all buffers hold.
#[test]
fn half_closed_and_large() -> Result<()> {
    const LARGE: usize = 16 << 20;
    let lab = Pair::new()?;
    let listener = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 7), 4)?))?;
    let server = std::thread::spawn(move || -> Result<usize> {
        let (mut deaf, _) = listener.accept()?;
        deaf.shutdown(std::net::Shutdown::Write)?;
        let mut got = Vec::new();
        deaf.read_to_end(&mut got)?;
        let (mut echo, _) = listener.accept()?;
        let mut bytes = [0; 4096];
        loop {
            let n = echo.read(&mut bytes)?;
            if n == 0 {
                return Ok(got.len());
            }
            echo.write_all(&bytes[..n])?;
        }
    });
    let send = |bytes: usize| -> Result<std::process::Output> {
        let mut client = probe::start(&lab.a, &["connect", "10.77.1.2", "7"])?;
        let mut stdin = client.stdin.take().context("stdin")?;
        let writer = std::thread::spawn(move || stdin.write_all(&vec![b'x'; bytes]));
        let output = client.wait_with_output()?;
        writer.join().map_err(|_| anyhow::anyhow!("the writer"))??;
        Ok(output)
    };
    let deaf = send(1 << 20)?;
    ensure!(
        deaf.status.success() && deaf.stdout.is_empty(),
        "{:?}",
        deaf.status
    );
    let echoed = send(LARGE)?;
    ensure!(
        echoed.stdout.len() == LARGE,
        "{} came back",
        echoed.stdout.len()
    );
    let heard = server.join().map_err(|_| anyhow::anyhow!("the server"))??;
    ensure!(heard == 1 << 20, "{heard} of 1 MiB were heard");
    Ok(())
}
