//! Neighbours.

use super::Row;
use crate::{netlink::neighbours::Neighbour, views::table::seconds};

impl Row for Neighbour {
    const KIND: &'static str = "neigh";
    const HEAD: &'static [&'static str] = &[
        "ADDRESS",
        "LINK",
        "MAC",
        "STATE",
        "FLAGS",
        "USED",
        "CONFIRMED",
        "UPDATED",
        "PROBES",
    ];
    const YIELDING: &'static [&'static str] = &["PROBES", "UPDATED", "CONFIRMED", "FLAGS", "USED"];

    fn cells(&self) -> Vec<String> {
        let age = |s: Option<f64>| s.map(seconds).unwrap_or_default();
        vec![
            self.addr.to_string(),
            self.ifname.clone(),
            self.mac.clone().unwrap_or_default(),
            self.state.clone(),
            self.flags.join(","),
            age(self.used_s),
            age(self.confirmed_s),
            age(self.updated_s),
            self.probes
                .filter(|n| *n > 0)
                .map(|n| n.to_string())
                .unwrap_or_default(),
        ]
    }
}
