//! Interfaces, addresses and neighbours, as `ip -j` shows them.

use anyhow::{Context, Result, ensure};
use netobs_tests::machine;
use netobs_tests::netns::Netns;
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::udp;
use netobs_tests::wait;
use serde_json::Value;

use super::{list, same, show, text};
use crate::support::at;

/// One interface in words that both sides can say; the oldest names of keys are ip's.
fn link(name: &Value, values: &[&Value]) -> Vec<String> {
    let mut words = vec![text(name)];
    words.extend(values.iter().map(|value| text(value)));
    words
}

fn told(ns: &Netns) -> Result<Vec<Vec<String>>> {
    let rows = show(ns, &["link"])?;
    Ok(rows
        .iter()
        .map(|l| {
            let mut words = link(
                &l["ifname"],
                &[
                    &l["mtu"],
                    &l["oper"],
                    &l["mac"],
                    &l["qdisc"],
                    &l["master"],
                    &l["alias"],
                    &l["kind"],
                    &l["vlan_id"],
                    &l["rx_packets"],
                    &l["rx_bytes"],
                    &l["rx_errors"],
                    &l["rx_dropped"],
                    &l["tx_packets"],
                    &l["tx_bytes"],
                    &l["tx_errors"],
                    &l["tx_dropped"],
                    &l["rx_multicast"],
                ],
            );
            words.push(l["flags"].to_string());
            words
        })
        .collect())
}

/// What ip says; flags it makes up itself, from the interface below, are left out.
fn truth(ns: &Netns) -> Result<Vec<Vec<String>>> {
    let rows = list(ns, "ip", &["-j", "-d", "-s", "link"])?;
    Ok(rows
        .iter()
        .map(|l| {
            let (rx, tx) = (&l["stats64"]["rx"], &l["stats64"]["tx"]);
            let info = &l["linkinfo"];
            let vlan = if info["info_kind"] == "vlan" {
                &info["info_data"]["id"]
            } else {
                &Value::Null
            };
            let mut words = link(
                &l["ifname"],
                &[
                    &l["mtu"],
                    &l["operstate"],
                    &l["address"],
                    &l["qdisc"],
                    &l["master"],
                    &l["ifalias"],
                    &info["info_kind"],
                    vlan,
                    &rx["packets"],
                    &rx["bytes"],
                    &rx["errors"],
                    &rx["dropped"],
                    &tx["packets"],
                    &tx["bytes"],
                    &tx["errors"],
                    &tx["dropped"],
                    &rx["multicast"],
                ],
            );
            // What ip makes up itself, from the state of the interface below.
            let flags: Vec<&Value> = l["flags"].as_array().into_iter().flatten().collect();
            let flags = flags
                .into_iter()
                .filter(|f| **f != "NO-CARRIER" && **f != "M-DOWN");
            words.push(Value::from(flags.cloned().collect::<Vec<Value>>()).to_string());
            words
        })
        .collect())
}

#[test]
fn states_counters_and_kinds() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip(
        "link add br0 type bridge\nlink add d0 type veth peer name d1\nlink set d0 master br0 mtu 1400 alias first\n\
         link add link eth0 name m0 type macvlan\nlink set d0 up\n",
    )?;
    udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(Pair::B4, 7), 20, 100)?;
    // Packets of IPv6's own may come between the two looks: they must agree once.
    wait::until("ip and netobs to agree on links", || {
        Ok(same("links", told(&lab.a)?, truth(&lab.a)?)
            .is_ok()
            .then_some(()))
    })
    .or_else(|_| same("links", told(&lab.a)?, truth(&lab.a)?))
}

/// Kinds of links, which kernels have or not.
const KINDS: [&str; 12] = [
    "link add link eth0 name vlan5 type vlan id 5",
    "link add dummy0 type dummy",
    "link add bond0 type bond mode active-backup",
    "link add vrf0 type vrf table 100",
    "link add gre1 type gre local 10.0.0.1 remote 10.0.0.2",
    "link add tap1 type gretap local 10.0.0.1 remote 10.0.0.2 key 7",
    "link add tun6 type ip6tnl local fd00::1 remote fd00::2",
    "link add vx type vxlan id 42 dstport 4789 remote 10.0.0.2 dev eth0",
    "link add gnv type geneve id 3 remote 10.0.0.2",
    "link add wg0 type wireguard",
    "link add link eth0 name ipv type ipvlan mode l3",
    "link add link vlan5 name inner type vlan id 9",
];

