//! Pairs, chains and small LANs of namespaces, joined by veth devices with IPv4 and IPv6 addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::netns::Netns;

/// Address of node `host` on network `net`: `10.77.net.host`.
pub const fn v4(net: u8, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 77, net, host))
}

/// Address of node `host` on network `net`: `fd00:77:net::host`.
pub const fn v6(net: u8, host: u8) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(
        0xfd00,
        0x77,
        net as u16,
        0,
        0,
        0,
        0,
        host as u16,
    ))
}

pub const A4: IpAddr = v4(1, 1);
pub const A6: IpAddr = v6(1, 1);

/// Two namespaces, `a` and `b`, each with `eth0`, on network 1.
pub struct Pair {
    pub a: Netns,
    pub b: Netns,
}

impl Pair {
    pub const B4: IpAddr = v4(1, 2);
    pub const B6: IpAddr = v6(1, 2);

    pub fn new() -> Result<Self> {
        let (a, b) = (Netns::new("a")?, Netns::new("b")?);
        veth(&a, "eth0", &b, "eth0")?;
        a.ip(&address("eth0", 1, 1))?;
        b.ip(&address("eth0", 1, 2))?;
        Ok(Self { a, b })
    }

    /// Both, for counters and filters.
    pub fn both(&self) -> [&Netns; 2] {
        [&self.a, &self.b]
    }
}

/// `a` (network 1) and `b` (network 2) with a router `r` between them: its `left` faces `a`, its `right` faces `b`.
pub struct Chain {
    pub a: Netns,
    pub r: Netns,
    pub b: Netns,
}

impl Chain {
    pub const R4: IpAddr = v4(1, 2);
    pub const R6: IpAddr = v6(1, 2);
    pub const B4: IpAddr = v4(2, 1);
    pub const B6: IpAddr = v6(2, 1);

    /// `mtu` is that of the far link, between router and `b`.
    pub fn new(mtu: u32) -> Result<Self> {
        let (a, r, b) = (Netns::new("a")?, Netns::new("r")?, Netns::new("b")?);
        r.sysctl("net/ipv4/ip_forward", "1")?;
        r.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        veth(&a, "eth0", &r, "left")?;
        veth(&r, "right", &b, "eth0")?;
        a.ip(&format!("{}{}", address("eth0", 1, 1), default_route(1, 2)))?;
        r.ip(&format!(
            "{}{}link set dev right mtu {mtu}\n",
            address("left", 1, 2),
            address("right", 2, 2)
        ))?;
        b.ip(&format!(
            "{}link set dev eth0 mtu {mtu}\n{}",
            address("eth0", 2, 1),
            default_route(2, 2)
        ))?;
        Ok(Self { a, r, b })
    }
}

/// Three hosts on one LAN (network 1), bridged in a fourth namespace: `a`, a router `r`, and `b`, behind which lies 10.77.9.0/24.
///
/// `a` sends for network 9 to `r`, which knows that `b` is the better first hop: a redirect.
pub struct Lan {
    pub a: Netns,
    pub r: Netns,
    pub b: Netns,
    _switch: Netns,
}

impl Lan {
    pub const R4: IpAddr = v4(1, 2);
    pub const B4: IpAddr = v4(1, 3);
    pub const FAR4: IpAddr = v4(9, 1);

    pub fn new() -> Result<Self> {
        let switch = Netns::new("switch")?;
        switch.ip("link add name br0 type bridge\nlink set dev br0 up\n")?;
        let join = |host: u8, name: &str| -> Result<Netns> {
            let ns = Netns::new(name)?;
            veth(&ns, "eth0", &switch, name)?;
            ns.ip(&address("eth0", 1, host))?;
            switch.ip(&format!("link set dev {name} master br0\n"))?;
            Ok(ns)
        };
        let (a, r, b) = (join(1, "a")?, join(2, "r")?, join(3, "b")?);
        r.sysctl("net/ipv4/ip_forward", "1")?;
        a.ip("route add 10.77.9.0/24 via 10.77.1.2\n")?;
        r.ip("route add 10.77.9.0/24 via 10.77.1.3\n")?;
        b.ip("addr add 10.77.9.1/32 dev lo\n")?;
        Ok(Self {
            a,
            r,
            b,
            _switch: switch,
        })
    }
}

fn veth(left: &Netns, left_name: &str, right: &Netns, right_name: &str) -> Result<()> {
    let peer = right.path();
    left.ip(&format!("link add name {left_name} type veth peer name {right_name} netns {peer}\nlink set dev {left_name} up\n"))?;
    right.ip(&format!("link set dev {right_name} up\n"))?;
    Ok(())
}

fn address(dev: &str, net: u8, host: u8) -> String {
    let (four, six) = (v4(net, host), v6(net, host));
    format!("addr add {four}/24 dev {dev}\naddr add {six}/64 dev {dev} nodad\n")
}

fn default_route(net: u8, router: u8) -> String {
    format!(
        "route add default via {}\nroute add ::/0 via {}\n",
        v4(net, router),
        v6(net, router)
    )
}
