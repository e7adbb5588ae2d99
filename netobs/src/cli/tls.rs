//! `netobs tls`: a handshake, its certificates, and what is wrong with them.

use super::{Failure, Status, ask};
use crate::{
    probes::{
        resolve::{Config, Resolved, resolve},
        stop,
        tls::{Broken, Roots, Wanted, shake},
    },
    views::ask::tls as view,
};
use clap::Args;
use rustls::pki_types::ServerName;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

#[derive(Args)]
pub struct Tls {
    /// Where to; without a port: 443
    #[arg(value_name = "HOST[:PORT]")]
    target: String,

    /// The port, when it does not follow the host
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    #[command(flatten)]
    net: ask::Net,

    #[command(flatten)]
    leaving: ask::Leaving,

    /// Trust the roots in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Name to send and to verify, instead of HOST
    #[arg(long, visible_alias = "servername", value_name = "NAME")]
    sni: Option<String>,

    /// Protocols to offer, in order; '' offers none
    #[arg(long, value_name = "LIST", default_value = "h2,http/1.1")]
    alpn: String,

    /// Print the certificates as PEM
    #[arg(long)]
    showcerts: bool,

    /// For the connection, and again for the handshake
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = ask::seconds)]
    timeout: Duration,
}

pub fn run(args: &Tls) -> Result<Status, Failure> {
    args.net.inside(|config| inside(args, &config))
}

fn inside(args: &Tls, config: &Config) -> Result<Status, Failure> {
    let usage = |text: String| Failure::new(Status::Usage, text);
    let (host, own_port) = ask::host_port(&args.target).map_err(usage)?;
    if own_port.is_some() && args.port.is_some() {
        return Err(usage("two ports given".to_owned()));
    }
    let port = own_port.or(args.port).unwrap_or(443);
    let roots = match &args.ca {
        Some(file) => Roots::file(file).map_err(|error| usage(error.to_string()))?,
        None => Roots::platform(),
    };
    let resolved = resolve(&host, args.net.family(), config)
        .map_err(|error| Failure::new(ask::unresolved(&error), error.to_string()))?;
    let addresses: Vec<SocketAddr> = resolved.addresses.iter().map(|a| a.at(port)).collect();
    let wanted = Wanted {
        name: name(args.sni.as_deref(), &host, addresses[0]).map_err(usage)?,
        sni: true,
        alpn: args
            .alpn
            .split(',')
            .filter(|p| !p.is_empty())
            .map(|p| p.as_bytes().to_vec())
            .collect(),
        roots: Arc::new(roots),
        timeout: args.timeout,
        leave: args.leaving.leave(),
    };
    ask(args, &resolved, &addresses, &wanted)
}

/// What the certificate must be for: a name, else the address.
fn name(sni: Option<&str>, host: &str, addr: SocketAddr) -> Result<ServerName<'static>, String> {
    let text = sni.unwrap_or(host).trim_end_matches('.');
    if sni.is_none() && crate::probes::resolve::is_address(host) {
        return Ok(ServerName::from(addr.ip()));
    }
    let ascii = url::Host::parse(text).map(|host| host.to_string());
    let ascii = ascii.unwrap_or_else(|_| text.to_owned());
    ServerName::try_from(ascii).map_err(|_| format!("'{text}' is no name of a server"))
}

/// The addresses in turn, until one takes the connection.
fn ask(
    args: &Tls,
    resolved: &Resolved,
    addresses: &[SocketAddr],
    wanted: &Wanted,
) -> Result<Status, Failure> {
    let mut out = ask::Out::new();
    let mut status = Status::No;
    for addr in addresses {
        let result = shake(*addr, wanted);
        if args.net.json {
            view::json(
                out.bytes(),
                resolved,
                *addr,
                wanted,
                &result,
                args.showcerts,
            );
        } else {
            out.text(&view::text(
                resolved,
                *addr,
                wanted,
                &result,
                args.showcerts,
            ));
        }
        match result {
            Ok(done) => {
                if done.faults.is_empty() {
                    status = Status::Done;
                }
                break;
            }
            // The next address may take the connection; a server that breaks TLS off is the answer.
            Err(Broken::Connect(refused)) if !refused.is_stop() => {}
            Err(_) => {
                if stop::asked() {
                    status = Status::Other;
                }
                break;
            }
        }
    }
    out.done()?;
    Ok(status)
}
