//! Which ports: numbers, ranges and names of services.

use crate::{probes::net::Proto, sockets::ports::Services};

/// Ports in order, each once.
pub fn read(text: &str, proto: Proto, services: &Services) -> Result<Vec<u16>, String> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim) {
        if let Some(port) = services.port(part, proto.name()) {
            all.push(port);
            continue;
        }
        let (from, to) = match part.split_once('-') {
            Some(("", "")) => ("1", "65535"),
            Some((from, to)) => (from, to),
            None => (part, part),
        };
        let port = |text: &str| {
            let port = text.trim().parse::<u16>().ok().filter(|port| *port > 0);
            port.ok_or_else(|| {
                let name = proto.name();
                format!(
                    "'{text}' is no port from 1 to 65535, nor a {name} service of /etc/services"
                )
            })
        };
        let (from, to) = (port(from)?, port(to)?);
        if from > to {
            return Err(format!("'{part}' runs backwards: {to}-{from}"));
        }
        all.extend(from..=to);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_ranges_and_services() {
        let services = Services::parse("http 80/tcp www\nhttps 443/tcp\nnetbios-ns 137/udp\n");
        let ports = |text| read(text, Proto::Tcp, &services);
        assert_eq!(
            ports("80,22,8000-8002,80").unwrap(),
            [22, 80, 8000, 8001, 8002]
        );
        assert_eq!(ports("https,www").unwrap(), [80, 443]);
        assert_eq!(read("netbios-ns", Proto::Udp, &services).unwrap(), [137]);
        assert_eq!(ports("-").unwrap().len(), 65_535);
        for bad in ["0", "65536", "9-1", "", "gopher", "netbios-ns", "1-2-3"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
