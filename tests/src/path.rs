//! A path of routers: `a`, some routers, a destination, each a namespace of its own.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;

use crate::delay::Delay;
use crate::netns::Netns;
use crate::topology::{v4, v6};

/// Network n lies between node n-1 (host 1) and node n (host 2). ICMP limits are off unless a lab sets them.
pub struct Path {
    nodes: Vec<Netns>,
    _delay: Option<Delay>,
}

impl Path {
    /// `hops` hops, the last one the destination.
    pub fn new(hops: u8) -> Result<Self> {
        Self::with_delay(hops, None)
    }

    /// With a first link that takes this long each way.
    pub fn with_delay(hops: u8, one_way: Option<Duration>) -> Result<Self> {
        let nodes: Vec<Netns> = (0..=hops)
            .map(|n| node(&format!("n{n}")))
            .collect::<Result<_>>()?;
        let mut delay = None;
        for n in 1..=hops {
            let (left, right) = (&nodes[usize::from(n) - 1], &nodes[usize::from(n)]);
            match one_way.filter(|_| n == 1) {
                Some(one_way) => {
                    delay = Some(Delay::link((left, "right"), (right, "left"), one_way)?);
                }
                None => veth(left, right)?,
            }
            left.ip(&address("right", n, 1))?;
            right.ip(&address("left", n, 2))?;
        }
        let path = Self {
            nodes,
            _delay: delay,
        };
        path.routes(hops)?;
        Ok(path)
    }

    fn routes(&self, hops: u8) -> Result<()> {
        for n in 0..=hops {
            let mut lines = String::new();
            if n < hops {
                let (four, six) = (v4(n + 1, 2), v6(n + 1, 2));
                lines = format!("route add default via {four}\nroute add ::/0 via {six}\n");
            }
            for net in 1..n {
                let (four, six) = (v4(n, 1), v6(n, 1));
                _ = writeln!(lines, "route add 10.77.{net}.0/24 via {four}");
                _ = writeln!(lines, "route add fd00:77:{net:x}::/64 via {six}");
            }
            self.node(n).ip(&lines)?;
        }
        Ok(())
    }

    /// Node 0 asks, node `hops` is the destination.
    pub fn node(&self, n: u8) -> &Netns {
        &self.nodes[usize::from(n)]
    }

    pub fn source(&self) -> &Netns {
        self.node(0)
    }

    pub fn destination(&self) -> &Netns {
        &self.nodes[self.nodes.len() - 1]
    }

    fn hops(&self) -> u8 {
        u8::try_from(self.nodes.len() - 1).unwrap_or(0)
    }

    /// Who answers at hop `n`.
    pub fn hop(n: u8, six: bool) -> IpAddr {
        if six { v6(n, 2) } else { v4(n, 2) }
    }

    pub fn target(&self, six: bool) -> IpAddr {
        Self::hop(self.hops(), six)
    }

    /// All hops in order.
    pub fn addresses(&self, six: bool) -> Vec<IpAddr> {
        (1..=self.hops()).map(|n| Self::hop(n, six)).collect()
    }
}

/// A namespace that forwards, and limits no ICMP.
pub fn node(name: &str) -> Result<Netns> {
    let ns = Netns::new(name)?;
    for (key, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv6/conf/all/forwarding", "1"),
        ("net/ipv4/icmp_ratelimit", "0"),
        ("net/ipv6/icmp/ratelimit", "0"),
    ] {
        ns.sysctl(key, value)?;
    }
    // Of each namespace only on newer kernels; elsewhere the machine's limit of 1,000 a second stands.
    drop(ns.sysctl("net/ipv4/icmp_msgs_per_sec", "100000"));
    drop(ns.sysctl("net/ipv4/icmp_msgs_burst", "10000"));
    Ok(ns)
}

/// `right` of one to `left` of the other.
fn veth(left: &Netns, right: &Netns) -> Result<()> {
    join(left, "right", right, "left")
}

/// A veth pair between two namespaces, both ends up.
pub fn join(left: &Netns, left_name: &str, right: &Netns, right_name: &str) -> Result<()> {
    let peer = right.path();
    left.ip(&format!(
        "link add name {left_name} type veth peer name {right_name} netns {peer}\nlink set dev {left_name} up\n"
    ))?;
    right.ip(&format!("link set dev {right_name} up\n"))?;
    Ok(())
}

/// Both addresses of a host on a network.
pub fn address(dev: &str, net: u8, host: u8) -> String {
    let (four, six) = (v4(net, host), v6(net, host));
    // Without a link-local address a router cannot ask for the neighbour of a packet it forwards.
    format!(
        "addr add {four}/24 dev {dev}\naddr add {six}/64 dev {dev} nodad\naddr add fe80::{host:x}/64 dev {dev} nodad\n"
    )
}
