//! Neighbours that do not answer, and neighbours whose hardware address changed.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Rung, part},
    event::address,
    fields::Fields,
    line::Line,
    names::Names,
};
use netobs_ebpf::{
    event::Kind,
    hook,
    neigh::event::{self as raw, CHANGED, MAC_BYTES},
};
use std::{fmt::Write as _, net::IpAddr};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "neigh",
    about: "neighbours that failed to resolve or changed their hardware address",
    kinds: &[Kind::Neigh],
    hooks,
    decode,
};

const NEIGH_FAILED: Hook = Hook {
    number: hook::NEIGH_FAILED,
    name: "neigh-failed",
    ladder: &[
        &[part(
            Rung::TpBtf,
            "neigh_failed_tp_btf",
            "neigh_timer_handler",
        )],
        &[part(
            Rung::RawTp,
            "neigh_failed_raw_tp",
            "neigh_timer_handler",
        )],
        &[part(
            Rung::Fentry,
            "neigh_failed_fentry",
            "neigh_invalidate",
        )],
        &[part(
            Rung::Kprobe,
            "neigh_failed_kprobe",
            "neigh_invalidate",
        )],
    ],
    again: None,
};

const NEIGH_CHANGED: Hook = Hook {
    number: hook::NEIGH_CHANGED,
    name: "neigh-changed",
    ladder: &[
        &[part(Rung::TpBtf, "neigh_changed_tp_btf", "neigh_update")],
        &[part(Rung::RawTp, "neigh_changed_raw_tp", "neigh_update")],
        &[
            part(Rung::Fentry, "neigh_changed_fentry", "__neigh_update"),
            part(Rung::Fexit, "neigh_changed_fexit", "__neigh_update"),
        ],
        &[part(Rung::Kprobe, "neigh_changed_kprobe", "__neigh_update")],
    ],
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::Neigh.bit() == 0 {
        Vec::new()
    } else {
        vec![NEIGH_FAILED, NEIGH_CHANGED]
    }
}

/// `neigh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neigh {
    /// Else resolution failed.
    pub changed: bool,
    pub addr: IpAddr,
    pub mac: Option<String>,
    pub old_mac: Option<String>,
    /// `NUD_*` bits.
    pub state: u8,
    pub ifname: Vec<u8>,
    pub ifindex: u32,
}

fn decode(_kind: Kind, bytes: &[u8]) -> Option<Body> {
    let raw = raw::Neigh::ref_from_bytes(bytes).ok()?;
    let name: [u8; 16] = zerocopy::transmute!(raw.ifname);
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    let len = usize::try_from(raw.mac_len).unwrap_or(0);
    Some(Body::Neigh(Neigh {
        changed: raw.what == CHANGED,
        addr: address(&raw.addr, raw.family),
        mac: mac(&zerocopy::transmute!(raw.mac), len),
        old_mac: mac(&zerocopy::transmute!(raw.old_mac), len),
        state: raw.state,
        ifname: name[..end].to_vec(),
        ifindex: raw.ifindex,
    }))
}

/// `None`: none was known.
fn mac(bytes: &[u8; MAC_BYTES], len: usize) -> Option<String> {
    let bytes = &bytes[..len.min(MAC_BYTES)];
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut text = String::new();
    for byte in bytes {
        let colon = if text.is_empty() { "" } else { ":" };
        write!(text, "{colon}{byte:02x}").expect("writing to memory does not fail");
    }
    Some(text)
}

/// As `ip neigh` shows it; fixed numbers of uapi/linux/neighbour.h.
const fn state_name(state: u8) -> &'static str {
    match state {
        0x00 => "NONE",
        0x01 => "INCOMPLETE",
        0x02 => "REACHABLE",
        0x04 => "STALE",
        0x08 => "DELAY",
        0x10 => "PROBE",
        0x20 => "FAILED",
        0x40 => "NOARP",
        0x80 => "PERMANENT",
        _ => "?",
    }
}

