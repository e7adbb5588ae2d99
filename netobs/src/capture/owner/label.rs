//! What is told of a packet's owners, as text: made once for each pair of them.

use super::{filter::Wanted, table::Holder};
use crate::{capture::file::Process, enrich::Enricher, line::Line};
use std::collections::HashMap;

/// Pairs of owners that are remembered.
const MOST: usize = 65_536;

pub struct Label {
    /// `from pid=812 comm=curl uid=0; to pid=790 comm=nginx uid=33 container=0123456789ab`
    pub text: Box<[u8]>,
    pub wanted: bool,
    /// The sender, else the receiver.
    pub process: Option<Process>,
}

type Pair = [Option<Holder>; 2];

pub struct Labels {
    all: Vec<Label>,
    numbers: HashMap<Pair, u32>,
    enricher: Enricher,
    wanted: Wanted,
    own: u32,
}

impl Labels {
    pub fn new(wanted: Wanted, own: u32) -> Self {
        let mut labels = Self {
            all: Vec::new(),
            numbers: HashMap::new(),
            enricher: Enricher::new(),
            wanted,
            own,
        };
        labels.of([None, None]);
        labels
    }

    /// Whether no more are to be remembered.
    pub fn is_full(&self) -> bool {
        self.all.len() >= MOST
    }

    /// Forgets all: numbers that were given out mean nothing any more.
    pub fn forget(&mut self) {
        self.all.clear();
        self.numbers.clear();
        self.of([None, None]);
    }

    /// Of a packet that nobody is known to have.
    pub fn none(&self) -> &Label {
        self.get(0)
    }

    pub fn get(&self, number: u32) -> &Label {
        // Numbers are only given out by `of`; when all are forgotten the first one stays.
        self.all.get(number as usize).unwrap_or(&self.all[0])
    }

    pub fn of(&mut self, pair: Pair) -> u32 {
        if let Some(number) = self.numbers.get(&pair) {
            return *number;
        }
        let label = self.make(&pair);
        let number = u32::try_from(self.all.len()).unwrap_or(0);
        self.all.push(label);
        self.numbers.insert(pair, number);
        number
    }

    fn make(&mut self, pair: &Pair) -> Label {
        let mut line = Line::default();
        line.begin();
        let mut wanted = !self.wanted.is_any();
        for (holder, end) in pair.iter().zip(["from", "to"]) {
            let Some(holder) = holder else { continue };
            if !line.as_bytes().is_empty() {
                line.raw(b"; ");
            }
            line.raw(end.as_bytes());
            let about = self.enricher.of(holder.cgroup, holder.pid);
            wanted |= self.wanted.passes(holder, &about);
            line.key("pid").number(u64::from(holder.pid));
            word(line.key("comm"), holder.comm.bytes());
            line.key("uid").number(u64::from(holder.uid));
            let plain = about.cgroup.as_deref().filter(|path| *path != "/");
            for (key, value) in [("container", &about.container), ("pod", &about.pod)] {
                if let Some(value) = value {
                    word(line.key(key), value.as_bytes());
                }
            }
            if let Some(path) = plain {
                word(line.key("cgroup"), path.as_bytes());
            }
            if holder.netns != self.own {
                line.key("netns").number(u64::from(holder.netns));
            }
        }
        Label {
            text: line.as_bytes().into(),
            wanted,
            process: pair.iter().flatten().next().map(|holder| Process {
                pid: holder.pid,
                comm: holder.comm,
            }),
        }
    }
}

/// A name that cannot end the word, nor look like another one.
fn word(line: &mut Line, name: &[u8]) {
    for part in name.split_inclusive(|byte| b" ;[]".contains(byte)) {
        match part {
            [rest @ .., last] if b" ;[]".contains(last) => {
                line.escaped(rest).put(format_args!("\\x{last:02x}"));
            }
            part => _ = line.escaped(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Comm;

    #[test]
    fn a_name_cannot_forge_an_owner() {
        let mut comm = Comm::default();
        comm.0[..12].copy_from_slice(b"x; to pid=1\x1b");
        let holder = Holder {
            pid: 7,
            uid: 0,
            netns: 1,
            cgroup: 0,
            comm,
        };
        let mut labels = Labels::new(Wanted::default(), 1);
        let number = labels.of([Some(holder), None]);
        let text = String::from_utf8(labels.get(number).text.to_vec()).unwrap();
        assert!(text.contains(r"comm=x\x3b\x20to\x20pid=1\x1b"), "{text}");
    }
}
