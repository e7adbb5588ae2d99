//! Names from this host: services, protocols, interfaces of a namespace, hosts by DNS.

use crate::{
    host::resolver::Whose,
    netns::Netns,
    probes::{names, resolve::Config},
    sockets::ports::{self, Services},
    views::sockets::names::Lookup,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use std::{cell::OnceCell, collections::HashMap, net::IpAddr, sync::Arc};

/// What names are looked up in: interfaces are those of `netns`, or of the namespace the thread stands in.
pub struct Host {
    netns: Option<Arc<Netns>>,
    services: OnceCell<Services>,
    protocols: OnceCell<HashMap<u32, String>>,
    ephemeral: OnceCell<(u32, u32)>,
    config: OnceCell<Config>,
}

impl Host {
    pub fn new(netns: Option<Arc<Netns>>) -> Self {
        Self {
            netns,
            services: OnceCell::new(),
            protocols: OnceCell::new(),
            ephemeral: OnceCell::new(),
            config: OnceCell::new(),
        }
    }

    /// Runs `work` with a socket of the namespace, as interfaces are asked for by ioctl.
    fn ask<T: Send>(
        &self,
        work: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<T> + Send,
    ) -> Option<T> {
        let inside = || {
            use std::os::fd::AsFd as _;
            let kind = (AddressFamily::UNIX, SocketType::DGRAM);
            let socket = socket_with(kind.0, kind.1, SocketFlags::CLOEXEC, None)?;
            work(socket.as_fd())
        };
        match &self.netns {
            Some(netns) => netns.run(inside).ok()?.ok(),
            None => inside().ok(),
        }
    }

    /// Where names come from: the hosts file and servers of the namespace, as `ip netns` keeps them.
    fn config(&self) -> &Config {
        self.config.get_or_init(|| {
            let netns = self.netns.as_deref();
            let name = netns.and_then(|netns| netns.name.as_deref());
            Config::read(&Whose::of(name, name, netns.and_then(|netns| netns.pid)))
        })
    }

    pub fn interface_index(&self, name: &str) -> Option<u32> {
        self.ask(|socket| netdevice::name_to_index(socket, name))
    }
}

impl Lookup for Host {
    fn service(&self, port: u16, protocol: &'static str) -> Option<&str> {
        let services = self.services.get_or_init(Services::read);
        services.name(port, protocol)
    }

    fn protocol(&self, number: u32) -> Option<&str> {
        let protocols = self.protocols.get_or_init(ports::protocols);
        protocols.get(&number).map(String::as_str)
    }

    fn is_ephemeral(&self, port: u32) -> bool {
        // One range serves: it decides about names only.
        let (low, high) = *self.ephemeral.get_or_init(ports::ephemeral);
        (low..=high).contains(&port)
    }

    fn interface(&self, index: u32) -> Option<String> {
        self.ask(|socket| netdevice::index_to_name(socket, index))
    }

    fn host(&self, ip: IpAddr) -> Option<String> {
        let config = self.config();
        let look = || names::of_address(config, ip);
        match &self.netns {
            Some(netns) => netns.run(look).ok()?,
            None => look(),
        }
    }
}
