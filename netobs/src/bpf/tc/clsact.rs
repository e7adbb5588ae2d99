//! TC before links: filters of a clsact qdisc, by netlink. They outlive their maker, so the next run clears what a killed one left.

use super::{At, Program, TcError};
use crate::netlink::{
    attrs::{Attr, behind, u32_at},
    socket::{Error, ROUTE, Request, Socket},
};
use std::os::fd::{AsRawFd as _, BorrowedFd};

const NEW_QDISC: u16 = 36;
const DEL_QDISC: u16 = 37;
const NEW_FILTER: u16 = 44;
const DEL_FILTER: u16 = 45;
const GET_FILTER: u16 = 46;
/// `NLM_F_CREATE`, `NLM_F_EXCL`, `NLM_F_ECHO`.
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
const ECHO: u16 = 0x8;
/// `TC_H_CLSACT`, and its two hooks.
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;
/// `struct tcmsg`.
const HEADER: usize = 20;
const ETH_P_ALL: u16 = 3;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
/// `TCA_BPF_FLAG_ACT_DIRECT`: the program's word is the verdict, and ours is to go on.
const DIRECT: u32 = 1;
/// Our filters are told by their name: then comes what they are for, and the process.
const NAME: &str = "netobs-";

fn header(device: u32, handle: u32, parent: u32, info: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    for (at, word) in [(4, device), (8, handle), (12, parent), (16, info)] {
        header[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    header
}

/// A filter as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Filter {
    parent: u32,
    handle: u32,
    info: u32,
    name: String,
}

impl Filter {
    fn read(parent: u32, payload: &[u8]) -> Option<Self> {
        let handle = u32_at(payload, 8)?;
        let options = behind(payload, HEADER).find(|attr| attr.kind == OPTIONS);
        let name = options.and_then(|options| options.find(BPF_NAME));
        let name = name.map(Attr::text).unwrap_or_default();
        // The list begins with each priority as a whole, without a filter.
        (handle != 0).then_some(Self {
            parent,
            handle,
            info: u32_at(payload, 16)?,
            name,
        })
    }

    /// The process that added it, if it is one of ours.
    fn owner(&self) -> Option<u32> {
        let (_, process) = self.name.strip_prefix(NAME)?.split_once(':')?;
        process.parse().ok()
    }
}

/// Our filters on a device.
pub struct Filters {
    device: u32,
    ours: Vec<Filter>,
    /// The qdisc is there for our sake, or that of another run of ours.
    qdisc_is_ours: bool,
}

impl Filters {
    pub fn add(device: u32, what: &str, programs: &[Program<'_>]) -> Result<Self, TcError> {
        let mut socket = Socket::open(ROUTE)?;
        let mut all = Self {
            device,
            ours: Vec::new(),
            qdisc_is_ours: qdisc(&mut socket, device)?,
        };
        let there = list(&mut socket, device);
        // Ours and nobody else's: the qdisc too was made by one of us.
        all.qdisc_is_ours |=
            !there.is_empty() && there.iter().all(|filter| filter.owner().is_some());
        for dead in there.iter().filter(|filter| is_left_over(filter)) {
            // Another run may have been faster.
            drop(delete(&mut socket, device, dead));
        }
        let name = format!("{NAME}{what}:{}", std::process::id());
        for (at, program) in programs {
            let parent = match at {
                At::Ingress => INGRESS,
                At::Egress => EGRESS,
            };
            let filter = add(&mut socket, &name, (device, parent), *program)?;
            all.ours.push(filter);
        }
        Ok(all)
    }
}

impl Drop for Filters {
    fn drop(&mut self) {
        let Ok(mut socket) = Socket::open(ROUTE) else {
            return;
        };
        for filter in &self.ours {
            // A device that is gone took them along.
            drop(delete(&mut socket, self.device, filter));
        }
        if self.qdisc_is_ours && list(&mut socket, self.device).is_empty() {
            let header = header(self.device, CLSACT & 0xffff_0000, CLSACT, 0);
            let request = Request::get("delete the clsact qdisc", DEL_QDISC, &header);
            drop(socket.one(&request));
        }
    }
}

/// Whether its process is gone.
fn is_left_over(filter: &Filter) -> bool {
    filter
        .owner()
        .is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
}

/// Makes sure of the qdisc; whether it was made now.
fn qdisc(socket: &mut Socket, device: u32) -> Result<bool, Error> {
    let header = header(device, CLSACT & 0xffff_0000, CLSACT, 0);
    let request = Request::get("add a clsact qdisc", NEW_QDISC, &header)
        .flags(CREATE | EXCLUSIVE)
        .text(KIND, "clsact");
    match socket.one(&request) {
        Ok(_) => Ok(true),
        Err(error) if error.errno.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// In front of all others, at a priority that the kernel finds.
fn add(
    socket: &mut Socket,
    name: &str,
    (device, parent): (u32, u32),
    program: BorrowedFd<'_>,
) -> Result<Filter, TcError> {
    let options = Request::get("", 0, &[])
        .attr(BPF_FD, &program.as_raw_fd().to_ne_bytes())
        .text(BPF_NAME, name)
        .attr(BPF_FLAGS, &DIRECT.to_ne_bytes());
    let info = u32::from(ETH_P_ALL.to_be());
    let request = Request::get(
        "add a TC filter",
        NEW_FILTER,
        &header(device, 0, parent, info),
    )
    .flags(CREATE | EXCLUSIVE | ECHO)
    .text(KIND, "bpf")
    .attr(OPTIONS, options.body());
    let told = socket.one(&request)?;
    let filter = told.and_then(|told| Filter::read(parent, &told));
    filter.ok_or(TcError::Unnamed)
}

fn delete(socket: &mut Socket, device: u32, filter: &Filter) -> Result<(), Error> {
    let header = header(device, filter.handle, filter.parent, filter.info);
    let request = Request::get("delete a TC filter", DEL_FILTER, &header).text(KIND, "bpf");
    socket.one(&request).map(drop)
}

fn list(socket: &mut Socket, device: u32) -> Vec<Filter> {
    let mut all = Vec::new();
    for parent in [INGRESS, EGRESS] {
        let request = Request::dump("list TC filters", GET_FILTER, &header(device, 0, parent, 0));
        if let Ok(dump) = socket.rows(&request, |payload| Filter::read(parent, payload)) {
            all.extend(dump.rows);
        }
    }
    all
}
