//! Makes a packet of an event, if it is one that was asked for.

use super::{
    Happened, Wanted,
    frame::{self, TAG},
};
use crate::{
    bpf::btf::KernelTypes,
    capture::{
        filter::{Beside, Program},
        link::LinkType,
        live::devices,
    },
    collectors::{self, Body},
    enrich::symbols,
    event::Mono,
    line::Line,
    names::{
        Enumeration::{self, DropReason},
        Names,
    },
};
use netobs_ebpf::{
    drop::event::{Dropped, NO_REASON},
    event::Kind,
    reset::event::{Reset, SENT},
    retransmit::event::Retransmit,
};
use std::{collections::HashMap, fmt::Write as _};
use zerocopy::FromBytes as _;

/// Interfaces whose index is kept.
const DEVICES: usize = 1024;
const RST: u8 = 4;
const ACK: u8 = 0x10;

pub struct Reader {
    kind: Kind,
    only: Option<String>,
    link: LinkType,
    filter: Program,
    snaplen: usize,
    names: Names,
    line: Line,
    /// Indices of interfaces by name.
    devices: HashMap<[u8; 16], u32>,
}

/// What an event knows of its packet.
struct Known<'a> {
    at: Mono,
    device: u32,
    ethertype: u16,
    /// Protocol and tag that stand beside it.
    tag: Option<[u16; 2]>,
    /// From the network header on.
    start: &'a [u8],
    len: u32,
}

impl Reader {
    pub fn new(wanted: &Wanted<'_>, types: &KernelTypes) -> Self {
        let mut names = Names::new(true);
        for of in Enumeration::ALL {
            if let Some(values) = types.enums.get(of.name()) {
                names.add_enum(of, values);
            }
        }
        Self {
            kind: wanted.kind,
            only: wanted.device.map(str::to_owned),
            link: wanted.link,
            filter: wanted.filter.clone(),
            snaplen: wanted.snaplen as usize,
            names,
            line: Line::default(),
            devices: HashMap::new(),
        }
    }

    /// None: nothing that was asked for.
    pub fn read(
        &mut self,
        bytes: &[u8],
        print: impl FnOnce(u64) -> Option<String>,
    ) -> Option<Happened> {
        match self.kind {
            Kind::Drop => self.drop(bytes, print),
            Kind::Reset => self.reset(bytes),
            Kind::Retransmit => self.retransmit(bytes),
            Kind::Connect
            | Kind::Accept
            | Kind::Close
            | Kind::ConnectFailed
            | Kind::Icmp
            | Kind::Route
            | Kind::Neigh
            | Kind::UdpDrop
            | Kind::ListenOverflow => None,
        }
    }

    fn drop(
        &mut self,
        bytes: &[u8],
        print: impl FnOnce(u64) -> Option<String>,
    ) -> Option<Happened> {
        let raw = Dropped::ref_from_bytes(bytes).ok()?;
        let name = raw.ifname.split(|byte| *byte == 0).next()?;
        let only = self.only.as_ref();
        if only.is_some_and(|only| only.as_bytes() != name) {
            return None;
        }
        let device = self.device(&raw.ifname);
        let mut happened = self.packet(&Known {
            at: Mono(raw.header.time_ns),
            device,
            ethertype: raw.ethertype,
            tag: (raw.vlan_proto != 0).then_some([raw.vlan_proto, raw.vlan_tci]),
            start: raw.start.get(..usize::from(raw.start_len))?,
            len: raw.len,
        })?;
        let event = collectors::decode(bytes)?;
        symbols::learn(&mut self.names, raw.location, print);
        if event.body.detail().is_quiet(&self.names) {
            return None;
        }
        happened.why = self.why_dropped(raw);
        if let Body::Dropped(dropped) = &event.body
            && let Some(from) = dropped.packet.source_end()
            && let Some(to) = dropped.packet.destination_end()
        {
            happened.ends = format!("{from} -> {to}");
        }
        Some(happened)
    }

