//! One JSON object per event, for programs: the keys of docs/events.md.

use super::{View, time::Clock};
use crate::{
    enrich::About,
    event::{Event, Owner},
    fields::Fields,
    names::Names,
};

pub struct Json {
    buf: Vec<u8>,
    clock: Clock,
    time: Vec<u8>,
}

impl Json {
    pub fn new(clock: Clock) -> Self {
        Self {
            buf: Vec::new(),
            clock,
            time: Vec::new(),
        }
    }

    fn owner(fields: &mut Fields<'_>, event: &Event) {
        if let Owner::Process { pid, comm } = event.common.owner {
            fields.num("pid", u64::from(pid));
            fields.bytes("comm", comm.bytes());
        } else {
            fields.null("pid");
            fields.null("comm");
        }
        fields.opt("uid", event.common.uid.map(u64::from));
        fields.opt(
            "netns",
            (event.common.netns != 0).then_some(u64::from(event.common.netns)),
        );
    }
}

impl View for Json {
    fn event(&mut self, event: &Event, about: &About, names: &Names) {
        self.time.clear();
        self.clock.push_utc(&mut self.time, event.common.at);
        let detail = event.body.detail();
        let mut fields = Fields::begin(&mut self.buf);
        fields.bytes("ts", &self.time);
        fields.str("event", detail.name());
        Self::owner(&mut fields, event);
        fields.opt_str("cgroup", about.cgroup.as_deref());
        fields.opt_str("container", about.container.as_deref());
        fields.opt_str("pod", about.pod.as_deref());
        if let Some(ends) = detail.ends() {
            match ends.proto.name() {
                Some(name) => fields.str("proto", name),
                None => fields.num("proto", u64::from(ends.proto.0)),
            }
            fields.str("family", if ends.local.is_ipv6() { "ipv6" } else { "ipv4" });
            fields.ip("laddr", ends.local.ip());
            fields.num("lport", u64::from(ends.local.port()));
            let remote = ends.has_remote().then_some(ends.remote);
            fields.opt_ip("raddr", remote.map(|r| r.ip()));
            fields.opt("rport", remote.map(|r| u64::from(r.port())));
        }
        detail.json(&mut fields, names);
        fields.end();
    }

    fn lost(&mut self, hook: &str, count: u64) {
        let mut fields = Fields::begin(&mut self.buf);
        fields.str("event", "lost");
        fields.str("hook", hook);
        fields.num("count", count);
        fields.end();
    }

    fn pending(&self) -> &[u8] {
        &self.buf
    }

    fn look_at_clock(&mut self) {
        self.clock.look();
    }

    fn clear(&mut self) {
        self.buf.clear();
    }
}
