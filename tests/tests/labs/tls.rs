//! `netobs tls`: every fault of a certificate, made for it; openssl and curl agree on which are good.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use netobs_tests::certs::{Authority, Leaf, NOW, Years, alone};
use netobs_tests::host::Host;
use serde_json::Value;

use crate::support::{ended_with, have, objects, said};

const NAME: &str = "www.lab.example";
const PAST: Years = (2001, 2002);
const FUTURE: Years = (2098, 2099);

fn host() -> Result<Option<Host>> {
    if !have(&["openssl", "curl"])? {
        return Ok(None);
    }
    let host = Host::new("nameserver 127.0.0.1\n")?;
    host.etc("hosts", &format!("127.0.0.1 localhost {NAME}\n"))?;
    Ok(Some(host))
}

/// An `openssl s_server` with these files.
fn serve(host: &Host, port: u16, leaf: &Leaf, chain: &str, more: &[&str]) -> Result<()> {
    let cert = host.file(&format!("{port}.cert"), &leaf.cert)?;
    let key = host.file(&format!("{port}.key"), &leaf.key)?;
    let accept = format!("127.0.0.1:{port}");
    let mut args = vec![
        "s_server", "-accept", &accept, "-cert", &cert, "-key", &key, "-www", "-quiet",
    ];
    let file = host.file(&format!("{port}.chain"), chain)?;
    if !chain.is_empty() {
        args.extend(["-cert_chain", &file]);
    }
    args.extend(more);
    let listens: SocketAddr = accept.parse()?;
    host.serve("openssl", &args, &[listens])
}

/// What openssl finds wrong: the number of its verify error, 0 is good.
fn openssl(host: &Host, port: u16) -> Result<u32> {
    let to = format!("127.0.0.1:{port}");
    let args = [
        "s_client",
        "-connect",
        &to,
        "-servername",
        NAME,
        "-verify_hostname",
        NAME,
        "-CAfile",
        "root.pem",
    ];
    let text = said(&host.tool("openssl", &args, "")?);
    let code = text
        .lines()
        .find_map(|l| l.trim().strip_prefix("Verify return code: "));
    let code = code
        .and_then(|rest| rest.split(' ').next())
        .context("no verify code")?;
    Ok(code.parse()?)
}

fn curl(host: &Host, port: u16) -> Result<Option<i32>> {
    let url = format!("https://{NAME}:{port}/");
    let resolve = format!("{NAME}:{port}:127.0.0.1");
    let args = [
        "-s",
        "-o",
        "/dev/null",
        "--cacert",
        "root.pem",
        "--resolve",
        &resolve,
        &url,
    ];
    Ok(host.tool("curl", &args, "")?.status.code())
}

/// The handshake and its certificates.
fn ask(host: &Host, port: u16, more: &[&str], status: i32) -> Result<(Value, Vec<Value>)> {
    let to = format!("{NAME}:{port}");
    let output = host.netobs(
        "tls",
        &[&[&to[..], "--ca", "root.pem", "--json"], more].concat(),
    )?;
    ended_with(&output, status)?;
    let mut all = objects(&output)?;
    ensure!(!all.is_empty(), "nothing said");
    let first = all.remove(0);
    Ok((first, all))
}

struct Case {
    leaf: Leaf,
    chain: String,
    faults: &'static [&'static str],
    openssl: &'static [u32],
}

fn cases() -> Result<(String, Vec<Case>)> {
    let (ours, late, other) = (
        Authority::new("lab", NOW)?,
        Authority::new("late", PAST)?,
        Authority::new("other", NOW)?,
    );
    let leaf = |names: &[&str], years| ours.leaf(names, years);
    let case = |leaf, chain: String, faults, openssl| Case {
        leaf,
        chain,
        faults,
        openssl,
    };
    let cases = vec![
        case(leaf(&[NAME], NOW)?, ours.middle(), &[][..], &[0][..]),
        case(leaf(&["*.lab.example"], NOW)?, ours.middle(), &[], &[0]),
        case(leaf(&[NAME], PAST)?, ours.middle(), &["expired"], &[10]),
        case(
            leaf(&[NAME], FUTURE)?,
            ours.middle(),
            &["not-yet-valid"],
            &[9],
        ),
        case(
            leaf(&["other.example"], NOW)?,
            ours.middle(),
            &["wrong-host"],
            &[62],
        ),
        case(
            leaf(&[NAME], NOW)?,
            String::new(),
            &["incomplete-chain"],
            &[20, 21],
        ),
        case(alone(&[NAME])?, String::new(), &["self-signed"], &[18]),
        case(
            other.leaf(&[NAME], NOW)?,
            other.middle(),
            &["unknown-issuer"],
            &[20],
        ),
        case(
            other.leaf(&[NAME], NOW)?,
            other.middle() + &other.root(),
            &["unknown-issuer"],
            &[19],
        ),
        case(late.leaf(&[NAME], NOW)?, late.middle(), &["expired"], &[10]),
        case(
            leaf(&["other.example"], PAST)?,
            ours.middle(),
            &["expired", "wrong-host"],
            &[10, 62],
        ),
    ];
    Ok((ours.root() + &late.root(), cases))
}

