//! Lines as ss prints them: the same words in the same order, then what ss does not know.

use super::{
    Options, Shown,
    address::{local_address, local_port, remote_address, remote_port},
    details,
    figures::bandwidth,
    layout::{Align, Layout},
    names::SocketNames,
    tcp,
};
use crate::{
    line::Line,
    socket::{Family, Table},
};

/// ss's table.
pub struct Text {
    options: Options,
    line: Line,
    ends: Vec<usize>,
    pub layout: Layout,
}

/// `Recv-Q`.
const QUEUE: usize = 6;

impl Text {
    pub fn new(options: Options) -> Self {
        let mut columns = Vec::new();
        if options.netid {
            columns.push((Align::Left, 0));
        }
        if options.state {
            columns.push((Align::Left, 0));
        }
        columns.extend([(Align::Left, QUEUE), (Align::Left, QUEUE)]);
        columns.extend([(Align::Right, 0), (Align::Joined, 0)].repeat(2));
        let mut text = Self {
            options,
            line: Line::default(),
            ends: Vec::new(),
            layout: Layout::new(columns),
        };
        text.head();
        text
    }

    /// The names of the columns, unless they are not wanted.
    pub fn head(&mut self) {
        if !self.options.header {
            return;
        }
        self.line.clear();
        self.line.begin();
        self.ends.clear();
        let named: [(bool, &str); 8] = [
            (self.options.netid, "Netid"),
            (self.options.state, "State"),
            (true, "Recv-Q"),
            (true, "Send-Q"),
            (true, "Local Address:"),
            (true, "Port"),
            (true, "Peer Address:"),
            (true, "Port"),
        ];
        for (_, name) in named.iter().filter(|(shown, _)| *shown) {
            self.line.raw(name.as_bytes());
            self.ends.push(self.line.as_bytes().len());
        }
        self.line.raw(b" Process");
        self.push();
    }

    #[inline]
    fn cell(&mut self) {
        self.ends.push(self.line.as_bytes().len());
    }

    /// Writes a row, to be pushed or kept.
    pub fn render(
        &mut self,
        shown: &Shown<'_>,
        names: &mut SocketNames,
        context: &dyn Fn(u32) -> Option<String>,
    ) {
        let row = shown.row;
        self.line.clear();
        self.line.begin();
        self.ends.clear();
        if self.options.netid {
            self.line.raw(row.table.name().as_bytes());
            self.cell();
        }
        if self.options.state {
            if row.state.is_association(row.table) {
                self.line.raw(b"`- ");
            }
            let state = row.state.name_in(row.table);
            self.line.raw(state.as_bytes());
            self.cell();
        }
        self.line.number(u64::from(row.recvq));
        self.cell();
        self.line.number(u64::from(row.sendq));
        self.cell();
        local_address(&mut self.line, row, names);
        self.cell();
        let comm = (row.family == Family::Netlink)
            .then(|| comm_of(row.local.port))
            .flatten();
        local_port(&mut self.line, row, names, comm.as_deref());
        self.cell();
        remote_address(&mut self.line, row, names);
        self.cell();
        remote_port(&mut self.line, row, names);
        self.cell();
        self.rest(shown, names, context);
    }

    /// Sends the row that was written last on its way.
    #[inline]
    pub fn push(&mut self) {
        self.layout.row(self.line.as_bytes(), &self.ends);
    }

    /// The row that was written last: its bytes, and where its cells end.
    pub fn line(&self) -> &[u8] {
        self.line.as_bytes()
    }

    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    fn rest(
        &mut self,
        shown: &Shown<'_>,
        names: &mut SocketNames,
        context: &dyn Fn(u32) -> Option<String>,
    ) {
        let (row, options, line) = (shown.row, &self.options, &mut self.line);
        if options.processes {
            details::holders(line, shown.holders, options.threads, context);
        }
        let inet = row.is_inet();
        if options.timer && inet {
            details::timer(line, row);
        }
        if options.details {
            details::identity(line, shown);
        }
        if options.tos && inet {
            details::tos(line, row);
        }
        if options.cgroup && inet {
            details::cgroup(line, shown);
        }
        details::beyond(line, shown, options, names);
        change(line, shown, names.numeric);
        if options.sockopt && row.inet.sockopt.is_some() {
            line.raw(if options.oneline { b"" } else { b"\n\t" });
            details::sockopt(line, row);
        }
        if !inet {
            details::packet(line, row, options);
            if options.memory {
                details::memory(line, row);
            }
        } else if options.memory || (options.info && row.table != Table::Udp) {
            let before = line.as_bytes().len();
            line.raw(if options.oneline { b"" } else { b"\n\t" });
            let empty = line.as_bytes().len();
            if options.memory {
                details::memory(line, row);
            }
            tcp::write(line, row, options.timer, names.numeric);
            if line.as_bytes().len() == empty {
                line.truncate(before);
            }
        }
    }
}

/// `new`, rates, and what else differs from the last look.
fn change(line: &mut Line, shown: &Shown<'_>, numeric: bool) {
    let Some(change) = shown.change else {
        return;
    };
    if change.new {
        line.raw(b" new");
    }
    if let Some(old) = change.old_state {
        line.raw(b" was:").raw(old.name().as_bytes());
    }
    for (name, rate) in [(" tx ", change.tx_rate), (" rx ", change.rx_rate)] {
        if let Some(rate) = rate.filter(|rate| *rate > 0.0) {
            line.raw(name.as_bytes());
            bandwidth(line, rate * 8.0, numeric);
        }
    }
    if let Some(retrans) = change.retrans.filter(|n| *n > 0) {
        line.raw(b" retrans:+").number(u64::from(retrans));
    }
    for (name, growth) in [(" recvq:", change.recvq), (" sendq:", change.sendq)] {
        if growth != 0 {
            line.raw(name.as_bytes())
                .raw(format!("{growth:+}").as_bytes());
        }
    }
}

/// The process whose number is a netlink socket's port: by custom, not by law.
fn comm_of(port: u32) -> Option<String> {
    let pid = i32::try_from(port).ok().filter(|pid| *pid > 0)?;
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(comm.trim_end().to_owned())
}
