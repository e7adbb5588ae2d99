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
