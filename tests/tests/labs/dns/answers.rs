//! What we show is what dig shows.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use netobs_tests::host::Host;
use serde_json::Value;

use super::fixture::{ask_one, host};
use crate::support::{ended_with, said};

type Row = (String, String);

/// Section and record of each line of dig, blanks made one; status and flags.
fn dig(host: &Host, args: &[&str]) -> Result<(String, BTreeSet<String>, BTreeSet<Row>)> {
    let common = ["+nocookie", "+tries=1", "+time=5"];
    let output = host.tool("dig", &[&common[..], args].concat(), "")?;
    let text = String::from_utf8(output.stdout)?;
    let (mut status, mut flags, mut section) = (String::new(), BTreeSet::new(), "");
    let mut rows = BTreeSet::new();
    for line in text.lines() {
        if let Some((_, rest)) = line.split_once("status: ") {
            rest.split(',')
                .next()
                .unwrap_or_default()
                .clone_into(&mut status);
        } else if let Some(rest) = line.strip_prefix(";; flags: ") {
            let words = rest.split(';').next().unwrap_or_default();
            flags = words.split_whitespace().map(str::to_owned).collect();
        } else if let Some(name) = line
            .strip_prefix(";; ")
            .and_then(|l| l.strip_suffix(" SECTION:"))
        {
            section = ["answer", "authority", "additional"]
                .into_iter()
                .find(|s| name.eq_ignore_ascii_case(s))
                .unwrap_or("");
        } else if !line.starts_with(';') && !line.is_empty() {
            let words: Vec<&str> = line.split_whitespace().collect();
            rows.insert((section.to_owned(), words.join(" ")));
        }
    }
    ensure!(!status.is_empty(), "dig {args:?}: {text}");
    Ok((status, flags, rows))
}

fn row(record: &Value) -> Result<Row> {
    let text = |key: &str| {
        record[key]
            .as_str()
            .with_context(|| format!("no {key}: {record}"))
    };
    let data: Vec<&str> = text("data")?.split_whitespace().collect();
    let line = format!(
        "{} {} {} {} {}",
        text("name")?,
        record["ttl"],
        text("class")?,
        text("type")?,
        data.join(" ")
    );
    Ok((text("section")?.to_owned(), line))
}

pub fn agree(host: &Host, args: &[&str]) -> Result<()> {
    let (status, flags, rows) = dig(host, args)?;
    let (asked, records) = ask_one(host, args)?;
    ensure!(
        asked["status"] == status.as_str(),
        "{args:?}: dig says {status}: {asked}"
    );
    let ours = asked["flags"].as_array().into_iter().flatten();
    let ours: BTreeSet<String> = ours.filter_map(|f| f.as_str().map(str::to_owned)).collect();
    ensure!(ours == flags, "{args:?}: dig says {flags:?}: {asked}");
    let ours = records.iter().map(row).collect::<Result<BTreeSet<Row>>>()?;
    ensure!(ours == rows, "{args:?}: dig\n{rows:#?}\nnetobs\n{ours:#?}");
    Ok(())
}

#[test]
fn every_type_as_dig() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    for (name, kind) in [
        ("www", "A"),
        ("www", "AAAA"),
        ("alias", "A"),
        ("alias", "CNAME"),
        ("loop1", "A"),
        ("dangling", "A"),
        ("x.wild", "A"),
        ("_sip._tcp", "SRV"),
        ("odd\\.dot\\032blank", "A"),
        ("mapped", "AAAA"),
        ("compat", "AAAA"),
        ("info", "HINFO"),
        ("unknown", "TYPE65280"),
        ("key", "SSHFP"),
        ("far", "NAPTR"),
        ("a.sub", "A"),
        ("nosuch", "A"),
        ("www", "MX"),
    ] {
        let name = format!("{name}.lab.example");
        agree(&host, &[&name, kind])?;
        agree(&host, &[&name, kind, "+tcp", "+norecurse"])?;
    }
    for kind in ["SOA", "NS", "MX", "TXT", "CAA", "ANY"] {
        agree(&host, &["lab.example", kind])?;
    }
    agree(&host, &["-x", "10.9.9.80"])?;
    agree(&host, &["-t", "MX", "lab.example", "+noedns"])?;
    agree(&host, &["lab.example", "SOA", "+dnssec"])?;
    agree(&host, &["broken.example"])?;
    agree(&host, &["foreign.example"])
}

