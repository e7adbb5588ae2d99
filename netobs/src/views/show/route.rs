//! Routes: one row each, its further next hops in the last column.

use super::Row;
use crate::{
    netlink::routes::{NextHop, Route},
    views::table::shown,
};
use std::fmt::Write as _;

impl Row for Route {
    const KIND: &'static str = "route";
    const HEAD: &'static [&'static str] = &[
        "TABLE",
        "TYPE",
        "DESTINATION",
        "FROM",
        "VIA",
        "DEV",
        "PROTO",
        "SCOPE",
        "SRC",
        "METRIC",
        "MORE",
    ];
    const YIELDING: &'static [&'static str] = &["SCOPE", "PROTO", "SRC"];

    fn cells(&self) -> Vec<String> {
        let kind = if self.kind == "unicast" {
            ""
        } else {
            &self.kind
        };
        vec![
            self.table.clone(),
            kind.to_owned(),
            self.dst.clone(),
            self.from.clone().unwrap_or_default(),
            shown(self.gateway.as_ref()),
            self.dev.clone().unwrap_or_default(),
            self.proto.clone(),
            self.scope.clone(),
            shown(self.src.as_ref()),
            shown(self.metric.as_ref()),
            more(self),
        ]
    }
}

fn more(route: &Route) -> String {
    let mut words = Vec::new();
    let mut pair = |name: &str, value: String| {
        if !value.is_empty() {
            words.push(format!("{name} {value}"));
        }
    };
    pair("iif", route.iif.clone().unwrap_or_default());
    pair(
        "mark",
        route.mark.map(|m| format!("{m:#x}")).unwrap_or_default(),
    );
    pair("uid", shown(route.uid.as_ref()));
    pair("tos", shown(route.tos.as_ref()));
    pair("encap", route.encap.clone().unwrap_or_default());
    pair("nhid", shown(route.nhid.as_ref()));
    pair("mtu", shown(route.mtu.as_ref()));
    pair("advmss", shown(route.advmss.as_ref()));
    pair(
        "expires",
        route.expires_s.map(|s| format!("{s}s")).unwrap_or_default(),
    );
    pair(
        "pref",
        route
            .pref
            .filter(|p| *p != "medium")
            .unwrap_or_default()
            .to_owned(),
    );
    words.extend(route.metrics.iter().cloned());
    words.extend(route.flags.iter().cloned());
    words.extend(route.nexthops.iter().map(hop));
    words.join(" ")
}

fn hop(hop: &NextHop) -> String {
    let mut text = "nexthop".to_owned();
    if let Some(gateway) = hop.gateway {
        _ = write!(text, " via {gateway}");
    }
    if let Some(dev) = &hop.dev {
        _ = write!(text, " dev {dev}");
    }
    _ = write!(text, " weight {}", hop.weight);
    for flag in &hop.flags {
        _ = write!(text, " {flag}");
    }
    text
}
