//! A local BIND with zones of every kind of answer.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use netobs_tests::host::Host;
use serde_json::Value;

use crate::support::{have, objects};

const HEAD: &str = "
    listen-on-v6 { none; }; recursion no; dnssec-validation no; pid-file none; session-keyfile none;
    minimal-responses no; check-names primary ignore; notify no;
";

/// Everything dig and we are asked for.
const ZONE: &str = r#"$TTL 300
@ SOA ns admin 7 3600 600 86400 60
@ NS ns
@ MX 10 mail
@ MX 20 backup
@ TXT "v=spf1 -all" "a \"quoted\" \\ part;"
@ TXT "esc\027[31mred\007 \200"
@ CAA 0 issue "ca.example"
@ CAA 128 iodef "mailto:a@b"
ns A 127.0.0.1
www A 10.9.9.80
www A 10.9.9.81
www AAAA fd00::80
alias CNAME www
dangling CNAME nowhere
loop1 CNAME loop2
loop2 CNAME loop1
mail A 10.9.9.25
backup A 10.9.9.26
_sip._tcp SRV 5 10 5060 www
odd\.dot\032blank A 10.9.9.9
mapped AAAA ::ffff:10.1.2.3
compat AAAA ::10.1.2.3
info HINFO "x86" "y z"
unknown TYPE65280 \# 4 0a000001
key SSHFP 1 1 123456789abcdef67890123456789abcdef67890
far NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@lab.example!" .
*.wild A 10.9.9.7
sub NS ns.sub
ns.sub A 127.0.0.1
"#;

const REVERSE: &str = "$TTL 300\n@ SOA ns.lab.example. admin 1 3600 600 86400 60\n@ NS ns.lab.example.\n80 PTR www.lab.example.\n";

/// More than fits any datagram.
fn zone() -> String {
    let big = (0..60).map(|n| format!("big TXT \"{n}-{}\"\n", "x".repeat(60)));
    format!("{ZONE}{}", big.collect::<String>())
}

/// None where there is no BIND.
pub fn host() -> Result<Option<Host>> {
    if !have(&["named", "dig"])? {
        return Ok(None);
    }
    let host = Host::new("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")?;
    host.file("lab.zone", zone())?;
    host.file("reverse.zone", REVERSE)?;
    host.file("broken.zone", "this is no zone\n")?;
    let zones = r#"
        zone "lab.example" { type primary; file "lab.zone"; };
        zone "9.9.10.in-addr.arpa" { type primary; file "reverse.zone"; };
        zone "broken.example" { type primary; file "broken.zone"; };
    "#;
    bind(
        &host,
        "listen-on port 53 { 127.0.0.1; };",
        "",
        zones,
        &["127.0.0.1:53"],
    )?;
    Ok(Some(host))
}

/// Starts BIND with these options, statements and zones.
pub fn bind(host: &Host, options: &str, before: &str, zones: &str, listens: &[&str]) -> Result<()> {
    let dir = host.dir().display();
    let text = format!(
        "{before}\noptions {{ directory \"{dir}\"; {HEAD} {options} }};\ncontrols {{ }};\n{zones}"
    );
    let config = host.file("named.conf", text)?;
    let listens: Result<Vec<SocketAddr>, _> = listens.iter().map(|addr| addr.parse()).collect();
    host.serve("named", &["-g", "-4", "-n", "1", "-c", &config], &listens?)
}

/// The objects of `netobs dns ARGS --json`: what was asked and the records; whatever the exit status.
pub fn ask(host: &Host, args: &[&str]) -> Result<(Vec<Value>, Vec<Value>)> {
    let output = host.netobs("dns", &[args, &["--json"]].concat())?;
    let all = objects(&output)?;
    let (records, asked) = all.into_iter().partition(|row| row["event"] == "record");
    Ok((asked, records))
}

/// Of one question.
pub fn ask_one(host: &Host, args: &[&str]) -> Result<(Value, Vec<Value>)> {
    let (mut asked, records) = ask(host, args)?;
    let one = asked
        .pop()
        .with_context(|| format!("{args:?}: nothing asked"))?;
    Ok((one, records))
}
