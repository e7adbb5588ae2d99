//! The source without eBPF: sock_diag, and /proc/net for the tables of which this kernel has no diag module.

use super::{
    ORDER, Path, Source, SourceError, Told, families,
    proc_net::{self, ProcNet},
};
use crate::{
    netlink::sock_diag::{DiagError, SockDiag},
    netns::Netns,
    socket::{Family, Flow, Row, States, Table, Tables, Want},
};
use std::sync::Arc;

/// Sockets of one network namespace.
pub struct Kernel {
    diag: Option<SockDiag>,
    proc: ProcNet,
}

impl Kernel {
    /// In `netns`, or our own; without netlink everything comes from /proc.
    pub fn open(netns: Option<Arc<Netns>>, netlink: bool) -> Result<Self, SourceError> {
        let inode = match &netns {
            Some(netns) => netns.inode(),
            None => Netns::own().map_or(0, |own| own.inode()),
        };
        let diag = match &netns {
            _ if !netlink => None,
            // A socket stays in the namespace of the thread that made it.
            Some(netns) => netns.run(|| SockDiag::open(inode).ok())?,
            None => SockDiag::open(inode).ok(),
        };
        Ok(Self {
            diag,
            proc: ProcNet::new(netns, inode),
        })
    }

    /// By what each table of our own namespace is told, for `doctor`: only sockets of which there are few are asked for.
    pub fn paths() -> Result<Vec<(Table, Path)>, SourceError> {
        let want = Want {
            tables: ORDER.into_iter().fold(Tables::default(), Tables::with),
            ipv4: true,
            ipv6: true,
            states: States::LISTENING,
            ..Want::default()
        };
        let mut kernel = Self::open(None, true)?;
        Ok(kernel.read(&want, &mut |_| Flow::More)?.paths)
    }

    fn table(
        &mut self,
        part: Part,
        want: &Want,
        row: &mut Row,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<(Path, Flow), SourceError> {
        if let Some(diag) = &mut self.diag {
            match by_diag(diag, part, want, row, visit) {
                Ok(flow) => return Ok((Path::SockDiag, flow)),
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let files = proc_net::files(part.table, part.family);
        let mut path = Path::None;
        for file in files {
            match self.proc.read(*file, want, row, visit) {
                Ok(flow) => {
                    path = Path::Proc;
                    if flow == Flow::Enough {
                        return Ok((path, flow));
                    }
                }
                // The protocol is not built, or its module not loaded: nobody has such a socket.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    let path = format!("/proc/net/{}", file.name);
                    return Err(SourceError::Proc { path, source });
                }
            }
        }
        Ok((path, Flow::More))
    }
}

/// A table of one family: what one request asks for.
#[derive(Clone, Copy)]
struct Part {
    table: Table,
    family: Family,
}

/// Parts of what is wanted, in order; UNIX and packet types share a request.
fn parts(want: &Want) -> impl Iterator<Item = Part> {
    let mut asked = [false; 8];
    ORDER
        .into_iter()
        .filter(|table| want.tables.has(*table))
        .flat_map(|table| {
            let families = families(table).iter();
            families.map(move |family| Part {
                table,
                family: *family,
            })
        })
        .filter(move |part| match part.family {
            Family::Inet | Family::Inet6 => true,
            Family::Unix
            | Family::Packet
            | Family::Netlink
            | Family::Vsock
            | Family::Tipc
            | Family::Xdp => !std::mem::replace(&mut asked[part.family as usize], true),
        })
}

fn by_diag(
    diag: &mut SockDiag,
    part: Part,
    want: &Want,
    row: &mut Row,
    visit: &mut dyn FnMut(&Row) -> Flow,
) -> Result<Flow, DiagError> {
    match part.family {
        Family::Unix => diag.unix(want, row, visit),
        Family::Packet => diag.packet(want, row, visit),
        Family::Netlink => diag.netlink(want, row, visit),
        Family::Vsock => diag.vsock(want, row, visit),
        Family::Xdp => diag.xdp(want, row, visit),
        Family::Tipc => Err(DiagError::NotThere("tipc")),
        // The kernel lists ping sockets nowhere but in /proc.
        Family::Inet | Family::Inet6 if part.table == Table::Ping => {
            Err(DiagError::NotThere("ping"))
        }
        Family::Inet | Family::Inet6 => {
            match diag.inet(part.table, part.family, want, row, visit) {
                // Marks may be asked for with CAP_NET_ADMIN only, cgroups from 5.7 on: the reader filters all rows anyway.
                Err(DiagError::Refused { .. }) if !want.bytecode.is_empty() => {
                    let mut plain = want.clone();
                    plain.bytecode.clear();
                    diag.inet(part.table, part.family, &plain, row, visit)
                }
                other => other,
            }
        }
    }
}

impl Source for Kernel {
    fn read(
        &mut self,
        want: &Want,
        visit: &mut dyn FnMut(&Row) -> Flow,
    ) -> Result<Told, SourceError> {
        let mut told = Told::default();
        let mut row = Row::default();
        for part in parts(want) {
            if !want.family(part.family) {
                continue;
            }
            // Tables whose sockets are always closed.
            let closed = matches!(part.family, Family::Packet | Family::Netlink | Family::Xdp);
            if closed && !want.state(crate::socket::State::CLOSE) {
                continue;
            }
            let (path, flow) = self.table(part, want, &mut row, visit)?;
            if !told.paths.contains(&(part.table, path)) {
                told.paths.push((part.table, path));
            }
            if flow == Flow::Enough {
                break;
            }
        }
        if let Some(diag) = &mut self.diag {
            told.repeated = diag.take_repeated();
            told.interrupted = std::mem::take(&mut diag.interrupted);
        }
        told.malformed = std::mem::take(&mut self.proc.malformed);
        Ok(told)
    }
}