#[test]
fn short_as_dig() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    for args in [
        &["alias.lab.example", "+short"][..],
        &["lab.example", "TXT", "+short"],
        &["lab.example", "MX", "+short"],
        &["nosuch.lab.example", "+short"],
        &["lab.example", "SOA", "+short", "@127.0.0.1", "-p", "53"],
    ] {
        let theirs = host.tool("dig", args, "")?.stdout;
        let ours = host.netobs("dns", args)?.stdout;
        let sorted = |bytes: &[u8]| -> BTreeSet<Vec<u8>> {
            bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
        };
        ensure!(
            sorted(&theirs) == sorted(&ours),
            "{args:?}: dig {} netobs {}",
            String::from_utf8_lossy(&theirs),
            String::from_utf8_lossy(&ours)
        );
    }
    Ok(())
}

#[test]
fn truncated_is_asked_again_over_tcp() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    agree(&host, &["big.lab.example", "TXT"])?;
    let (asked, records) = ask_one(&host, &["big.lab.example", "TXT"])?;
    ensure!(
        asked["over"] == "tcp" && asked["truncated"] == true,
        "{asked}"
    );
    let answers = records.iter().filter(|r| r["section"] == "answer");
    ensure!(answers.count() == 60, "{asked}");
    agree(&host, &["big.lab.example", "TXT", "+ignore"])?;
    let (cut, _) = ask_one(&host, &["big.lab.example", "TXT", "+ignore"])?;
    ensure!(cut["over"] == "udp", "{cut}");
    let text = cut["text"].as_str().unwrap_or_default();
    ensure!(text.contains("truncated"), "{cut}");
    Ok(())
}

#[test]
fn each_no_is_explained() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    for (args, status, words) in [
        (&["nosuch.lab.example"][..], 1, "does not exist"),
        (&["nosuch.lab.example"], 1, "60 s"),
        (
            &["dangling.lab.example"],
            1,
            "alias of nowhere.lab.example.",
        ),
        (&["www.lab.example", "MX"], 1, "has no MX record"),
        (&["alias.lab.example", "MX"], 1, "alias of www.lab.example."),
        (&["broken.example"], 4, "SERVFAIL"),
        (&["foreign.example"], 4, "REFUSED"),
        (
            &["a.sub.lab.example"],
            4,
            "refers to the servers of sub.lab.example.",
        ),
        (&["www.lab.example", "@127.0.0.1:5"], 4, "nothing listens"),
        (
            &["www.lab.example", "@127.0.0.1:5", "+tcp"],
            4,
            "nothing listens",
        ),
        (&["www.lab.example", "@203.0.113.1"], 4, "no route"),
        (&["www.lab.example"], 0, "10.9.9.80"),
    ] {
        let output = host.netobs("dns", args)?;
        ended_with(&output, status)?;
        ensure!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
    Ok(())
}

#[test]
fn no_byte_of_others_acts_on_a_terminal() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    for args in [
        &["lab.example", "TXT"][..],
        &["lab.example", "TXT", "+short"],
        &["lab.example", "ANY", "--json"],
    ] {
        let output = host.netobs("dns", args)?;
        ended_with(&output, 0)?;
        let odd = |b: &u8| (*b < 0x20 && !b"\n\t".contains(b)) || *b >= 0x7f;
        ensure!(!output.stdout.iter().any(odd), "{}", said(&output));
        ensure!(said(&output).contains("027[31mred"), "{}", said(&output));
    }
    Ok(())
}
