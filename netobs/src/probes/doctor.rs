//! What `netobs doctor` says of `netobs ping` and its kin: whether the kernel engine is to be had, and why not.

use crate::bpf::{
    probes::{self, Place},
    support::{self, Fact},
};

pub fn facts() -> Vec<Fact> {
    const NAME: &str = "probes kernel engine";
    let found = support::privileges().and_then(|()| probes::look());
    vec![match found {
        Ok(place) => Fact {
            name: NAME,
            ok: true,
            value: match place {
                Place::Tracepoints => {
                    "stamps at tracepoints of all devices, beside TC (net_dev_queue, netif_receive_skb)"
                        .to_owned()
                }
                Place::Tcx | Place::Clsact => {
                    format!("stamps at TC ({}) of the devices towards the targets", place.name())
                }
            },
            todo: None,
        },
        Err(why) => Fact {
            name: NAME,
            ok: false,
            value: format!("{why}; probes are stamped at their sockets"),
            todo: Some("as root, a kernel with BTF (5.8), or with TC programs (NET_CLS_BPF)"),
        },
    }]
}
