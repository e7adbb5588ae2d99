//! Interfaces to capture from: by name, index or number of the list, and what their packets begin with.

use crate::{
    capture::link::LinkType,
    netlink::{
        links::{self, Link},
        socket::{Error, ROUTE, Socket},
    },
};

/// All interfaces together.
pub const ANY: &str = "any";

/// One that can be captured from.
#[derive(Clone, Debug)]
pub struct Device {
    pub name: String,
    /// None: all interfaces.
    pub index: Option<u32>,
    pub link: LinkType,
    /// As tcpdump lists it.
    pub flags: String,
    rank: u8,
}

/// Those of this namespace, in the order of tcpdump: what runs first, then `any`, loopback, and what is down.
pub fn all() -> Result<Vec<Device>, Error> {
    let mut socket = Socket::open(ROUTE)?;
    let mut devices: Vec<Device> = links::all(&mut socket)?.rows.iter().map(device).collect();
    devices.push(Device {
        name: ANY.to_owned(),
        index: None,
        link: LinkType::Sll2,
        flags: "(Pseudo-device that captures on all interfaces) [Up, Running]".to_owned(),
        rank: 1,
    });
    devices.sort_by_key(|device| (device.rank, device.index));
    Ok(devices)
}

fn device(link: &Link) -> Device {
    let has = |flag: &str| link.flags.iter().any(|known| known == flag);
    let up = link.admin == "up";
    let running = up && link.carrier != Some(false);
    let loopback = has("LOOPBACK");
    let mut words = Vec::new();
    for (word, is) in [("Up", up), ("Running", running), ("Loopback", loopback)] {
        if is {
            words.push(word);
        }
    }
    if words.is_empty() {
        words.push("none");
    }
    if !loopback {
        words.push(if running { "Connected" } else { "Disconnected" });
    }
    Device {
        name: link.ifname.clone(),
        index: Some(link.ifindex),
        link: link_type(&link.link_type),
        flags: format!("[{}]", words.join(", ")),
        rank: match (running, loopback) {
            (true, false) => 0,
            (_, true) => 2,
            (false, false) => 3,
        },
    }
}

/// What packets of a kind of device begin with. Devices of other kinds are captured without the header of their link.
fn link_type(kind: &str) -> LinkType {
    /// `ARPHRD_RAWIP`
    const RAW_IP: &str = "519";
    match kind {
        "ether" | "loopback" => LinkType::Ethernet,
        "none" | RAW_IP | "ipip" | "tunnel6" | "sit" => LinkType::Raw,
        _ => LinkType::Sll2,
    }
}

/// The one that is meant: by its name, or its number in the list.
pub fn find(devices: &[Device], wanted: &str) -> Option<Device> {
    let named = devices.iter().find(|device| device.name == wanted);
    let numbered = || {
        let number: usize = wanted.parse().ok()?;
        devices.get(number.checked_sub(1)?)
    };
    named.or_else(numbered).cloned()
}

/// What is taken when none is named: the first that runs.
pub fn default(devices: &[Device]) -> Option<Device> {
    devices.first().cloned()
}

/// The loopback device.
pub fn loopback(devices: &[Device]) -> Option<u32> {
    let found = devices.iter().find(|device| device.rank == 2);
    found.and_then(|device| device.index)
}
