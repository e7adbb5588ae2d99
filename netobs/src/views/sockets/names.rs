//! Names of ports, hosts, interfaces and users, each looked up once.

use crate::{enrich::users::Users, line::Line, socket::Table};
use std::{collections::HashMap, net::IpAddr};

/// Entries a cache may hold before it starts anew.
const CACHE: usize = 8192;

/// Interfaces, services and hosts come from outside: a view looks nothing up by itself.
pub trait Lookup {
    fn service(&self, port: u16, protocol: &'static str) -> Option<&str>;
    fn protocol(&self, number: u32) -> Option<&str>;
    fn is_ephemeral(&self, port: u32) -> bool;
    /// The name of an interface of the namespace that is being told.
    fn interface(&self, index: u32) -> Option<String>;
    /// The name of a host, with `-r`.
    fn host(&self, ip: IpAddr) -> Option<String>;
}

/// What stands for the numbers of a socket.
pub struct SocketNames {
    /// `-n`.
    pub numeric: bool,
    pub lookup: Box<dyn Lookup>,
    pub users: Users,
    hosts: Option<HashMap<IpAddr, Option<String>>>,
    interfaces: HashMap<(u32, u32), String>,
}

impl SocketNames {
    /// `resolve`: hosts by name.
    pub fn new(numeric: bool, resolve: bool, lookup: Box<dyn Lookup>) -> Self {
        Self {
            numeric,
            lookup,
            users: Users::default(),
            hosts: resolve.then(HashMap::new),
            interfaces: HashMap::new(),
        }
    }

    /// The name of a host, if names are wanted and it has one.
    pub fn host(&mut self, ip: IpAddr) -> Option<&str> {
        let hosts = self.hosts.as_mut()?;
        if hosts.len() >= CACHE {
            hosts.clear();
        }
        let lookup = &self.lookup;
        // As ss does: an IPv4 address in IPv6 has the name it has there.
        let ip = ip.to_canonical();
        let known = hosts.entry(ip).or_insert_with(|| lookup.host(ip));
        known.as_deref()
    }

    /// `eth0`, else `if7` as ss writes an interface that is gone.
    pub fn interface(&mut self, netns: u32, index: u32) -> &str {
        if self.interfaces.len() >= CACHE {
            self.interfaces.clear();
        }
        let lookup = &self.lookup;
        self.interfaces.entry((netns, index)).or_insert_with(|| {
            lookup
                .interface(index)
                .unwrap_or_else(|| format!("if{index}"))
        })
    }

    /// A port, by its service's name unless numbers are wanted; `*`: any.
    pub fn port(&self, line: &mut Line, table: Table, port: u32) {
        if port == 0 {
            line.raw(b"*");
            return;
        }
        if let Some(name) = self.service(table, port) {
            line.escaped(name.as_bytes());
            return;
        }
        // Of a raw socket it is an IP protocol, and ss says so.
        if table == Table::Raw && !self.numeric {
            line.raw(b"ipproto-");
        }
        line.number(u64::from(port));
    }

    fn service(&self, table: Table, port: u32) -> Option<&str> {
        if self.numeric {
            return None;
        }
        if matches!(table, Table::Raw | Table::Ping) {
            return self.lookup.protocol(port);
        }
        let protocol = table.service_protocol()?;
        // The list of services has entries for ports that the kernel hands out, which would mislead.
        let fixed = !self.lookup.is_ephemeral(port);
        let port = u16::try_from(port).ok().filter(|_| fixed)?;
        self.lookup.service(port, protocol)
    }
}
