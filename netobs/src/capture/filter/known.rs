//! Names for tests and fuzzing, which has this file as its own module, too.

use super::Names;
use std::net::IpAddr;

/// A few names of each kind.
pub struct Known;

impl Names for Known {
    fn port(&self, name: &str, protocol: &'static str) -> Option<u16> {
        match (name, protocol) {
            ("http", "tcp") => Some(80),
            ("domain", _) => Some(53),
            _ => None,
        }
    }

    fn protocol(&self, name: &str) -> Option<u8> {
        (name == "udp").then_some(17)
    }

    fn network(&self, name: &str) -> Option<u32> {
        (name == "loopback").then_some(127)
    }

    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        (name == "db").then_some([2, 0, 0, 0, 0, 1])
    }

    fn host(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        if name == "db" {
            return Ok(vec![
                [10, 0, 0, 1].into(),
                [10, 0, 0, 2].into(),
                [0xfd00, 0, 0, 0, 0, 0, 0, 1].into(),
            ]);
        }
        Err("no such name".to_owned())
    }
}
