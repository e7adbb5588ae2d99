//! `netobs http`: against servers of our own and nghttpd, with curl for a witness.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use netobs_tests::certs::{Authority, NOW};
use netobs_tests::host::Host;
use serde_json::Value;

use crate::support::{ended_with, have, objects, said};

const NAME: &str = "www.lab.example";
/// How long the slow page takes to begin, and then to end.
const SLOW: Duration = Duration::from_millis(200);

fn host() -> Result<Host> {
    let host = Host::new("nameserver 127.0.0.1\n")?;
    host.etc(
        "hosts",
        &format!("127.0.0.2 {NAME}\n127.0.0.1 {NAME} localhost\n"),
    )?;
    let listener = host.run(|| Ok(TcpListener::bind("127.0.0.1:8080")?))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that leaves early is no failure of the server's.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    Ok(host)
}

/// Answers one request and closes.
fn serve(mut stream: TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
        request.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = match path.as_str() {
        "/ok" => "HTTP/1.1 200 Fine\r\nX-Odd: a\u{9b}31mb\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n".to_owned(),
        "/missing" => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        "/one" => "HTTP/1.1 302 Found\r\nLocation: /two\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody".to_owned(),
        "/two" => "HTTP/1.1 301 Moved\r\nLocation: http://localhost:8080/ok\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/round" => "HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/escape" => "HTTP/1.1 200 OK\r\nX-Odd: \x1b[31m\r\n\r\n".to_owned(),
        "/garbage" => "\u{1b}[31mthis is not HTTP\r\n\r\n".to_owned(),
        "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this".to_owned(),
        "/chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned(),
        "/slow" => {
            // Slow, but not for a peer that has gone.
            stream.set_read_timeout(Some(SLOW))?;
            let gone = |stream: &TcpStream| stream.peek(&mut [0]).is_ok();
            if gone(&stream) {
                return Ok(());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")?;
            if gone(&stream) {
                return Ok(());
            }
            "done".to_owned()
        }
        _ => {
            let text = format!("{request}{}", String::from_utf8_lossy(&body));
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len())
        }
    };
    Ok(stream.write_all(answer.as_bytes())?)
}

fn url(path: &str) -> String {
    format!("http://127.0.0.1:8080{path}")
}

fn ask(host: &Host, args: &[&str], status: i32) -> Result<Vec<Value>> {
    let output = host.netobs("http", &[args, &["--json"]].concat())?;
    ended_with(&output, status)?;
    objects(&output)
}

fn us(row: &Value, key: &str) -> Result<u64> {
    row[key]
        .as_u64()
        .with_context(|| format!("no {key}: {row}"))
}

/// What the server was told, line by line, is what curl tells it, but for the name of the client.
#[test]
fn requests_and_bodies_as_curl() -> Result<()> {
    if !have(&["curl"])? {
        return Ok(());
    }
    let host = host()?;
    host.file("form", "c=3\n")?;
    let (ok, echo, one, chunks) = (url("/ok"), url("/echo?a=b"), url("/one"), url("/chunks"));
    for args in [
        &[&ok[..]][..],
        &[&chunks],
        &["-L", &one],
        &[&one],
        &[&echo],
        &["-X", "DELETE", &echo],
        &["-d", "a=1", "-d", "b=2", "-d", "@form", &echo],
        &[
            "-H",
            "X-Mine: yes",
            "-H",
            "Accept:",
            "-H",
            "Host: other.example",
            &echo,
        ],
        &["-u", "me:secret", &echo],
        &["-I", &ok],
    ] {
        let theirs = host.tool("curl", &[&["-s", "-A", "lab"], args].concat(), "")?;
        let ours = host.netobs("http", &[&["-s", "-H", "User-Agent: lab"], args].concat())?;
        ended_with(&ours, 0)?;
        let lines = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).to_lowercase();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let (theirs, ours) = (lines(&theirs.stdout), lines(&ours.stdout));
        ensure!(
            theirs == ours,
            "{args:?}: curl {theirs:#?}, netobs {ours:#?}"
        );
    }
    Ok(())
}

#[test]
fn phases_and_status() -> Result<()> {
    let host = host()?;
    let rows = ask(&host, &[&url("/slow")], 0)?;
    let row = rows.first().context("nothing said")?;
    let slow = u64::try_from(SLOW.as_micros())?;
    for key in ["first_byte_us", "body_us"] {
        let took = us(row, key)?;
        ensure!((slow - slow / 20..slow * 3).contains(&took), "{key}: {row}");
    }
    ensure!(
        us(row, "total_us")? >= 2 * slow && us(row, "request_us")? < slow,
        "{row}"
    );
    ensure!(row["status"] == 200 && row["bytes"] == 8, "{row}");
    if have(&["curl"])? {
        let format = "%{time_starttransfer} %{time_total}";
        let theirs = host.tool(
            "curl",
            &["-s", "-o", "/dev/null", "-w", format, &url("/slow")],
            "",
        )?;
        let ours = [us(row, "first_byte_us")?, us(row, "total_us")?];
        for (theirs, ours) in said(&theirs).split_whitespace().zip(ours) {
            let theirs = Duration::from_secs_f64(theirs.parse()?);
            let apart = theirs.abs_diff(Duration::from_micros(ours));
            ensure!(apart < SLOW, "curl {theirs:?}, ours {ours} us");
        }
    }
    ask(&host, &[&url("/missing")], 0)?;
    ask(&host, &[&url("/missing"), "-f"], 1)?;
    let late = host.netobs("http", &[&url("/slow"), "-m", "0.1"])?;
    ended_with(&late, 4)?;
    ensure!(
        said(&late).contains("waiting for the answer"),
        "{}",
        said(&late)
    );
    let later = host.netobs("http", &[&url("/slow"), "-m", "0.3"])?;
    ended_with(&later, 4)?;
    ensure!(
        said(&later).contains("after 4 bytes of the body"),
        "{}",
        said(&later)
    );
    Ok(())
}

