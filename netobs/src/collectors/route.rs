//! Route lookups that ended in failure, and why.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Part, Rung, part},
    event::Ends,
    fields::Fields,
    line::Line,
    names::{Names, errno_name},
};
use netobs_ebpf::{
    event::Kind,
    hook,
    route::event::{self as raw, EAGAIN, LOOPBACK_IFINDEX, TABLE_LOCAL},
};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "route",
    about: "route lookups that end in failure",
    kinds: &[Kind::Route],
    hooks,
    decode,
};

const TABLES4: Part = part(Rung::TpBtf, "route4_tp_btf", "fib_table_lookup");
const TABLES4_RAW: Part = part(Rung::RawTp, "route4_raw_tp", "fib_table_lookup");
const FREED4: Part = part(Rung::TpBtf, "route4_freed_tp_btf", "kfree_skb");
const FREED4_RAW: Part = part(Rung::RawTp, "route4_freed_raw_tp", "kfree_skb");
const TABLES6: Part = part(Rung::TpBtf, "route6_tp_btf", "fib6_table_lookup");
const TABLES6_RAW: Part = part(Rung::RawTp, "route6_raw_tp", "fib6_table_lookup");
/// From 6.3; without it a rule that refuses is not told by its kind.
const SENT: Part = part(Rung::TpBtf, "route_sent_tp_btf", "sock_send_length");
const SENT_RAW: Part = part(Rung::RawTp, "route_sent_raw_tp", "sock_send_length");

/// The functions know the last word on a lookup and whose namespace it is; which table said it, the tracepoint.
const ROUTE4: Hook = Hook {
    number: hook::ROUTE4,
    name: "route",
    ladder: &[
        &[
            part(Rung::Fexit, "route4_fexit", "__fib_lookup"),
            part(
                Rung::Fexit,
                "route4_output_fexit",
                "ip_route_output_key_hash",
            ),
            TABLES4,
            FREED4,
        ],
        &[TABLES4, FREED4, SENT],
        &[TABLES4, FREED4],
        &[TABLES4_RAW, FREED4_RAW, SENT_RAW],
        &[TABLES4_RAW, FREED4_RAW],
        &[
            part(Rung::Kprobe, "route_entry", "__fib_lookup"),
            part(Rung::Kretprobe, "route4_return", "__fib_lookup"),
            part(Rung::Kprobe, "route_entry", "ip_route_output_key_hash"),
            part(
                Rung::Kretprobe,
                "route4_output_return",
                "ip_route_output_key_hash",
            ),
            TABLES4_RAW,
            FREED4_RAW,
        ],
    ],
    again: None,
};

const ROUTE6: Hook = Hook {
    number: hook::ROUTE6,
    name: "route6",
    ladder: &[
        &[
            part(Rung::Fexit, "route6_fexit", "fib6_rule_lookup"),
            TABLES6,
        ],
        &[TABLES6, SENT],
        &[TABLES6],
        &[TABLES6_RAW, SENT_RAW],
        &[TABLES6_RAW],
        &[
            part(Rung::Kprobe, "route_entry", "fib6_rule_lookup"),
            part(Rung::Kretprobe, "route6_return", "fib6_rule_lookup"),
            TABLES6_RAW,
        ],
    ],
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::Route.bit() == 0 {
        Vec::new()
    } else {
        vec![ROUTE4, ROUTE6]
    }
}

/// How a lookup failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Unreachable,
    Prohibit,
    Blackhole,
    NoRoute,
    /// The tracepoint shows that no table was asked after the local one, not what the rule said.
    Rule,
    Other(u32),
}

const ENETUNREACH: u32 = libc::ENETUNREACH.unsigned_abs();
const EHOSTUNREACH: u32 = libc::EHOSTUNREACH.unsigned_abs();
const EACCES: u32 = libc::EACCES.unsigned_abs();
const EINVAL: u32 = libc::EINVAL.unsigned_abs();

impl Failure {
    const fn of(errno: u32, table: u32) -> Self {
        match errno {
            EAGAIN if table == TABLE_LOCAL => Self::Rule,
            EAGAIN | ENETUNREACH => Self::NoRoute,
            EHOSTUNREACH => Self::Unreachable,
            EACCES => Self::Prohibit,
            EINVAL => Self::Blackhole,
            other => Self::Other(other),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Blackhole => "blackhole",
            Self::NoRoute => "no route",
            Self::Rule => "refused by a rule",
            Self::Other(_) => "error",
        }
    }

    const fn errno(self) -> Option<u32> {
        match self {
            Self::Unreachable => Some(EHOSTUNREACH),
            Self::Prohibit => Some(EACCES),
            Self::Blackhole => Some(EINVAL),
            Self::NoRoute => Some(ENETUNREACH),
            Self::Rule => None,
            Self::Other(errno) => Some(errno),
        }
    }
}