#[test]
fn kinds_are_those_of_ip() -> Result<()> {
    let lab = Pair::new()?;
    let taken = KINDS.iter().filter(|kind| match lab.a.ip(kind) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("left out, this kernel does not take {kind}: {error:#}");
            false
        }
    });
    let taken = taken.count();
    ensure!(taken > 0, "this kernel has none of these links");
    // Debian's kernels have them all.
    ensure!(taken == KINDS.len() || !machine::is_bare(), "only {taken}");
    wait::until("ip and netobs to agree on links", || {
        Ok(same("links", told(&lab.a)?, truth(&lab.a)?)
            .is_ok()
            .then_some(()))
    })
    .or_else(|_| same("links", told(&lab.a)?, truth(&lab.a)?))
}

#[test]
fn speed_is_ethtools() -> Result<()> {
    let lab = Pair::new()?;
    let said = lab.a.tool("ethtool", &["eth0"], "")?;
    let speed = said.lines().find_map(|line| {
        line.trim()
            .strip_prefix("Speed: ")?
            .strip_suffix("Mb/s")?
            .parse::<u64>()
            .ok()
    });
    let told = show(&lab.a, &["link"])?;
    let eth0 = told
        .iter()
        .find(|l| l["ifname"] == "eth0")
        .context("no eth0")?;
    ensure!(
        eth0["speed_mbps"].as_u64() == speed && speed.is_some(),
        "ethtool: {said}\nnetobs: {eth0}"
    );
    ensure!(
        eth0["duplex"] == "full" && eth0["carrier"] == true && eth0["admin"] == "up",
        "{eth0}"
    );
    let lo = told.iter().find(|l| l["ifname"] == "lo").context("no lo")?;
    ensure!(lo["speed_mbps"].is_null(), "loopback has no speed: {lo}");
    Ok(())
}

#[test]
fn queueing_and_carrier() -> Result<()> {
    let lab = Pair::new()?;
    for command in [
        "qdisc add dev eth0 root handle 1: tbf rate 1mbit burst 10k latency 5ms",
        "qdisc add dev eth0 clsact",
        "filter add dev eth0 ingress pref 7 protocol ip u32 match u32 0 0 flowid 1:1",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        lab.a.tool("tc", &words, "")?;
    }
    lab.b.ip("link set eth0 down\n")?;
    let told = show(&lab.a, &["link"])?;
    let eth0 = told
        .iter()
        .find(|l| l["ifname"] == "eth0")
        .context("no eth0")?;
    ensure!(eth0["qdisc"] == "tbf" && eth0["carrier"] == false, "{eth0}");
    ensure!(
        eth0["tc"][0] == "tc-ingress:u32 pref 7",
        "the filter is not there: {eth0}"
    );
    Ok(())
}

#[test]
fn addresses() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip(
        "addr add 10.9.0.1/24 dev eth0 label eth0:x valid_lft 1000 preferred_lft 500\naddr add 10.9.0.2/24 dev eth0\n\
         addr add 10.8.0.1 peer 10.8.0.2/32 dev eth0\naddr add fd01::1/64 dev eth0 nodad metric 7\n",
    )?;
    let row = |a: [&Value; 6], link: &Value| {
        let mut words: Vec<String> = a.iter().map(|v| text(v)).collect();
        words.push(text(link));
        words
    };
    let told = show(&lab.a, &["addr"])?;
    let told = told.iter().map(|a| {
        row(
            [
                &a["addr"],
                &a["prefixlen"],
                &a["scope"],
                &a["label"],
                &a["peer"],
                &a["metric"],
            ],
            &a["ifname"],
        )
    });
    let truth = list(&lab.a, "ip", &["-j", "addr"])?;
    let truth = truth.iter().flat_map(|l| {
        let infos = l["addr_info"].as_array().cloned().unwrap_or_default();
        infos.into_iter().map(move |a| {
            row(
                [
                    &a["local"],
                    &a["prefixlen"],
                    &a["scope"],
                    &a["label"],
                    &a["address"],
                    &a["metric"],
                ],
                &l["ifname"],
            )
        })
    });
    same("addresses", told, truth)
}

