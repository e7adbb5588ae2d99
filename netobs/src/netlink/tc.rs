//! Queueing disciplines, and the filters that hang on them.

use super::{
    attrs::{Attr, attrs, behind, u32_at},
    socket::{Error, Request, Socket},
};

const RTM_GETQDISC: u16 = 38;
const RTM_GETTFILTER: u16 = 46;
/// `struct tcmsg`.
const HEADER: usize = 20;
const ROOT: u32 = 0xffff_ffff;
/// `TC_H_CLSACT`, and its two sides.
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// A queueing discipline.
#[derive(Clone, Debug, Default)]
pub struct Qdisc {
    pub ifindex: u32,
    pub kind: String,
    pub parent: u32,
    pub handle: u32,
    pub dropped: u64,
    pub requeues: u64,
    pub backlog_bytes: u64,
    pub backlog_packets: u64,
}

impl Qdisc {
    pub fn is_root(&self) -> bool {
        self.parent == ROOT
    }

    fn is_clsact(&self) -> bool {
        self.parent == CLSACT
    }
}

pub fn qdiscs(socket: &mut Socket) -> Result<Vec<Qdisc>, Error> {
    let request = Request::dump("list the queueing disciplines", RTM_GETQDISC, &[0; HEADER]);
    Ok(socket.rows(&request, qdisc)?.rows)
}

fn qdisc(payload: &[u8]) -> Option<Qdisc> {
    let mut qdisc = Qdisc {
        ifindex: u32_at(payload, 4)?,
        handle: u32_at(payload, 8)?,
        parent: u32_at(payload, 12)?,
        ..Qdisc::default()
    };
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => qdisc.kind = attr.text(),
            7 => counters(&mut qdisc, attr),
            _ => {}
        }
    }
    Some(qdisc)
}

/// `TCA_STATS2`: its `struct gnet_stats_queue`.
fn counters(qdisc: &mut Qdisc, stats: Attr<'_>) {
    let Some(queue) = stats.find(3).map(|a| a.value) else {
        return;
    };
    let word = |at| u32_at(queue, at).map_or(0, u64::from);
    qdisc.backlog_packets = word(0);
    qdisc.backlog_bytes = word(4);
    qdisc.dropped = word(8);
    qdisc.requeues = word(12);
}

/// A filter that a packet of the interface meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `ingress`, `egress`, or where in the tree of qdiscs.
    pub place: String,
    /// `bpf`, `flower`, `u32` ...
    pub kind: String,
    pub preference: u32,
    /// Name and id of its program, if it is one.
    pub program: Option<(String, u32)>,
}

/// The filters of an interface whose queueing disciplines are `qdiscs`.
pub fn filters(socket: &mut Socket, ifindex: u32, qdiscs: &[Qdisc]) -> Result<Vec<Filter>, Error> {
    let mut found = Vec::new();
    for qdisc in qdiscs.iter().filter(|q| q.ifindex == ifindex) {
        let parents = match (qdisc.is_clsact(), qdisc.kind.as_str()) {
            (true, "clsact") => vec![
                (INGRESS, "ingress".to_owned()),
                (EGRESS, "egress".to_owned()),
            ],
            (true, _) => vec![(qdisc.handle, "ingress".to_owned())],
            // Disciplines without a handle are the kernel's own and carry no filters.
            _ if qdisc.handle == 0 => continue,
            _ => vec![(qdisc.handle, format!("{:x}:", qdisc.handle >> 16))],
        };
        for (parent, place) in parents {
            let mut header = [0; HEADER];
            header[4..8].copy_from_slice(&ifindex.to_ne_bytes());
            header[12..16].copy_from_slice(&parent.to_ne_bytes());
            let request =
                Request::dump("list the filters of an interface", RTM_GETTFILTER, &header);
            let dump = match socket.rows(&request, |payload| filter(payload, &place)) {
                // A discipline without classes takes no filters.
                Err(error) if error.is_unsupported() => continue,
                dump => dump?,
            };
            found.extend(dump.rows);
        }
    }
    Ok(found)
}

fn filter(payload: &[u8], place: &str) -> Option<Filter> {
    // tcm_handle 0 stands for the chain itself, not for a filter on it.
    let handle = u32_at(payload, 8)?;
    let mut filter = Filter {
        place: place.to_owned(),
        preference: u32_at(payload, 16)? >> 16,
        ..Filter::default()
    };
    let mut options: &[u8] = &[];
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => filter.kind = attr.text(),
            2 => options = attr.value,
            _ => {}
        }
    }
    if handle == 0 || options.is_empty() {
        return None;
    }
    if filter.kind == "bpf" {
        // Programs of classic BPF have no number.
        filter.program = Some(program(options)).filter(|(_, id)| *id != 0);
    }
    Some(filter)
}

/// `TCA_BPF_NAME` and `TCA_BPF_ID`.
fn program(options: &[u8]) -> (String, u32) {
    let mut found = (String::new(), 0);
    for attr in attrs(options) {
        match attr.kind {
            7 => found.0 = attr.text(),
            11 => found.1 = attr.u32().unwrap_or(0),
            _ => {}
        }
    }
    found
}
