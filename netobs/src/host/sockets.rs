//! Limits that are met by sockets: ephemeral ports by destination, queues of listeners.

use super::{
    limits::{Limit, SHOWN},
    number, numbers, proc_file,
};
use crate::socket::{End, Row, State};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

/// Ports in use and listeners, gathered from one walk over the sockets.
#[derive(Default)]
pub struct Sockets {
    /// Ephemeral ports taken, by local address and destination.
    to: HashMap<(IpAddr, SocketAddr), u64>,
    listeners: Vec<Listener>,
    syn_recv: u64,
    range: Option<(u16, u16)>,
}

#[derive(Clone, Copy)]
struct Listener {
    local: SocketAddr,
    /// Connections that wait to be accepted, and how many may.
    used: u64,
    allowed: Option<u64>,
}

impl Sockets {
    pub fn new() -> Self {
        let range = match numbers("sys/net/ipv4/ip_local_port_range")[..] {
            [low, high] => u16::try_from(low).ok().zip(u16::try_from(high).ok()),
            _ => None,
        };
        Self {
            range,
            ..Self::default()
        }
    }

    /// A TCP socket.
    pub fn take(&mut self, row: &Row) {
        let (Some(local), Some(remote)) = (address(&row.local), address(&row.remote)) else {
            return;
        };
        let ephemeral = |port| {
            self.range
                .is_some_and(|(low, high)| (low..=high).contains(&port))
        };
        if let Some((used, allowed)) = row.backlog() {
            self.listeners.push(Listener {
                local,
                used: used.into(),
                allowed: allowed.map(u64::from),
            });
        } else if row.state == State::SYN_RECV {
            self.syn_recv += 1;
        } else if ephemeral(local.port()) {
            *self.to.entry((local.ip(), remote)).or_default() += 1;
        }
    }

    /// Ports that a connection may choose from: the range without what is reserved.
    fn ports(&self) -> Option<u64> {
        let (low, high) = self.range?;
        let reserved = proc_file("sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
        let reserved: u64 = reserved
            .trim()
            .split(',')
            .filter_map(|part| {
                let (from, to) = part.split_once('-').unwrap_or((part, part));
                let from: u16 = from.parse().ok()?;
                let to: u16 = to.parse().ok()?;
                let (from, to) = (from.max(low), to.min(high));
                (from <= to).then(|| u64::from(to - from) + 1)
            })
            .sum();
        Some((u64::from(high.saturating_sub(low)) + 1).saturating_sub(reserved))
    }

    pub fn limits(&self) -> Vec<Limit> {
        const RANGE: &str = "net.ipv4.ip_local_port_range";
        let ports = self.ports();
        let mut limits = Vec::new();
        let mut to: Vec<(&(IpAddr, SocketAddr), &u64)> = self.to.iter().collect();
        to.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for ((from, to), used) in to.iter().take(SHOWN) {
            limits.push(Limit::new(
                "ephemeral ports",
                format!("{from} -> {to}"),
                Some(**used),
                ports,
                RANGE,
            ));
        }
        if to.is_empty() {
            limits.push(Limit::new(
                "ephemeral ports",
                "each destination",
                Some(0),
                ports,
                RANGE,
            ));
        }
        let mut listeners = self.listeners.clone();
        listeners.sort_by_key(|l| (l.used * 1000).checked_div(l.allowed.unwrap_or(0)));
        for listener in listeners.iter().rev().take(SHOWN) {
            limits.push(Limit::new(
                "listen backlog",
                listener.local.to_string(),
                Some(listener.used),
                listener.allowed,
                "listen(2), capped by somaxconn",
            ));
        }
        let backlog = number("sys/net/ipv4/tcp_max_syn_backlog");
        limits.push(Limit::new(
            "syn backlog",
            "namespace",
            Some(self.syn_recv),
            backlog,
            "net.ipv4.tcp_max_syn_backlog",
        ));
        limits
    }
}

/// As people call it: an IPv4 address that an IPv6 socket talks to is one.
fn address(end: &End) -> Option<SocketAddr> {
    let port = u16::try_from(end.port).ok()?;
    Some(SocketAddr::new(end.ip.to_canonical(), port))
}
