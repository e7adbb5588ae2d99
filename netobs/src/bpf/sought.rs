//! Sockets found by their addresses, in any network namespace: the kernel walks all open files once a question.

use super::{
    btf::KernelTypes,
    object::Programs,
    owners::ITERATOR,
    session::{SessionError, as_map},
    sys::{self, ProgType},
};
use crate::event::{Comm, Ends};
use aya::maps::{HashMap, MapData};
use netobs_ebpf::sought::{Sought, SoughtKey};
use std::{
    io::{self, Read as _},
    net::IpAddr,
    os::fd::{AsFd as _, OwnedFd},
};

type Key = [u32; 2];
type Value = [u64; size_of::<Sought>() / 8];

/// The `SOUGHT` map and the iterator that answers in it.
pub struct Finder {
    map: HashMap<MapData, Key, Value>,
    iterator: Option<OwnedFd>,
}

/// Who holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    pub comm: Comm,
    pub uid: u32,
    pub cgroup: u64,
    pub sk: u64,
    pub ino: u64,
}

impl Finder {
    /// `wanted`: else nothing is loaded and nothing is found.
    pub(super) fn new(
        programs: &mut Programs,
        types: &KernelTypes,
        wanted: bool,
    ) -> Result<Self, SessionError> {
        let iterator = types
            .functions
            .get(ITERATOR)
            .filter(|_| wanted)
            .and_then(|target| {
                programs
                    .load("owners_sought", ProgType::Iter, target.id)
                    .ok()
            });
        let map = HashMap::try_from(as_map(programs.take_map("SOUGHT")?, "SOUGHT")?).map_err(
            |source| SessionError::Map {
                name: "SOUGHT",
                source,
            },
        )?;
        Ok(Self { map, iterator })
    }

    /// The holder of the first of `ends` that is a socket in `netns`.
    pub fn ask(&mut self, netns: u32, ends: &[Ends]) -> io::Result<Option<Holder>> {
        let Some(program) = &self.iterator else {
            return Ok(None);
        };
        for end in ends {
            self.map
                .insert(key(netns, end), question(end), 0)
                .map_err(io::Error::other)?;
        }
        let mut walk = sys::iterate(program.as_fd())?;
        let mut nothing = [0; 64];
        while walk.read(&mut nothing)? > 0 {}
        let mut found = None;
        for end in ends {
            let key = key(netns, end);
            let answer: Sought =
                zerocopy::transmute!(self.map.get(&key, 0).map_err(io::Error::other)?);
            self.map.remove(&key).map_err(io::Error::other)?;
            found = found.or((answer.score != 0).then(|| holder(&answer)));
        }
        Ok(found)
    }
}

fn holder(answer: &Sought) -> Holder {
    let Sought {
        pid,
        comm,
        uid,
        cgroup,
        sk,
        ino,
        ..
    } = *answer;
    Holder {
        pid,
        comm: Comm(comm),
        uid,
        cgroup,
        sk,
        ino,
    }
}

fn key(netns: u32, ends: &Ends) -> Key {
    zerocopy::transmute!(SoughtKey {
        netns,
        lport: ends.local.port(),
        proto: ends.proto.0
    })
}

fn question(ends: &Ends) -> Value {
    zerocopy::transmute!(Sought {
        laddr: words(ends.local.ip()),
        raddr: words(ends.remote.ip()),
        rport: u32::from(ends.remote.port()),
        ..Sought::default()
    })
}

/// IPv4 as ::ffff:a.b.c.d.
fn words(addr: IpAddr) -> [u32; 4] {
    let octets = match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    zerocopy::transmute!(octets)
}
