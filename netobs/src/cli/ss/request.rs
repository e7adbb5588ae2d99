//! Arguments to what is asked: tables, states, filter, namespaces.

use super::{args::Ss, lookup::Host, remark};
use crate::{
    cli::{Failure, Status},
    enrich::cgroup,
    netns::{self, Netns},
    socket::{Family, States, Table, Want},
    sockets::{
        filter::{self, Context, Filter},
        ports,
        select::Selection,
    },
    views::sockets::Options,
};
use std::{io::Read as _, net::ToSocketAddrs as _, sync::Arc};

/// What a command line asks for.
pub enum Asked {
    Sockets(Box<Request>),
    /// `-s` and nothing else.
    SummaryOnly,
}

pub struct Request {
    pub want: Want,
    pub filter: Filter,
    pub options: Options,
    /// `None`: our own, without looking.
    pub namespaces: Vec<Option<Arc<Netns>>>,
    /// Tables that were named, to say so when this kernel has none.
    pub named: Vec<Table>,
}

impl Request {
    /// Whether only the namespace we stand in is looked at.
    pub fn stays(&self) -> bool {
        self.namespaces.iter().all(Option::is_none)
    }

    /// The same, of one namespace only.
    pub fn of_namespace(&self, place: usize) -> Self {
        Self {
            want: self.want.clone(),
            filter: self.filter.clone(),
            options: self.options,
            namespaces: vec![self.namespaces[place].clone()],
            named: self.named.clone(),
        }
    }
}

pub fn read(args: &Ss) -> Result<Asked, Failure> {
    let mut selection = select(args)?;
    let words = states(&args.filter, &mut selection)?;
    if args.summary && selection.is_default() && args.filter.is_empty() {
        return Ok(Asked::SummaryOnly);
    }
    let named = if selection.is_default() || !args.query.is_empty() {
        Vec::new()
    } else {
        let tables = crate::sockets::ORDER.into_iter();
        tables
            .filter(|table| selection.tables.has(*table))
            .collect()
    };
    selection.complete();
    let namespaces = namespaces(args)?;
    let filter = expression(args, words, &mut selection, namespaces.first())?;
    refuse_nothing(&selection)?;
    let needs = needs(args)?;
    let shown = selection.shown();
    let want = Want {
        tables: shown,
        ipv4: selection.has(Family::Inet),
        ipv6: selection.has(Family::Inet6),
        states: selection.states,
        info: args.info || needs.info || args.watch.is_some() || args.group_by.is_some(),
        memory: args.memory || needs.memory,
        // Their bytes come with those of the type of service.
        tos: args.tos || args.inet_sockopt,
        details: args.extended || args.bpf,
        identity: needs_identity(args, &filter),
        holders: args.holders() || needs.holders,
        threads: args.threads,
        bytecode: filter.bytecode(),
    };
    let options = options(args, &selection);
    Ok(Asked::Sockets(Box::new(Request {
        want,
        filter,
        options,
        namespaces,
        named,
    })))
}

/// Whether more of a socket is looked at than its ends, state, queues and processes.
fn needs_identity(args: &Ss, filter: &Filter) -> bool {
    let shown = args.extended
        || args.options
        || args.bpf
        || args.cgroup
        || args.inet_sockopt
        || args.container
        || args.pod
        || args.user
        || args.json
        || args.columns.is_some();
    let used = args.kill
        || args.all_netns
        || args.watch.is_some()
        || args.group_by.is_some()
        || args.sort.is_some()
        || args.top.is_some();
    shown || used || filter.expression.is_some()
}

/// What columns, order and groups need beyond the flags.
fn needs(args: &Ss) -> Result<crate::views::sockets::Needs, Failure> {
    let mut needs = match &args.columns {
        Some(list) => super::output::columns(list, false)?.needs(),
        None => crate::views::sockets::Needs::default(),
    };
    needs.info |= args.sort.is_some() || args.top.is_some();
    needs.holders |= args
        .group_by
        .is_some_and(super::grouping::By::needs_holders);
    Ok(needs)
}

fn select(args: &Ss) -> Result<Selection, Failure> {
    let mut selection = Selection::default();
    for list in &args.query {
        selection
            .query(list)
            .map_err(|text| Failure::new(Status::Usage, text))?;
    }
    let tables = [
        (args.tcp, Table::Tcp),
        (args.udp, Table::Udp),
        (args.raw, Table::Raw),
        (args.mptcp, Table::Mptcp),
        (args.sctp, Table::Sctp),
        (args.dccp, Table::Dccp),
    ];
    for (_, table) in tables.into_iter().filter(|(asked, _)| *asked) {
        selection.add_table(table);
    }
    let families = [
        (args.unix, Family::Unix),
        (args.packet, Family::Packet),
        (args.vsock, Family::Vsock),
        (args.xdp, Family::Xdp),
        (args.ipv4, Family::Inet),
        (args.ipv6, Family::Inet6),
    ];
    for (_, family) in families.into_iter().filter(|(asked, _)| *asked) {
        selection.add_family(family);
    }
    if let Some(name) = &args.family {
        selection.add_family(family(name)?);
    }
    if args.listening {
        selection.ask(States::LISTENING);
    }
    if args.all {
        selection.ask(States::ALL);
    }
    Ok(selection)
}

