//! `netobs show link`: interfaces with what ethtool, queueing disciplines and attached programs add.

use super::{
    Failure, Status,
    output::{Output, refused},
};
use crate::{
    bpf::attached,
    netlink::{
        ethtool,
        links::{self, Link},
        socket::{ROUTE, Socket},
        tc,
    },
    sinks::stream::tell,
    views::show::link::text,
};

pub fn run(output: &mut Output) -> Result<Status, Failure> {
    let mut socket = Socket::open(ROUTE).map_err(refused)?;
    let mut dump = links::all(&mut socket).map_err(refused)?;
    // A kernel before 5.6 has no such family: speeds stay unknown.
    let modes = ethtool::modes().unwrap_or_default();
    let qdiscs = tc::qdiscs(&mut socket).map_err(refused)?;
    let mut blind = None;
    for link in &mut dump.rows {
        if let Some(mode) = modes.get(&link.ifindex) {
            (link.speed_mbps, link.duplex) = (mode.speed, mode.duplex);
        }
        if let Some(root) = qdiscs
            .iter()
            .find(|q| q.ifindex == link.ifindex && q.is_root())
        {
            queueing(link, root);
        }
        for filter in tc::filters(&mut socket, link.ifindex, &qdiscs).map_err(refused)? {
            link.tc.push(described(&filter));
        }
        // A classifier tells of its tables too; to a reader they are one.
        link.tc.dedup();
        match attached::tcx(link.ifindex) {
            Ok(programs) => link.tc.extend(
                programs
                    .iter()
                    .map(|(side, id)| format!("tcx-{side}:{}", program(None, *id))),
            ),
            Err(error) => blind = Some(error),
        }
        let named = |(mode, id): &(&str, u32)| format!("{mode}:{}", program(None, *id));
        link.xdp = link.xdp_ids.iter().map(named).collect();
    }
    if output.json {
        output.dump(&dump)?;
    } else {
        output.say(&text(&dump.rows, output.width))?;
    }
    if let Some(error) = blind {
        tell(&format!(
            "netobs: tcx programs not seen: {error}; need CAP_NET_ADMIN and CAP_BPF: run as root"
        ));
    }
    Ok(Status::Done)
}

fn queueing(link: &mut Link, root: &tc::Qdisc) {
    link.qdisc = Some(root.kind.clone());
    link.qdisc_dropped = Some(root.dropped);
    link.qdisc_requeues = Some(root.requeues);
    link.qdisc_backlog_bytes = Some(root.backlog_bytes);
    link.qdisc_backlog_packets = Some(root.backlog_packets);
}

/// `tc-ingress:NAME#ID`; a filter that is no program by its kind.
fn described(filter: &tc::Filter) -> String {
    let what = match &filter.program {
        Some((name, id)) => program(Some(name), *id),
        None => format!("{} pref {}", filter.kind, filter.preference),
    };
    format!("tc-{}:{what}", filter.place)
}

/// `NAME#ID`, the name the kernel keeps before the one the filter carries.
fn program(known: Option<&str>, id: u32) -> String {
    let name = attached::name(id).or_else(|| known.map(str::to_owned));
    format!("{}#{id}", name.unwrap_or_default())
}
