//! Addresses of the interfaces.

use super::Row;
use crate::{netlink::addresses::Address, views::table::seconds};

impl Row for Address {
    const KIND: &'static str = "addr";
    const HEAD: &'static [&'static str] = &[
        "LINK",
        "FAMILY",
        "ADDRESS",
        "PEER",
        "BROADCAST",
        "SCOPE",
        "FLAGS",
        "PROTO",
        "METRIC",
        "PREFERRED",
        "VALID",
    ];
    const YIELDING: &'static [&'static str] =
        &["PROTO", "METRIC", "BROADCAST", "FAMILY", "PREFERRED"];

    fn cells(&self) -> Vec<String> {
        let label = self.label.clone().filter(|label| *label != self.ifname);
        let own = format!("{}/{}", self.addr, self.prefixlen);
        let lifetime = |s: Option<u32>| s.map(|s| seconds(f64::from(s))).unwrap_or_default();
        vec![
            label.unwrap_or_else(|| self.ifname.clone()),
            self.family.to_owned(),
            if self.peer.is_some() {
                self.addr.to_string()
            } else {
                own
            },
            self.peer
                .map(|peer| format!("{peer}/{}", self.prefixlen))
                .unwrap_or_default(),
            self.broadcast.map(|b| b.to_string()).unwrap_or_default(),
            self.scope.clone(),
            self.flags.join(","),
            self.proto.clone().unwrap_or_default(),
            self.metric.map(|m| m.to_string()).unwrap_or_default(),
            lifetime(self.preferred_lft_s),
            lifetime(self.valid_lft_s),
        ]
    }
}