fn family(name: &str) -> Result<Family, Failure> {
    Ok(match name {
        "inet" => Family::Inet,
        "inet6" => Family::Inet6,
        "link" => Family::Packet,
        "unix" => Family::Unix,
        "netlink" => Family::Netlink,
        "vsock" => Family::Vsock,
        "tipc" => Family::Tipc,
        "xdp" => Family::Xdp,
        _ => {
            let text = format!(
                "no family '{name}': families are inet inet6 link unix netlink vsock tipc xdp"
            );
            return Err(Failure::new(Status::Usage, text));
        }
    })
}

/// Takes `state` and `exclude` off the front; the rest is an expression.
fn states<'a>(words: &'a [String], selection: &mut Selection) -> Result<&'a [String], Failure> {
    let mut rest = words;
    while let [word, after @ ..] = rest {
        let exclude = match word.as_str() {
            "state" => false,
            "exclude" | "excl" => true,
            _ => break,
        };
        let Some((name, after)) = after.split_first() else {
            let text = format!("expected a state after '{word}': {}", state_names());
            return Err(Failure::new(Status::Usage, text));
        };
        let Some(states) = States::named(name) else {
            let text = format!("no state '{name}': states are {}", state_names());
            return Err(Failure::new(Status::Usage, text));
        };
        selection.state(states, exclude);
        rest = after;
    }
    Ok(rest)
}

fn state_names() -> String {
    let names = States::NAMES.iter().map(|(name, _)| *name);
    names.chain(["big"]).collect::<Vec<_>>().join(" ")
}

fn expression(
    args: &Ss,
    words: &[String],
    selection: &mut Selection,
    netns: Option<&Option<Arc<Netns>>>,
) -> Result<Filter, Failure> {
    let mut text = words.join(" ");
    if let Some(file) = &args.filter_file {
        text = format!("{text} {}", filter_file(file)?);
    }
    let mut filter = Filter::default();
    if !text.trim().is_empty() {
        let services = ports::Services::read();
        let host = Host::new(netns.cloned().flatten());
        let context = Context {
            tables: selection.tables,
            family: selection.family,
            services: &services,
            interface: &|name| host.interface_index(name),
            resolve: &|name| match (name, 0).to_socket_addrs() {
                Ok(found) => found.map(|address| address.ip()).collect(),
                Err(_) => Vec::new(),
            },
            cgroup: &cgroup::id_of,
        };
        filter = filter::parse(&text, &context)
            .map_err(|error| Failure::new(Status::Usage, error.to_string()))?;
    }
    if let Some(family) = filter.family {
        selection.only(family);
    }
    Ok(filter)
}

/// An expression of a file: lines that begin with `#` are remarks.
fn filter_file(file: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| Failure::new(Status::Usage, format!("read filter {file}: {error}")))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.collect::<Vec<_>>().join(" "))
}

fn refuse_nothing(selection: &Selection) -> Result<(), Failure> {
    let what = if selection.shown().is_empty() {
        "no table of sockets is left to show: the flags and the filter name different families"
    } else if selection.states.0 == 0 {
        "no state of sockets is left to show: every one is excluded"
    } else {
        return Ok(());
    };
    Err(Failure::new(Status::Usage, what))
}

/// Where to look: our own namespace, a named one, or all of the machine.
fn namespaces(args: &Ss) -> Result<Vec<Option<Arc<Netns>>>, Failure> {
    let failed = |error: netns::NetnsError| {
        let status = match &error {
            netns::NetnsError::Unknown(_) => Status::Usage,
            netns::NetnsError::Open { .. } | netns::NetnsError::Enter { .. } => Status::Missing,
            netns::NetnsError::List(_) | netns::NetnsError::Thread { .. } => Status::Other,
        };
        Failure::new(status, error.to_string())
    };
    if let Some(which) = &args.netns {
        let netns = Netns::find(which).map_err(failed)?;
        return Ok(vec![Some(Arc::new(netns))]);
    }
    if !args.all_netns {
        return Ok(vec![None]);
    }
    let machine = netns::machine().map_err(failed)?;
    let counts = [
        (machine.vanished, "vanished while they were listed"),
        (machine.refused, "may not be read"),
        (machine.over_limit, "are left out: too many files are open"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        remark(&format!("{count} processes' network namespaces {what}"));
    }
    let mut found = machine.found.into_iter();
    // Our own is read as it is: that needs no privilege.
    let own = found.next().map(|_| None);
    Ok(own
        .into_iter()
        .chain(found.map(|netns| Some(Arc::new(netns))))
        .collect())
}

fn options(args: &Ss, selection: &Selection) -> Options {
    Options {
        header: !args.no_header,
        netid: selection.tables.len() > 1,
        state: selection.states.0.count_ones() > 1,
        timer: args.options || args.extended || args.bpf,
        details: args.extended,
        memory: args.memory,
        info: args.info,
        tos: args.tos,
        cgroup: args.cgroup,
        sockopt: args.inet_sockopt,
        bpf: args.bpf,
        oneline: args.oneline,
        processes: args.processes || args.threads || args.context || args.all_netns,
        threads: args.threads,
        context: args.context,
        netns: args.all_netns,
        container: args.container || args.all_netns,
        pod: args.pod || args.all_netns,
        user: args.user,
        command: args.cmd,
    }
}
