//! The tables of legacy iptables (`ip_tables`, `ip6_tables`), read by their socket options.
//!
//! Only tables that the namespace already has are asked for: asking for another one would make it.

mod entries;
mod selectors;
mod sockopt;

use super::{attrs::u32_at, firewall::Ruleset, ipset::IpSets, socket::Error};
use entries::Layout;
use sockopt::Tables;
use std::{fs, io};

/// `struct ipt_getinfo`.
const INFO: usize = 84;
const NAME: usize = 32;
/// `struct ipt_get_entries` without its entries, which are aligned to eight bytes.
const ENTRIES: usize = 40;
/// How often a table that is replaced while it is read is read again.
const RETRIES: u32 = 5;

/// All tables of the thread's network namespace, both families.
pub fn all() -> Result<Ruleset, Error> {
    let mut ruleset = Ruleset::default();
    let sets = IpSets::default();
    for v6 in [false, true] {
        let names = names(v6)?;
        if names.is_empty() {
            continue;
        }
        let tables = Tables::open(v6)?;
        for name in names {
            ruleset.add(table(&tables, &name, v6, &sets)?);
        }
    }
    Ok(ruleset)
}

/// The tables that exist; a kernel without them has no such file.
fn names(v6: bool) -> Result<Vec<String>, Error> {
    let file = if v6 {
        "ip6_tables_names"
    } else {
        "ip_tables_names"
    };
    match fs::read_to_string(format!("/proc/thread-self/net/{file}")) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(errno) => Err(Error {
            asked: "list the tables of legacy iptables",
            errno,
            words: None,
        }),
    }
}

fn table(tables: &Tables, name: &str, v6: bool, sets: &IpSets) -> Result<Ruleset, Error> {
    for _ in 0..RETRIES {
        let mut info = vec![0; INFO];
        put_name(&mut info, name);
        tables.info(&mut info)?;
        let size = u32_at(&info, 80).unwrap_or(0);
        let mut entries = vec![0; ENTRIES + size as usize];
        put_name(&mut entries, name);
        entries[NAME..NAME + 4].copy_from_slice(&size.to_ne_bytes());
        match tables.entries(&mut entries) {
            // It was replaced by one of another size.
            Err(error) if error.errno.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(error) => return Err(error),
            Ok(()) => {
                let layout = Layout::new(name, v6, &info, sets);
                return Ok(layout.read(&entries[ENTRIES..]));
            }
        }
    }
    Ok(Ruleset {
        torn: true,
        ..Ruleset::default()
    })
}

fn put_name(buffer: &mut [u8], name: &str) {
    for (to, from) in buffer.iter_mut().take(NAME - 1).zip(name.bytes()) {
        *to = from;
    }
}
