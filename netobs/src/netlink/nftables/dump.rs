//! The ruleset read from the kernel: chains with their rules, sets and named objects, all of one generation.

use super::{
    expr::{ARP, INET, IPV4, IPV6, Reader, World},
    object::{self, Object},
    sets::{Element, Set, Sets, Shape, element},
};
use crate::netlink::links::LinkNames;
use crate::netlink::{
    attrs::{Attr, attrs, behind},
    firewall::{Chain, Rule, Ruleset, SetRow},
    ipset::IpSets,
    socket::{Error, NETFILTER, Request, Socket},
};

/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of a message's number.
const SUBSYSTEM: u16 = 0xa00;
const GETCHAIN: u16 = SUBSYSTEM | 4;
const GETRULE: u16 = SUBSYSTEM | 7;
const GETSET: u16 = SUBSYSTEM | 0xa;
const GETSETELEM: u16 = SUBSYSTEM | 0xd;
const GETGEN: u16 = SUBSYSTEM | 0x10;
const GETOBJ: u16 = SUBSYSTEM | 0x13;
const GETFLOWTABLE: u16 = SUBSYSTEM | 0x17;
/// `struct nfgenmsg`.
const HEADER: usize = 4;
const VIA: &str = "nftables";
/// How often a ruleset that changes while it is read is read again.
const RETRIES: u32 = 5;

/// The ruleset of the thread's network namespace; rules in the order the kernel holds them.
pub fn all(links: &LinkNames) -> Result<Ruleset, Error> {
    let mut socket = Socket::open(NETFILTER)?;
    let mut ruleset = Ruleset::default();
    for _ in 0..RETRIES {
        let before = generation(&mut socket)?;
        ruleset = match read(&mut socket, links) {
            Ok(ruleset) => ruleset,
            // A set that was listed is gone by now: only then read again.
            Err(error) if error.is_unsupported() && generation(&mut socket)? != before => continue,
            Err(error) => return Err(error),
        };
        if generation(&mut socket)? == before {
            return Ok(ruleset);
        }
    }
    ruleset.torn = true;
    Ok(ruleset)
}

fn generation(socket: &mut Socket) -> Result<u32, Error> {
    let request = Request::get("ask nf_tables for its generation", GETGEN, &[0; HEADER]);
    let answer = socket.one(&request)?.unwrap_or_default();
    let number = behind(&answer, HEADER).find(|a| a.kind == 1);
    Ok(number.and_then(Attr::be32).unwrap_or(0))
}

fn read(socket: &mut Socket, links: &LinkNames) -> Result<Ruleset, Error> {
    let chains = Request::dump("list the chains of nf_tables", GETCHAIN, &[0; HEADER]);
    let chains = socket.rows(&chains, chain)?.rows;
    let sets = read_sets(socket)?;
    let world = World {
        sets: &sets,
        links,
        ipsets: &IpSets::default(),
    };
    let request = Request::dump("list the rules of nf_tables", GETRULE, &[0; HEADER]);
    let rules = socket.rows(&request, |payload| rule(payload, &world))?.rows;
    let request = Request::dump("list the objects of nf_tables", GETOBJ, &[0; HEADER]);
    let objects = socket
        .rows(&request, |p| {
            Some(object::decode(*p.first()?, p.get(HEADER..)?))
        })?
        .rows;
    let mut rows: Vec<SetRow> = sets
        .values()
        .filter(|set| !set.is_anonymous())
        .map(|set| row(set, links))
        .collect();
    rows.extend(objects.into_iter().map(object_row));
    let request = Request::dump(
        "list the flowtables of nf_tables",
        GETFLOWTABLE,
        &[0; HEADER],
    );
    match socket.rows(&request, flowtable) {
        // Kernels before 4.16 have none.
        Err(error) if error.is_unsupported() => {}
        dump => rows.extend(dump?.rows),
    }
    rows.sort_by(|a, b| (a.family, &a.table, a.handle).cmp(&(b.family, &b.table, b.handle)));
    Ok(Ruleset {
        chains,
        rules,
        sets: rows,
        torn: false,
    })
}

fn read_sets(socket: &mut Socket) -> Result<Sets, Error> {
    let request = Request::dump("list the sets of nf_tables", GETSET, &[0; HEADER]);
    let mut sets = Sets::new();
    for mut set in socket.rows(&request, set)?.rows {
        let request = Request::dump(
            "list the elements of a set of nf_tables",
            GETSETELEM,
            &[set.family, 0, 0, 0],
        )
        .text(1, &set.table)
        .text(2, &set.name);
        set.elements = socket
            .rows(&request, elements)?
            .rows
            .into_iter()
            .flatten()
            .collect();
        sets.insert((set.family, set.table.clone(), set.name.clone()), set);
    }
    Ok(sets)
}

pub fn family_name(family: u8) -> &'static str {
    match family {
        INET => "inet",
        IPV4 => "ip",
        ARP => "arp",
        5 => "netdev",
        7 => "bridge",
        IPV6 => "ip6",
        _ => "unknown",
    }
}

fn hook_name(family: u8, hook: u32) -> &'static str {
    const INET_HOOKS: [&str; 6] = [
        "prerouting",
        "input",
        "forward",
        "output",
        "postrouting",
        "ingress",
    ];
    const ARP_HOOKS: [&str; 3] = ["input", "output", "forward"];
    const NETDEV_HOOKS: [&str; 2] = ["ingress", "egress"];
    let names: &[&str] = match family {
        ARP => &ARP_HOOKS,
        5 => &NETDEV_HOOKS,
        _ => &INET_HOOKS,
    };
    names.get(hook as usize).copied().unwrap_or("unknown")
}

