//! Other ways to ask: over TLS, from the root down, every server at once.

use anyhow::{Result, ensure};
use netobs_tests::host::Host;

use super::{
    answers::agree,
    fixture::{ask, ask_one, bind, host},
};
use crate::support::{ended_with, have, objects, said};

fn soa(ns: &str) -> String {
    format!("$TTL 300\n@ SOA {ns} admin. 1 3600 600 86400 60\n@ NS {ns}\n")
}

#[test]
fn over_tls() -> Result<()> {
    if !have(&["named", "dig", "openssl"])? {
        return Ok(());
    }
    let host = Host::new("nameserver 127.0.0.1\n")?;
    let args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
                -subj /CN=dot -addext subjectAltName=DNS:dot.lab.example,IP:127.0.0.1";
    let args: Vec<&str> = args.split_whitespace().collect();
    ended_with(&host.tool("openssl", &args, "")?, 0)?;
    host.file("lab.zone", format!("{}www A 10.9.9.80\n", soa("www")))?;
    bind(
        &host,
        "listen-on port 853 tls lab { any; };",
        "tls lab { cert-file \"cert.pem\"; key-file \"key.pem\"; };",
        "zone \"lab.example\" { type primary; file \"lab.zone\"; };",
        &["127.0.0.1:853"],
    )?;
    agree(&host, &["www.lab.example", "A", "+tls"])?;
    let name = ["www.lab.example", "--tls"];
    let (asked, records) = ask_one(&host, &name)?;
    ensure!(
        asked["over"] == "tls" && asked["tls_trusted"] == false,
        "{asked}"
    );
    ensure!(records[0]["data"] == "10.9.9.80", "{records:?}");
    let (asked, _) = ask_one(&host, &[&name[..], &["--ca", "cert.pem"]].concat())?;
    ensure!(
        asked["tls_trusted"] == true && asked["tls"] == "TLS 1.3",
        "{asked}"
    );
    let named = [
        &name[..],
        &["--ca", "cert.pem", "--tls-name", "other.example"],
    ]
    .concat();
    let wrong = host.netobs("dns", &named)?;
    ended_with(&wrong, 4)?;
    ensure!(
        said(&wrong).contains("not for other.example"),
        "{}",
        said(&wrong)
    );
    Ok(())
}

/// Root, `example.` and `lab.example.` on three addresses, and one delegation to a server that knows nothing of it.
#[test]
fn from_the_root_down() -> Result<()> {
    if !have(&["named", "dig"])? {
        return Ok(());
    }
    let host = Host::new("nameserver 127.0.0.1\n")?;
    // BIND only takes addresses that an interface has.
    for ip in ["127.0.0.2/8", "127.0.0.3/8"] {
        ended_with(&host.tool("ip", &["addr", "add", ip, "dev", "lo"], "")?, 0)?;
    }
    let root = "ns. A 127.0.0.1\nexample. NS ns.example.\nns.example. A 127.0.0.2\n";
    host.file("root.zone", format!("{}{root}", soa("ns.")))?;
    let example =
        "ns A 127.0.0.2\nlab NS ns.lab\nns.lab A 127.0.0.3\nlame NS ns.lame\nns.lame A 127.0.0.1\n";
    host.file("example.zone", format!("{}{example}", soa("ns")))?;
    host.file(
        "lab.zone",
        format!("{}ns A 127.0.0.3\nwww A 10.9.9.80\n", soa("ns")),
    )?;
    let view = |at: &str, zone: &str, file: &str| {
        format!(
            "view \"{at}\" {{ match-destinations {{ {at}; }}; zone \"{zone}\" {{ type primary; file \"{file}\"; }}; }};\n"
        )
    };
    let zones = [
        view("127.0.0.1", ".", "root.zone"),
        view("127.0.0.2", "example", "example.zone"),
        view("127.0.0.3", "lab.example", "lab.zone"),
    ];
    let listen = "listen-on port 53 { 127.0.0.1; 127.0.0.2; 127.0.0.3; };";
    bind(&host, listen, "", &zones.concat(), &["127.0.0.3:53"])?;
    for roots in [&["--root", "127.0.0.1"][..], &[]] {
        let args = [&["www.lab.example", "--trace"], roots].concat();
        let (stops, records) = ask(&host, &args)?;
        let zones: Vec<&str> = stops.iter().filter_map(|s| s["zone"].as_str()).collect();
        ensure!(zones == [".", "example.", "lab.example."], "{stops:#?}");
        let servers: Vec<&str> = stops.iter().filter_map(|s| s["server"].as_str()).collect();
        ensure!(
            servers == ["127.0.0.1:53", "127.0.0.2:53", "127.0.0.3:53"],
            "{stops:#?}"
        );
        let last = records.iter().find(|r| r["section"] == "answer");
        ensure!(
            last.is_some_and(|r| r["data"] == "10.9.9.80"),
            "{records:#?}"
        );
    }
    // dig takes addresses of servers from the C library, not from the referral.
    host.etc(
        "hosts",
        "127.0.0.1 ns\n127.0.0.2 ns.example\n127.0.0.3 ns.lab.example\n",
    )?;
    let theirs = host.tool("dig", &["+trace", "+nodnssec", "www.lab.example"], "")?;
    ensure!(said(&theirs).contains("10.9.9.80"), "{}", said(&theirs));
    let missing = host.netobs(
        "dns",
        &["nosuch.lab.example", "--trace", "--root", "127.0.0.1"],
    )?;
    ended_with(&missing, 1)?;
    let lame = host.netobs("dns", &["x.lame.example", "--trace", "--root", "127.0.0.1"])?;
    ended_with(&lame, 4)?;
    ensure!(said(&lame).contains("lame delegation"), "{}", said(&lame));
    Ok(())
}

#[test]
fn servers_are_compared() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    let same = host.netobs(
        "dns",
        &["lab.example", "MX", "--compare", "@127.0.0.1", "@localhost"],
    )?;
    ended_with(&same, 0)?;
    ensure!(said(&same).contains("2 servers agree"), "{}", said(&same));
    host.etc(
        "resolv.conf",
        "nameserver 127.0.0.1\nnameserver 127.0.0.9\n",
    )?;
    let output = host.netobs("dns", &["lab.example", "MX", "--compare", "--json"])?;
    ended_with(&output, 1)?;
    let all = objects(&output)?;
    let end = all.last().cloned().unwrap_or_default();
    ensure!(
        end["event"] == "dns-compare" && end["agree"] == false,
        "{end}"
    );
    let groups: Vec<_> = all
        .iter()
        .filter(|o| o["event"] == "dns")
        .map(|o| o["group"].clone())
        .collect();
    ensure!(groups == [0, 1], "{groups:?}");
    Ok(())
}
