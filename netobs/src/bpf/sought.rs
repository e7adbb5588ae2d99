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
    io,
    net::IpAddr,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

type Key = [u32; 2];
type Value = [u64; size_of::<Sought>() / 8];

/// The program that does it.
pub(super) const PROGRAM: &str = "owners_sought";

/// The `SOUGHT` map and the iterator that answers in it.
pub struct Finder {
    map: HashMap<MapData, Key, Value>,
    iterator: Option<OwnedFd>,
}

/// Where a socket may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub netns: u32,
    pub ends: Ends,
}

/// Who holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// It is wanted, as far as filters ask for owners.
    pub passes: bool,
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
            .and_then(|target| programs.load(PROGRAM, ProgType::Iter, target.id).ok());
        let map = HashMap::try_from(as_map(programs.take_map("SOUGHT")?, "SOUGHT")?).map_err(
            |source| SessionError::Map {
                name: "SOUGHT",
                source,
            },
        )?;
        Ok(Self { map, iterator })
    }

    /// The holders of the sockets at `places`; those that one question has no room for are left out.
    pub fn ask(&mut self, places: &[Place]) -> Vec<(Place, Option<Holder>)> {
        let Some(program) = &self.iterator else {
            return Vec::new();
        };
        let mut asked = Vec::with_capacity(places.len());
        for place in places {
            // Refused where the map is full, or two places have one port.
            let question = question(&place.ends);
            if self.map.insert(key(place), question, NO_REPLACE).is_ok() {
                asked.push(*place);
            }
        }
        let walked = walk(program.as_fd()).is_ok();
        let answers = asked.into_iter().map(|place| {
            let answer: Option<Sought> = self
                .map
                .get(&key(&place), 0)
                .ok()
                .map(|value| zerocopy::transmute!(value));
            // Gone or not, the next question begins anew.
            self.map.remove(&key(&place)).unwrap_or_default();
            let found =
                answer.filter(|answer| walked && answer.score != 0 && answer.ambiguous == 0);
            (place, found.as_ref().map(holder))
        });
        answers.collect()
    }
}

/// `BPF_NOEXIST`.
const NO_REPLACE: u64 = 1;

fn walk(program: BorrowedFd<'_>) -> io::Result<()> {
    sys::walk_through(sys::iterate(program)?)
}

fn holder(answer: &Sought) -> Holder {
    let Sought {
        pid,
        comm,
        uid,
        cgroup,
        sk,
        ino,
        passes,
        ..
    } = *answer;
    Holder {
        pid,
        comm: Comm::from(comm),
        passes: passes != 0,
        uid,
        cgroup,
        sk,
        ino,
    }
}

fn key(place: &Place) -> Key {
    zerocopy::transmute!(SoughtKey {
        netns: place.netns,
        lport: place.ends.local.port(),
        proto: place.ends.proto.0
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

/// IPv4 as `::ffff:a.b.c.d`.
fn words(addr: IpAddr) -> [u32; 4] {
    let octets = match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    zerocopy::transmute!(octets)
}
