//! The user's filters as the kernel side wants them: a map of values, a trie of prefixes, two masks.

use super::object::{ObjectError, Programs};
use aya::maps::{HashMap, Map, MapData, lpm_trie::{Key, LpmTrie}};
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

impl Filters {
    /// Masks of the classes that include and that exclude.
    pub fn classes(&self) -> (u32, u32) {
        self.0.iter().fold((0, 0), |(include, exclude), filter| {
            let bit = filter.value.class().bit();
            if filter.negated { (include, exclude | bit) } else { (include | bit, exclude) }
        })
    }

    /// Fills the maps and hands them back: programs refer to them until they are loaded.
    pub(super) fn write(&self, programs: &mut Programs) -> Result<Vec<Map>, FilterError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let mut value_map = Map::from_map_data(programs.take_map("FILTERS")?)?;
        let mut values: HashMap<&mut MapData, [u64; 3], u8> = HashMap::try_from(&mut value_map)?;
        let mut host_map = Map::from_map_data(programs.take_map("HOSTS")?)?;
        let mut hosts: LpmTrie<&mut MapData, HostKey, u8> = LpmTrie::try_from(&mut host_map)?;
        for filter in &self.0 {
            let verdict = if filter.negated { EXCLUDE } else { INCLUDE };
            match &filter.value {
                Value::Number(class, n) => values.insert(key(*class, [*n, 0]), verdict, 0)?,
                Value::Comm(comm) => values.insert(key(Class::Comm, comm_words(comm)), verdict, 0)?,
                Value::Host(addr, len) => hosts.insert(&prefix(verdict, *addr, *len), verdict, 0)?,
            }
        }
        Ok(vec![value_map, host_map])
    }
}

fn key(class: Class, value: [u64; 2]) -> [u64; 3] {
    zerocopy::transmute!(FilterKey { value, class: class as u64 })
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