impl Neigh {
    const fn what(&self) -> &'static str {
        if self.changed { "changed" } else { "failed" }
    }
}

impl Detail for Neigh {
    fn name(&self) -> &'static str {
        "neigh"
    }

    fn ifindex(&self) -> Option<u32> {
        Some(self.ifindex)
    }

    fn subject(&self, line: &mut Line, _names: &Names) {
        line.ip(self.addr).word("on ").escaped(&self.ifname);
    }

    fn text(&self, line: &mut Line, _names: &Names) {
        line.word(self.what());
        let known = |mac: &Option<String>| mac.clone().unwrap_or_else(|| "?".to_owned());
        if self.changed {
            line.word(&known(&self.old_mac))
                .word("->")
                .word(&known(&self.mac));
        } else if self.old_mac.is_some() {
            line.key("mac").raw(known(&self.old_mac).as_bytes());
        }
        line.key("state").raw(state_name(self.state).as_bytes());
    }

    fn json(&self, fields: &mut Fields<'_>, _names: &Names) {
        fields.bytes("ifname", &self.ifname);
        fields.str("proto", if self.addr.is_ipv6() { "icmpv6" } else { "arp" });
        fields.str("family", if self.addr.is_ipv6() { "ipv6" } else { "ipv4" });
        fields.str("what", self.what());
        fields.ip("addr", self.addr);
        fields.opt_str("mac", self.mac.as_deref());
        fields.opt_str("old_mac", self.old_mac.as_deref());
        fields.str("state", state_name(self.state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netobs_ebpf::neigh::event::FAILED;
    use zerocopy::{FromZeros as _, IntoBytes as _};

    fn neigh(what: u8) -> Neigh {
        let mut raw = raw::Neigh::new_zeroed();
        raw.ifname = zerocopy::transmute!(*b"eth0\0\0\0\0\0\0\0\0\0\0\0\0");
        raw.old_mac[0] = 0x0100_0000_0002;
        raw.mac[0] = if what == CHANGED { 0x9900_0000_0002 } else { 0 };
        raw.addr[0] = u32::from_ne_bytes([10, 0, 0, 9]);
        (raw.family, raw.what, raw.mac_len) = (2, what, 6);
        raw.state = if what == CHANGED { 2 } else { 0x20 };
        match decode(Kind::Neigh, raw.as_bytes()) {
            Some(Body::Neigh(neigh)) => neigh,
            other => panic!("{other:?}"),
        }
    }

    fn text(neigh: &Neigh) -> String {
        let mut line = Line::default();
        line.begin();
        neigh.subject(&mut line, &Names::new(true));
        neigh.text(&mut line, &Names::new(true));
        String::from_utf8(line.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn text_says_what_happened() {
        let want =
            "10.0.0.9 on eth0 changed 02:00:00:00:00:01 -> 02:00:00:00:00:99 state=REACHABLE";
        assert_eq!(text(&neigh(CHANGED)), want);
        let want = "10.0.0.9 on eth0 failed mac=02:00:00:00:00:01 state=FAILED";
        assert_eq!(text(&neigh(FAILED)), want);
    }

    #[test]
    fn json_has_the_keys_of_the_contract() {
        let mut buf = Vec::new();
        let mut fields = Fields::begin(&mut buf);
        neigh(CHANGED).json(&mut fields, &Names::new(true));
        fields.end();
        let want = r#"{"ifname":"eth0","proto":"arp","family":"ipv4","what":"changed","addr":"10.0.0.9","mac":"02:00:00:00:00:99","old_mac":"02:00:00:00:00:01","state":"REACHABLE"}"#;
        assert_eq!(String::from_utf8(buf).unwrap().trim_end(), want);
    }

    #[test]
    fn an_address_of_no_bytes_is_none() {
        assert_eq!(mac(&[1; MAC_BYTES], 0), None);
        assert_eq!(mac(&[0; MAC_BYTES], 6), None);
    }
}
