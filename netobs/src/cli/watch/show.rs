//! How events are shown: text or JSON, and the names that stand for numbers.

use super::args::Watch;
use crate::{
    bpf::session::Session,
    clock,
    enrich::namespaces,
    names::{Names, TCP_STATES},
    views::{View, json::Json, text::Text, time::Clock},
};

pub fn view(args: &Watch) -> Box<dyn View> {
    let zone = if args.json {
        jiff::tz::TimeZone::UTC
    } else {
        jiff::tz::TimeZone::system()
    };
    let clock = Clock::new(clock::wall_offset_ns(), zone);
    if args.json {
        return Box::new(Json::new(clock));
    }
    let colour = rustix::termios::isatty(rustix::stdio::stdout())
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Box::new(Text::new(clock, colour, namespaces::own()))
}

pub fn names(args: &Watch, session: &Session) -> Names {
    let mut names = Names::new(args.numeric);
    let prefixes = [
        ("skb_drop_reason", "SKB_DROP_REASON_"),
        ("sk_rst_reason", "SK_RST_REASON_"),
        ("tcp_ca_state", "TCP_CA_"),
        (TCP_STATES, "TCP_"),
    ];
    for (name, prefix) in prefixes {
        if let Some(values) = session.types.enums.get(name) {
            names.add_enum(name, prefix, values);
        }
    }
    if !args.numeric && !args.json {
        names.add_services(&std::fs::read_to_string("/etc/services").unwrap_or_default());
    }
    names.namespaces = namespaces::named().into_iter().collect();
    names
}
