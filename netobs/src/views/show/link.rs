//! Interfaces: state, counters, programs.

use super::Row;
use crate::{
    netlink::links::Link,
    views::table::{Table, bytes, shown},
};

impl Row for Link {
    const KIND: &'static str = "link";
    const HEAD: &'static [&'static str] = &[
        "LINK", "KIND", "ADMIN", "OPER", "CARRIER", "MTU", "SPEED", "MAC", "RX", "RX-PKTS",
        "RX-ERR", "RX-DROP", "RX-OVR", "TX", "TX-PKTS", "TX-ERR", "TX-DROP", "TX-OVR", "QDISC",
        "Q-DROP", "MASTER", "PROGRAMS",
    ];

    fn cells(&self) -> Vec<String> {
        let stats = &self.stats;
        let programs: Vec<&str> = self.tc.iter().map(String::as_str).collect();
        let xdp = self.xdp.iter().map(|xdp| format!("xdp-{xdp}"));
        let programs: Vec<String> = xdp.chain(programs.into_iter().map(str::to_owned)).collect();
        vec![
            name(self),
            self.kind.clone().unwrap_or_else(|| self.link_type.clone()),
            self.admin.to_owned(),
            self.oper.clone(),
            self.carrier
                .map_or("-", |on| if on { "yes" } else { "no" })
                .to_owned(),
            shown(self.mtu.as_ref()),
            speed(self),
            self.mac.clone().unwrap_or_default(),
            bytes(stats.rx_bytes),
            stats.rx_packets.to_string(),
            stats.rx_errors.to_string(),
            stats.rx_dropped.to_string(),
            stats.rx_overruns.to_string(),
            bytes(stats.tx_bytes),
            stats.tx_packets.to_string(),
            stats.tx_errors.to_string(),
            stats.tx_dropped.to_string(),
            stats.tx_overruns.to_string(),
            self.qdisc.clone().unwrap_or_default(),
            self.qdisc_dropped
                .filter(|n| *n > 0)
                .map(|n| n.to_string())
                .unwrap_or_default(),
            self.master.clone().unwrap_or_default(),
            programs.join(" "),
        ]
    }
}

/// Columns that say what an interface is; the others count.
const STATE: [usize; 11] = [0, 1, 2, 3, 4, 5, 6, 7, 18, 20, 21];
/// Name, then bytes, packets, errors, drops and overruns of each way.
const RECEIVED: [usize; 6] = [0, 8, 9, 10, 11, 12];
const SENT: [usize; 6] = [0, 13, 14, 15, 16, 17];

/// One table where it fits, else one of states and one of counters with a line for each way.
pub fn text(links: &[Link], width: Option<usize>) -> String {
    let whole = super::table(links, None);
    let fits = width.is_none_or(|width| whole.lines().all(|line| line.chars().count() <= width));
    if fits {
        return whole;
    }
    let head = STATE.map(|n| Link::HEAD[n]);
    let mut states = Table::new(&head).yielding(&["MAC", "KIND", "CARRIER"]);
    let mut counters = Table::new(&[
        "LINK", "WAY", "BYTES", "PACKETS", "ERRORS", "DROPS", "OVERRUNS", "Q-DROP",
    ]);
    for link in links {
        let cells = link.cells();
        states.push(&STATE.map(|n| cells[n].clone()));
        for (way, columns, dropped) in [("rx", RECEIVED, ""), ("tx", SENT, cells[19].as_str())] {
            let mut row = columns.map(|n| cells[n].clone()).to_vec();
            row.insert(1, way.to_owned());
            row.push(dropped.to_owned());
            counters.push(&row);
        }
    }
    format!("{}\n{}", states.render(width), counters.render(width))
}

/// `eth0@if7`, as `ip` writes what lies below.
fn name(link: &Link) -> String {
    match (&link.lower, link.lower_ifindex.filter(|index| *index != 0)) {
        (Some(lower), _) => format!("{}@{lower}", link.ifname),
        (None, Some(index)) if link.lower_netnsid.is_some() => format!("{}@if{index}", link.ifname),
        _ => link.ifname.clone(),
    }
}

/// `10G/full`, `100M/half`.
fn speed(link: &Link) -> String {
    let speed = link.speed_mbps.map(|mbps| {
        if mbps >= 1000 && mbps % 100 == 0 {
            let (whole, tenth) = (mbps / 1000, mbps % 1000 / 100);
            if tenth == 0 {
                format!("{whole}G")
            } else {
                format!("{whole}.{tenth}G")
            }
        } else {
            format!("{mbps}M")
        }
    });
    match (speed, link.duplex) {
        (Some(speed), Some(duplex)) => format!("{speed}/{duplex}"),
        (Some(speed), None) => speed,
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_read_as_people_say_them() {
        for (mbps, want) in [
            (10, "10M/full"),
            (1000, "1G/full"),
            (2500, "2.5G/full"),
            (100_000, "100G/full"),
        ] {
            let link = Link {
                speed_mbps: Some(mbps),
                duplex: Some("full"),
                ..Link::default()
            };
            assert_eq!(speed(&link), want);
        }
    }
}