#[test]
fn lifetimes_and_flags() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip(
        "addr add 10.9.0.1/24 dev eth0 valid_lft 1000 preferred_lft 500\naddr add 10.9.0.2/24 dev eth0\n",
    )?;
    let told = show(&lab.a, &["addr"])?;
    let short = told
        .iter()
        .find(|a| a["addr"] == "10.9.0.1")
        .context("not told")?;
    let left = short["valid_lft_s"].as_u64().unwrap_or(0);
    ensure!(
        (900..=1000).contains(&left) && short["flags"].to_string().contains("dynamic"),
        "{short}"
    );
    let second = told
        .iter()
        .find(|a| a["addr"] == "10.9.0.2")
        .context("not told")?;
    ensure!(
        second["flags"].to_string().contains("secondary") && second["valid_lft_s"].is_null(),
        "{second}"
    );
    Ok(())
}

/// Neighbours that answer, that do not, and those set by hand.
#[test]
fn neighbours() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.sysctl("net/ipv4/neigh/eth0/retrans_time_ms", "100")?;
    lab.a.ip(
        "neigh add 10.77.1.50 lladdr 02:00:00:00:00:50 dev eth0 nud permanent\n\
         neigh add fd00:77:1::50 lladdr 02:00:00:00:00:51 dev eth0 nud stale router\n",
    )?;
    let socket = udp::bind(&lab.a, at(A4, 0))?;
    udp::flood(&socket, at(Pair::B4, 7), 1, 10)?;
    udp::flood(&socket, at(netobs_tests::topology::v4(1, 99), 7), 1, 10)?;
    let states = |rows: &[Value]| -> Vec<Vec<String>> {
        let row = |n: &Value, addr: &str, mac: &str, dev: &str, state: String| {
            vec![text(&n[addr]), text(&n[mac]), text(&n[dev]), state]
        };
        rows.iter()
            .map(|n| match n.get("addr") {
                Some(_) => row(n, "addr", "mac", "ifname", text(&n["state"])),
                None => row(n, "dst", "lladdr", "dev", text(&n["state"][0])),
            })
            .collect()
    };
    // A state may change between the two looks: they must agree once.
    wait::until("ip and netobs to agree on neighbours", || {
        let truth = states(&list(&lab.a, "ip", &["-j", "neigh"])?);
        let told = states(&show(&lab.a, &["neigh"])?);
        let failed = truth.iter().any(|n| n[3] == "FAILED");
        Ok((failed && same("neighbours", told, truth).is_ok()).then_some(()))
    })?;
    let told = show(&lab.a, &["neigh"])?;
    let answered = told
        .iter()
        .find(|n| n["addr"] == "10.77.1.2")
        .context("not told")?;
    let age = answered["confirmed_s"].as_f64().unwrap_or(1e9);
    ensure!(
        age < wait::patience().as_secs_f64() + 60.0,
        "confirmed long ago: {answered}"
    );
    let router = told
        .iter()
        .find(|n| n["addr"] == "fd00:77:1::50")
        .context("not told")?;
    ensure!(router["flags"].to_string().contains("router"), "{router}");
    Ok(())
}

/// A name that would turn a terminal's colours is escaped in text and whole in JSON.
#[test]
fn names_do_not_reach_the_terminal() -> Result<()> {
    let ns = Netns::new("names")?;
    ns.tool(
        "ip",
        &[
            "link",
            "add",
            "\u{1b}[31mred",
            "type",
            "veth",
            "peer",
            "name",
            "x",
        ],
        "",
    )?;
    let told = show(&ns, &["link"])?;
    ensure!(
        told.iter().any(|l| l["ifname"] == "\u{1b}[31mred"),
        "{told:?}"
    );
    let path = ns.path();
    let output = netobs_tests::netobs::binary::run(&["show", "link", "--netns", &path])?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        !text.contains('\u{1b}') && text.contains("\\x1b[31mred"),
        "{text}"
    );
    Ok(())
}