#[test]
fn every_fault_by_its_name() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    let (roots, cases) = cases()?;
    host.file("root.pem", roots)?;
    for (port, case) in (4430..).zip(&cases) {
        serve(&host, port, &case.leaf, &case.chain, &[])?;
        let code = openssl(&host, port)?;
        ensure!(
            case.openssl.contains(&code),
            "{:?}: openssl says {code}",
            case.faults
        );
        let good = case.faults.is_empty();
        ensure!(
            curl(&host, port)? == Some(if good { 0 } else { 60 }),
            "{:?}",
            case.faults
        );
        let (shaken, certs) = ask(&host, port, &[], i32::from(!good))?;
        ensure!(shaken["verified"] == good, "{shaken}");
        ensure!(
            shaken["faults"] == serde_json::json!(case.faults),
            "{shaken}"
        );
        let sent = 1 + case.chain.matches("BEGIN").count();
        ensure!(certs.len() == sent, "{sent} certificates sent: {certs:#?}");
        let url = format!("https://{NAME}:{port}/");
        let http = host.netobs("http", &[&url, "--ca", "root.pem", "-s"])?;
        ended_with(&http, i32::from(!good))?;
    }
    Ok(())
}

/// Subject, issuer, dates, names and fingerprint as openssl prints them.
#[test]
fn certificates_as_openssl_reads_them() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    let ours = Authority::new("lab", NOW)?;
    host.file("root.pem", ours.root())?;
    let leaf = ours.leaf(&[NAME, "10.1.2.3", "fd00::1"], (2024, 2090))?;
    serve(
        &host,
        4430,
        &leaf,
        &ours.middle(),
        &["-ciphersuites", "TLS_AES_128_GCM_SHA256"],
    )?;
    let (shaken, certs) = ask(&host, 4430, &["--showcerts"], 0)?;
    ensure!(shaken["version"] == "TLS 1.3", "{shaken}");
    ensure!(shaken["cipher"] == "TLS_AES_128_GCM_SHA256", "{shaken}");
    let cert = certs.first().context("no certificate")?;
    ensure!(
        cert["sans"] == serde_json::json!([NAME, "10.1.2.3", "fd00::1"]),
        "{cert}"
    );
    ensure!(cert["not_after"] == "2090-01-01T00:00:00Z", "{cert}");
    let pem = cert["pem"].as_str().context("no PEM")?;
    let args = [
        "x509",
        "-noout",
        "-fingerprint",
        "-sha256",
        "-subject",
        "-issuer",
        "-serial",
    ];
    let truth = said(&host.tool("openssl", &args, pem)?);
    let flat = |text: &str| text.to_lowercase().replace([':', ' '], "");
    for key in ["sha256", "subject", "issuer", "serial"] {
        let ours = cert[key].as_str().unwrap_or_default();
        ensure!(flat(&truth).contains(&flat(ours)), "{key} {ours}: {truth}");
    }
    let text = host.netobs("tls", &[&format!("{NAME}:4430"), "--ca", "root.pem"])?;
    ensure!(
        said(&text).contains("verified: for www.lab.example"),
        "{}",
        said(&text)
    );
    Ok(())
}

#[test]
fn versions_names_and_protocols() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    let ours = Authority::new("lab", NOW)?;
    host.file("root.pem", ours.root())?;
    let leaf = ours.leaf(&[NAME, "other.example"], NOW)?;
    serve(
        &host,
        4430,
        &leaf,
        &ours.middle(),
        &["-tls1_2", "-alpn", "http/1.1"],
    )?;
    let (shaken, _) = ask(&host, 4430, &[], 0)?;
    ensure!(
        shaken["version"] == "TLS 1.2" && shaken["alpn"] == "http/1.1",
        "{shaken}"
    );
    let (other, _) = ask(&host, 4430, &["--sni", "other.example", "--alpn", ""], 0)?;
    ensure!(
        other["name"] == "other.example" && other["alpn"].is_null(),
        "{other}"
    );
    serve(
        &host,
        4431,
        &leaf,
        &ours.middle(),
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    )?;
    let (old, _) = ask(&host, 4431, &[], 1)?;
    let error = old["error"].as_str().unwrap_or_default();
    ensure!(error.contains("neither TLS 1.2 nor 1.3"), "{old}");
    Ok(())
}

#[test]
fn what_is_no_tls() -> Result<()> {
    let host = Host::new("nameserver 127.0.0.1\n")?;
    let listener = host.run(|| Ok(TcpListener::bind("127.0.0.1:4430")?))?;
    thread::spawn(move || -> Result<()> {
        use std::io::Write as _;
        for (turn, stream) in listener.incoming().enumerate() {
            match turn {
                0 => stream?.write_all(b"SSH-2.0-Lab\x1b[31m\r\n")?,
                1 => drop(stream?),
                _ => std::mem::forget(stream?),
            }
        }
        Ok(())
    });
    for (words, args) in [
        ("SSH-2.0-Lab\\x1b[31m", &[][..]),
        ("closed the connection", &[]),
        ("within 0.5 s", &["--timeout", "0.5"]),
    ] {
        let output = host.netobs("tls", &[&["127.0.0.1:4430"][..], args].concat())?;
        ended_with(&output, 1)?;
        let text = said(&output);
        // A server that closes at once may do so by a reset.
        let text = text.replace("reset the connection", "closed the connection");
        ensure!(text.contains(words) && !text.contains('\u{1b}'), "{text}");
    }
    let refused = host.netobs("tls", &["127.0.0.1:9"])?;
    ended_with(&refused, 1)?;
    ensure!(said(&refused).contains("refused"), "{}", said(&refused));
    Ok(())
}