#[test]
fn addresses_in_turn() -> Result<()> {
    let host = host()?;
    let named = format!("http://{NAME}:8080/ok");
    let rows = ask(&host, &[&named], 0)?;
    let row = rows.first().context("nothing said")?;
    let both = row["addresses"].as_array().map_or(0, Vec::len);
    ensure!(both == 2 && row["addr"] == "127.0.0.1", "{row}");
    let refused = row["refused"].as_array().into_iter().flatten();
    let refused: Vec<&str> = refused.filter_map(Value::as_str).collect();
    ensure!(
        matches!(refused[..], [one] if one.contains("127.0.0.2:8080") && one.contains("refused")),
        "{row}"
    );
    let pinned = ask(
        &host,
        &[
            "http://elsewhere.example:8080/ok",
            "--resolve",
            "elsewhere.example:8080:127.0.0.3,127.0.0.1",
        ],
        0,
    )?;
    ensure!(
        pinned[0]["dns_us"].is_null() && pinned[0]["addr"] == "127.0.0.1",
        "{}",
        pinned[0]
    );
    let none = host.netobs("http", &["http://127.0.0.1:9/"])?;
    ended_with(&none, 1)?;
    let told = said(&none).matches("refused").count();
    ensure!(told == 1, "{}", said(&none));
    let away = host.netobs("http", &["http://203.0.113.1/"])?;
    ended_with(&away, 1)?;
    ensure!(said(&away).contains("no route"), "{}", said(&away));
    Ok(())
}

#[test]
fn redirects() -> Result<()> {
    let host = host()?;
    let rows = ask(&host, &["-L", &url("/one")], 0)?;
    let status: Vec<&Value> = rows.iter().map(|row| &row["status"]).collect();
    ensure!(status == [302, 301, 200], "{rows:#?}");
    ensure!(rows[2]["url"] == "http://localhost:8080/ok", "{rows:#?}");
    let round = host.netobs("http", &["-L", "--max-redirs", "3", &url("/round")])?;
    ended_with(&round, 4)?;
    ensure!(
        said(&round).contains("more than 3 redirects"),
        "{}",
        said(&round)
    );
    Ok(())
}

#[test]
fn bad_answers() -> Result<()> {
    let host = host()?;
    for (path, words) in [
        ("/garbage", "not HTTP"),
        ("/escape", "not HTTP"),
        ("/cut", "after 9 bytes of the body"),
    ] {
        let output = host.netobs("http", &[&url(path)])?;
        ended_with(&output, 4)?;
        let text = said(&output);
        ensure!(text.contains(words) && !text.contains('\u{1b}'), "{text}");
    }
    let odd = host.netobs("http", &[&url("/ok")])?;
    ended_with(&odd, 0)?;
    ensure!(
        said(&odd).contains("x-odd: a\\xc2\\x9b31mb"),
        "{}",
        said(&odd)
    );
    host.netobs("http", &[&url("/ok"), "-o", "page"])?;
    let kept = std::fs::read(host.dir().join("page"))?;
    ensure!(kept == b"ok\n", "{kept:?}");
    Ok(())
}

#[test]
fn http2_where_it_is_agreed_on() -> Result<()> {
    if !have(&["nghttpd", "curl"])? {
        return Ok(());
    }
    let host = host()?;
    let ours = Authority::new("lab", NOW)?;
    let leaf = ours.leaf(&[NAME], NOW)?;
    host.file("root.pem", ours.root())?;
    let (key, cert) = (
        host.file("key", &leaf.key)?,
        host.file("cert", leaf.cert.clone() + &ours.middle())?,
    );
    host.file("big", vec![b'x'; 300_000])?;
    host.serve(
        "nghttpd",
        &["-a", "127.0.0.1", "8443", &key, &cert],
        &["127.0.0.1:8443".parse()?],
    )?;
    host.serve(
        "nghttpd",
        &["-a", "127.0.0.1", "--no-tls", "8081"],
        &["127.0.0.1:8081".parse()?],
    )?;
    let secure = format!("https://{NAME}:8443/big");
    let plain = "http://127.0.0.1:8081/big";
    for args in [&[&secure[..], "--ca", "root.pem"][..], &[plain, "--http2"]] {
        let rows = ask(&host, args, 0)?;
        let row = rows.first().context("nothing said")?;
        ensure!(
            row["version"] == "HTTP/2" && row["bytes"] == 300_000,
            "{row}"
        );
    }
    let pin = format!("{NAME}:8443:127.0.0.1");
    let args = [
        "-s",
        "-w",
        "%{http_version} %{size_download}",
        "-o",
        "/dev/null",
        "--cacert",
        "root.pem",
        "--resolve",
        &pin,
        &secure,
    ];
    let theirs = host.tool("curl", &args, "")?;
    ensure!(said(&theirs) == "2 300000", "{}", said(&theirs));
    let older = host.netobs("http", &[&secure, "--ca", "root.pem", "--http1.1"])?;
    ensure!(!older.status.success(), "{}", said(&older));
    Ok(())
}