/// `route`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub failure: Failure,
    /// Source as local end.
    pub ends: Ends,
    pub mark: u32,
    pub table: Option<u32>,
    pub oif: Option<u32>,
    /// `None`: the packet is of this machine.
    pub iif: Option<u32>,
}

fn decode(_kind: Kind, bytes: &[u8]) -> Option<Body> {
    let raw = raw::Route::ref_from_bytes(bytes).ok()?;
    let failure = Failure::of(raw.errno, raw.table);
    let table = Some(raw.table).filter(|table| *table != 0 && failure != Failure::Rule);
    Some(Body::Route(Route {
        failure,
        ends: Ends::from(&raw.flow),
        mark: raw.mark,
        table,
        oif: (raw.oif != 0).then_some(raw.oif),
        iif: (raw.iif != LOOPBACK_IFINDEX && raw.iif != 0).then_some(raw.iif),
    }))
}

impl Detail for Route {
    fn name(&self) -> &'static str {
        "route"
    }

    fn subject(&self, line: &mut Line, names: &Names) {
        let Ends { local, remote, .. } = self.ends;
        // A lookup for a packet that passes through is made without its ports.
        if (local.port(), remote.port()) == (0, 0) {
            line.addresses(local.ip(), remote.ip());
        } else {
            line.ends(&self.ends, "->", names);
        }
    }

    fn text(&self, line: &mut Line, _names: &Names) {
        line.word(self.failure.name());
        if let Some(errno) = self.failure.errno() {
            line.word(errno_name(errno));
        }
        match self.table {
            Some(TABLE_LOCAL) => _ = line.key("table").raw(b"local"),
            Some(254) => _ = line.key("table").raw(b"main"),
            Some(253) => _ = line.key("table").raw(b"default"),
            Some(table) => _ = line.key("table").number(u64::from(table)),
            None => {}
        }
        if self.mark != 0 {
            line.key("mark").hex(u64::from(self.mark));
        }
        if let Some(oif) = self.oif {
            line.key("oif").number(u64::from(oif));
        }
        if let Some(iif) = self.iif {
            line.key("iif").number(u64::from(iif));
        }
    }

    fn json(&self, fields: &mut Fields<'_>, _names: &Names) {
        match (self.ends.proto.0, self.ends.proto.name()) {
            (0, _) => fields.null("proto"),
            (_, Some(name)) => fields.str("proto", name),
            (number, None) => fields.num("proto", u64::from(number)),
        }
        fields.str(
            "family",
            if self.ends.remote.is_ipv6() {
                "ipv6"
            } else {
                "ipv4"
            },
        );
        fields.ip("saddr", self.ends.local.ip());
        fields.ip("daddr", self.ends.remote.ip());
        fields.str("what", self.failure.name());
        fields.opt_str("errno", self.failure.errno().map(errno_name));
        fields.num("mark", u64::from(self.mark));
        fields.opt("table", self.table.map(u64::from));
        fields.opt("oif", self.oif.map(u64::from));
        fields.opt("iif", self.iif.map(u64::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromZeros as _, IntoBytes as _};

    fn route(errno: u32, table: u32) -> Route {
        let mut raw = raw::Route::new_zeroed();
        (raw.errno, raw.table, raw.mark, raw.iif) = (errno, table, 7, LOOPBACK_IFINDEX);
        raw.flow.family = 2;
        raw.flow.raddr[0] = u32::from_ne_bytes([10, 9, 0, 1]);
        match decode(Kind::Route, raw.as_bytes()) {
            Some(Body::Route(route)) => route,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_answer_decides() {
        for (errno, table, want, name) in [
            (EAGAIN, 254, Failure::NoRoute, Some(ENETUNREACH)),
            (EAGAIN, TABLE_LOCAL, Failure::Rule, None),
            (EACCES, 254, Failure::Prohibit, Some(EACCES)),
            (EINVAL, 254, Failure::Blackhole, Some(EINVAL)),
            (EHOSTUNREACH, 254, Failure::Unreachable, Some(EHOSTUNREACH)),
        ] {
            let failure = route(errno, table).failure;
            assert_eq!((failure, failure.errno()), (want, name));
        }
    }

    #[test]
    fn text_and_json() {
        let route = route(EAGAIN, 254);
        let mut line = Line::default();
        line.begin();
        route.text(&mut line, &Names::new(true));
        assert_eq!(
            line.as_bytes(),
            b" no route ENETUNREACH table=main mark=0x7"
        );
        let mut buf = Vec::new();
        let mut fields = Fields::begin(&mut buf);
        route.json(&mut fields, &Names::new(true));
        fields.end();
        let want = r#"{"proto":null,"family":"ipv4","saddr":"0.0.0.0","daddr":"10.9.0.1","what":"no route","errno":"ENETUNREACH","mark":7,"table":254,"oif":null,"iif":null}"#;
        assert_eq!(String::from_utf8(buf).unwrap().trim_end(), want);
    }

    #[test]
    fn short_bytes_are_no_event() {
        assert!(decode(Kind::Route, &[0; 8]).is_none());
    }
}