fn chain(payload: &[u8]) -> Option<Chain> {
    let family = *payload.first()?;
    let mut chain = Chain {
        via: VIA,
        family: family_name(family),
        ..Chain::default()
    };
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => chain.table = attr.text(),
            2 => chain.handle = attr.be64(),
            3 => chain.chain = attr.text(),
            4 => hook(&mut chain, family, attr),
            5 => chain.policy = attr.be32().map(|n| if n == 0 { "drop" } else { "accept" }),
            7 => chain.kind = Some(attr.text()),
            8 => {
                chain.bytes = attr.find(1).and_then(Attr::be64);
                chain.packets = attr.find(2).and_then(Attr::be64);
            }
            _ => {}
        }
    }
    Some(chain)
}

/// `NFTA_CHAIN_HOOK`.
fn hook(chain: &mut Chain, family: u8, attr: Attr<'_>) {
    for part in attr.nested() {
        match part.kind {
            1 => chain.hook = part.be32().map(|n| hook_name(family, n)),
            2 => chain.priority = part.be32().map(u32::cast_signed),
            3 => chain.devices = vec![part.text()],
            4 => chain.devices = part.nested().map(Attr::text).collect(),
            _ => {}
        }
    }
}

fn rule(payload: &[u8], world: &World<'_>) -> Option<Rule> {
    let family = *payload.first()?;
    let (mut table, mut chain, mut handle) = (String::new(), String::new(), 0);
    let (mut expressions, mut userdata): (&[u8], &[u8]) = (&[], &[]);
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => table = attr.text(),
            2 => chain = attr.text(),
            3 => handle = attr.be64().unwrap_or(0),
            4 => expressions = attr.value,
            7 => userdata = attr.value,
            _ => {}
        }
    }
    let mut reader = Reader::new(family, &table, world);
    reader.read(expressions);
    let text = reader.text();
    let (counters, nat) = (reader.counters, reader.nat.take());
    Some(Rule {
        family: family_name(family),
        chain,
        handle: Some(handle),
        packets: counters.map(|c| c.0),
        bytes: counters.map(|c| c.1),
        rule: text,
        comment: comment_of(userdata).or(reader.comment.take()),
        nat: nat.as_ref().map(|nat| nat.kind),
        nat_to: nat.map(|nat| nat.to),
        table,
        via: VIA,
        ..Rule::default()
    })
}

/// libnftnl's user data: type, length, value; type 0 of a rule is its comment.
fn comment_of(mut userdata: &[u8]) -> Option<String> {
    while let [kind, len, rest @ ..] = userdata {
        let len = usize::from(*len);
        if *kind == 0 {
            return Some(crate::netlink::attrs::text(rest.get(..len)?));
        }
        userdata = rest.get(len..)?;
    }
    None
}

fn set(payload: &[u8]) -> Option<Set> {
    let mut set = Set {
        family: *payload.first()?,
        ..Set::default()
    };
    let size = |attr: Attr<'_>| {
        attr.be32()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(0)
    };
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => set.table = attr.text(),
            2 => set.name = attr.text(),
            3 => set.flags = attr.be32().unwrap_or(0),
            4 => set.key_type = attr.be32().unwrap_or(0),
            5 => set.key_len = size(attr),
            6 => set.data_type = attr.be32().unwrap_or(0),
            7 => set.data_len = size(attr),
            15 => set.object = attr.be32().unwrap_or(0),
            16 => set.handle = attr.be64().unwrap_or(0),
            _ => {}
        }
    }
    Some(set)
}

fn elements(payload: &[u8]) -> Option<Vec<Element>> {
    let list = behind(payload, HEADER).find(|a| a.kind == 3)?;
    Some(attrs(list.value).map(|a| element(a.value)).collect())
}

fn row(set: &Set, links: &LinkNames) -> SetRow {
    let (keys, data) = (set.key_loads(), set.data_loads());
    let shape = Shape {
        keys: &keys,
        data: &data,
        links,
    };
    let key: Vec<&str> = keys.iter().map(|load| load.text.as_str()).collect();
    SetRow {
        family: family_name(set.family),
        table: set.table.clone(),
        name: set.name.clone(),
        handle: set.handle,
        kind: if set.is_map() { "map" } else { "set" },
        key: key.join(" . "),
        elements: set.shown(&shape),
        ..SetRow::default()
    }
}

/// A flowtable: the devices between which packets take the short way.
fn flowtable(payload: &[u8]) -> Option<SetRow> {
    let mut row = SetRow {
        family: family_name(*payload.first()?),
        kind: "flowtable",
        ..SetRow::default()
    };
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => row.table = attr.text(),
            2 => row.name = attr.text(),
            3 => {
                let devices = attr.find(3).into_iter().flat_map(Attr::nested);
                row.elements = devices.map(Attr::text).collect();
                let priority = attr
                    .find(2)
                    .and_then(Attr::be32)
                    .map_or(0, u32::cast_signed);
                row.text = format!("priority {priority}");
            }
            5 => row.handle = attr.be64().unwrap_or(0),
            _ => {}
        }
    }
    Some(row)
}

fn object_row(object: Object) -> SetRow {
    SetRow {
        family: family_name(object.family),
        table: object.table,
        name: object.name,
        handle: object.handle,
        kind: object.kind,
        packets: object.packets,
        bytes: object.bytes,
        text: object.text,
        ..SetRow::default()
    }
}
