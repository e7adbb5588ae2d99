//! The user's filters as the kernel side wants them: a map of values, a trie of prefixes, two masks.

use super::object::{ObjectError, Programs};
use crate::event::{Common, Owner};
use aya::maps::{
    HashMap, Map, MapData,
    lpm_trie::{Key, LpmTrie},
};
use netobs_ebpf::{
    config::{Class, EXCLUDE, FilterKey, HOST_TAG_BITS, HostKey, INCLUDE},
    event::COMM_LEN,
};
use std::net::IpAddr;

/// One value of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Number(Class, u64),
    /// At most fifteen bytes.
    Comm(String),
    /// Address and prefix length.
    Host(IpAddr, u8),
}

/// A value that must match, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub value: Value,
    pub negated: bool,
}

/// All filters of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(pub Vec<Filter>);

/// The maps, kept open.
pub struct FilterMaps {
    _values: HashMap<MapData, [u64; 3], u8>,
    _hosts: LpmTrie<MapData, HostKey, u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("give a filter to the kernel: {0}")]
    Map(#[from] aya::maps::MapError),
}

impl Value {
    const fn class(&self) -> Class {
        match self {
            Self::Number(class, _) => *class,
            Self::Comm(_) => Class::Comm,
            Self::Host(..) => Class::Host,
        }
    }
}

impl Value {
    fn is_of(&self, common: &Common) -> bool {
        let process = match common.owner {
            Owner::Process { pid, comm } => Some((pid, comm)),
            Owner::Unknown | Owner::None => None,
        };
        match self {
            Self::Number(Class::Pid, n) => process.is_some_and(|(pid, _)| u64::from(pid) == *n),
            Self::Number(Class::Uid, n) => common.uid.is_some_and(|uid| u64::from(uid) == *n),
            Self::Number(Class::Netns, n) => u64::from(common.netns) == *n,
            Self::Number(Class::Cgroup, n) => common.cgroup == *n,
            Self::Comm(name) => process.is_some_and(|(_, comm)| comm.bytes() == name.as_bytes()),
            Self::Number(..) | Self::Host(..) => false,
        }
    }
}

impl Filters {
    /// Masks of the classes that include and that exclude.
    pub fn classes(&self) -> (u32, u32) {
        self.0.iter().fold((0, 0), |(include, exclude), filter| {
            let bit = filter.value.class().bit();
            if filter.negated {
                (include, exclude | bit)
            } else {
                (include | bit, exclude)
            }
        })
    }

    /// Whether the kernel side has to know owners to filter.
    pub fn name_owners(&self) -> bool {
        let (include, exclude) = self.classes();
        (include | exclude) & (Class::Pid.bit() | Class::Comm.bit()) != 0
    }

    /// Whether an owner found in userspace is wanted: what the kernel side does for others.
    pub fn owner_passes(&self, common: &Common) -> bool {
        [Class::Pid, Class::Comm, Class::Uid, Class::Cgroup]
            .into_iter()
            .all(|class| self.class_passes(class, common))
    }

    /// The same for its network namespace.
    pub fn netns_passes(&self, common: &Common) -> bool {
        self.class_passes(Class::Netns, common)
    }

    fn class_passes(&self, class: Class, common: &Common) -> bool {
        let mut of_class = self
            .0
            .iter()
            .filter(|filter| filter.value.class() == class)
            .peekable();
        if of_class.peek().is_none() {
            return true;
        }
        let (mut included, mut hit) = (false, false);
        for filter in of_class {
            let matches = filter.value.is_of(common);
            if filter.negated && matches {
                return false;
            }
            included |= !filter.negated;
            hit |= !filter.negated && matches;
        }
        hit || !included
    }

    /// Fills the maps; programs that are loaded later need them open.
    pub(super) fn write(&self, programs: &mut Programs) -> Result<FilterMaps, FilterError> {
        let values = Map::from_map_data(programs.take_map("FILTERS")?)?;
        let mut values: HashMap<MapData, [u64; 3], u8> = HashMap::try_from(values)?;
        let hosts = Map::from_map_data(programs.take_map("HOSTS")?)?;
        let mut hosts: LpmTrie<MapData, HostKey, u8> = LpmTrie::try_from(hosts)?;
        for filter in &self.0 {
            let verdict = if filter.negated { EXCLUDE } else { INCLUDE };
            match &filter.value {
                Value::Number(class, n) => values.insert(key(*class, [*n, 0]), verdict, 0)?,
                Value::Comm(comm) => {
                    values.insert(key(Class::Comm, comm_words(comm)), verdict, 0)?;
                }
                Value::Host(addr, len) => {
                    hosts.insert(&prefix(verdict, *addr, *len), verdict, 0)?;
                }
            }
        }
        Ok(FilterMaps {
            _values: values,
            _hosts: hosts,
        })
    }
}

fn key(class: Class, value: [u64; 2]) -> [u64; 3] {
    zerocopy::transmute!(FilterKey {
        value,
        class: class as u64
    })
}

fn comm_words(comm: &str) -> [u64; 2] {
    let mut bytes = [0; COMM_LEN];
    for (to, from) in bytes.iter_mut().take(COMM_LEN - 1).zip(comm.bytes()) {
        *to = from;
    }
    zerocopy::transmute!(bytes)
}

/// An IPv4 prefix is kept as v4-mapped.
fn prefix(verdict: u8, addr: IpAddr, len: u8) -> Key<HostKey> {
    let (octets, skip) = match addr {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), 96),
        IpAddr::V6(v6) => (v6.octets(), 0),
    };
    let mut data = [0; 20];
    data[0] = verdict;
    data[4..].copy_from_slice(&octets);
    Key::new(HOST_TAG_BITS + skip + u32::from(len), data)
}
