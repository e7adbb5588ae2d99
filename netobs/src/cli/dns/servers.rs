//! Which servers are asked: those after `@`, else those of resolv.conf.

use super::{Dns, words::Words};
use crate::{
    cli::{Failure, Status, ask},
    probes::{
        dns::{Secure, Server, Via},
        resolve::{Config, resolve},
        tls,
    },
};
use rustls::pki_types::ServerName;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub fn chosen(args: &Dns, words: &Words, config: &Config) -> Result<Vec<Server>, Failure> {
    let usual = if words.tls { 853 } else { 53 };
    let port = args.port.unwrap_or(usual);
    let family = args.net.family();
    let mut found: Vec<(SocketAddr, Option<String>)> = Vec::new();
    for given in &words.servers {
        let (host, own_port) = ask::host_port(given).map_err(usage)?;
        let resolved = resolve(&host, family, config)
            .map_err(|error| Failure::new(ask::unresolved(&error), format!("server {error}")))?;
        let named = host.parse::<IpAddr>().is_err().then(|| host.clone());
        let addresses = resolved.addresses.iter();
        found.extend(addresses.map(|a| (a.at(own_port.unwrap_or(port)), named.clone())));
    }
    if words.servers.is_empty() {
        let ours = config.servers.iter().filter(|addr| family.takes(addr.ip()));
        found.extend(ours.map(|addr| {
            let mut addr = *addr;
            addr.set_port(port);
            (addr, None)
        }));
    }
    if found.is_empty() && args.root.is_empty() {
        return Err(usage(
            "no server of that family in resolv.conf: name one with @SERVER".to_owned(),
        ));
    }
    let via = |addr: SocketAddr, name: Option<&str>| -> Result<Via, Failure> {
        match (words.tls, words.tcp) {
            (true, _) => secure(args, addr, name),
            (false, true) => Ok(Via::Tcp),
            (false, false) => Ok(Via::Udp),
        }
    };
    let one = |(addr, name): (SocketAddr, Option<String>)| {
        Ok(Server {
            addr,
            via: via(addr, name.as_deref())?,
        })
    };
    found.into_iter().map(one).collect()
}

fn usage(text: String) -> Failure {
    Failure::new(Status::Usage, text)
}

/// Opportunistic unless told whom to trust or whom to expect, as dig.
fn secure(args: &Dns, addr: SocketAddr, host: Option<&str>) -> Result<Via, Failure> {
    let roots = match &args.ca {
        Some(file) => tls::Roots::file(file).map_err(|error| usage(error.to_string()))?,
        None => tls::Roots::platform(),
    };
    let name = match args.tls_name.as_deref().or(host) {
        Some(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|_| usage(format!("'{name}' is no name of a server")))?,
        None => ServerName::from(addr.ip()),
    };
    let strict = args.ca.is_some() || args.tls_name.is_some();
    let (config, recorder) = tls::client(&Arc::new(roots), &[b"dot".to_vec()], strict)?;
    Ok(Via::Tls(Arc::new(Secure {
        config: Arc::new(config),
        name,
        recorder,
    })))
}