    fn reset(&mut self, bytes: &[u8]) -> Option<Happened> {
        let raw = Reset::ref_from_bytes(bytes).ok()?;
        let is_sent = raw.direction == SENT;
        let (ethertype, start) = frame::segment(&raw.flow, is_sent, RST, 0, 0);
        self.of_flow(
            bytes,
            "reset",
            Mono(raw.header.time_ns),
            ethertype,
            &start,
            0,
        )
    }

    fn retransmit(&mut self, bytes: &[u8]) -> Option<Happened> {
        let raw = Retransmit::ref_from_bytes(bytes).ok()?;
        let (ethertype, start) = frame::segment(&raw.flow, true, ACK, raw.seq, raw.len);
        let (at, len) = (Mono(raw.header.time_ns), raw.len);
        self.of_flow(bytes, "sent again", at, ethertype, &start, len)
    }

    fn of_flow(
        &mut self,
        bytes: &[u8],
        what: &str,
        at: Mono,
        ethertype: u16,
        start: &[u8],
        payload: u32,
    ) -> Option<Happened> {
        let mut happened = self.packet(&Known {
            at,
            device: 0,
            ethertype,
            tag: None,
            start,
            len: u32::try_from(start.len()).ok()?.saturating_add(payload),
        })?;
        let event = collectors::decode(bytes)?;
        self.line.clear();
        self.line.begin();
        let detail = event.body.detail();
        detail.text(&mut self.line, &self.names);
        let text = String::from_utf8_lossy(self.line.as_bytes());
        happened.why = format!("{what}: {}", text.trim());
        if let Some(ends) = detail.ends() {
            happened.ends = format!("{} {} {}", ends.local, detail.arrow(), ends.remote);
        }
        Some(happened)
    }

    /// None: the filter does not pick it.
    fn packet(&self, known: &Known<'_>) -> Option<Happened> {
        let make = |tag| frame::frame(self.link, known.device, known.ethertype, tag, known.start);
        let mut frame = make(None)?;
        let length = frame::length(known.ethertype, known.start, known.len);
        let mut wire = frame.len() - known.start.len() + length;
        let beside = Beside {
            protocol: known.ethertype,
            kind: 0,
            interface: known.device,
            tag: known.tag.map(|[_, tci]| tci),
        };
        let on_wire = u32::try_from(wire).unwrap_or(u32::MAX);
        if !self.filter.matches_live(&frame, on_wire, beside) {
            return None;
        }
        if known.tag.is_some() {
            frame = make(known.tag)?;
            wire += TAG;
        }
        frame.truncate(wire.min(self.snaplen));
        Some(Happened {
            at: known.at,
            // Told by who knows both clocks.
            time_ns: 0,
            frame,
            wire: u32::try_from(wire).unwrap_or(u32::MAX),
            device: known.device,
            why: String::new(),
            ends: String::new(),
        })
    }

    fn why_dropped(&self, raw: &Dropped) -> String {
        let mut why = "dropped".to_owned();
        if raw.reason != NO_REASON {
            why.push(' ');
            match self.names.enumerator(DropReason, raw.reason) {
                Some(name) => why.push_str(name),
                None => _ = write!(why, "reason {:#x}", raw.reason),
            }
        }
        if let Some(place) = self.names.symbols.get(&raw.location) {
            why.push_str(" at ");
            why.push_str(place);
        }
        why
    }

    fn device(&mut self, name: &[u8; 16]) -> u32 {
        if let Some(index) = self.devices.get(name) {
            return *index;
        }
        let trimmed = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let found = devices::all().ok().and_then(|all| {
            let found = all.into_iter().find(|it| it.name.as_bytes() == trimmed)?;
            found.index
        });
        let index = found.unwrap_or(0);
        if self.devices.len() >= DEVICES {
            self.devices.clear();
        }
        self.devices.insert(*name, index);
        index
    }
}
