//! Link-local addresses: `fe80::1%eth0` leaves by the interface that it names.

use super::From;
use crate::{
    cli::{Failure, Status},
    probes::resolve::Address,
};
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

/// The interface of scoped addresses becomes that of all probes.
pub fn scoped(from: From, addresses: &[Address]) -> Result<From, Failure> {
    let mut from = from;
    for address in addresses.iter().filter(|address| address.scope != 0) {
        let name = name(address.scope)?;
        match &from.device {
            Some(device) if *device != name => {
                let text = format!(
                    "{}%{name} cannot be asked by interface {device}: ask it by itself",
                    address.ip
                );
                return Err(Failure::new(Status::Usage, text));
            }
            _ => from.device = Some(name),
        }
    }
    Ok(from)
}

fn name(index: u32) -> Result<String, Failure> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None);
    let name = any.and_then(|any| netdevice::index_to_name(any, index));
    name.map_err(|error| {
        let text = format!("find the name of interface {index}: {error}");
        Failure::new(Status::Other, text)
    })
}
