//! One well-formed question for each well-known UDP service, so that who serves the port answers: silence may be anything.
//!
//! Some bytes of each may be anything (identifiers, cookies, names nobody has): they make the checksum what the probe is known by.

/// What a service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub bytes: Vec<u8>,
    pub free: Free,
}

/// Where bytes may be anything; at an even place, as checksums add up words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// Two bytes.
    Word(usize),
    /// [`LETTERS`] letters.
    Letters(usize),
}

/// Eleven words, whose each byte may grow from A to Z: by 255 at least, together.
pub const LETTERS: usize = 22;

/// RFC 1035: the SOA of the root, whose answer is short.
const DNS: &[u8] = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\0\0\x06\0\x01";
/// RFC 6763 9: which services there are; the answer is wanted by unicast (RFC 6762 5.4).
const MDNS: &[u8] =
    b"\0\0\0\0\0\x01\0\0\0\0\0\0\x09_services\x07_dns-sd\x04_udp\x05local\0\0\x0c\x80\x01";
/// RFC 1002 4.2.17: the names of whoever it is.
const NETBIOS: &[u8] =
    b"\0\0\0\0\0\x01\0\0\0\0\0\0\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01";
/// RFC 3414 4: who speaks; every agent of version 3 answers, whatever the credentials.
const SNMP3: &[u8] =
    b"\x30\x3e\x02\x01\x03\x30\x11\x02\x04\x4e\0\0\x01\x02\x03\0\xff\xe3\x04\x01\x04\x02\x01\x03\
    \x04\x10\x30\x0e\x04\0\x02\x01\0\x02\x01\0\x04\0\x04\0\x04\0\
    \x30\x14\x04\0\x04\0\xa0\x0e\x02\x04\x4e\0\0\x01\x02\x01\0\x02\x01\0\x30\0";
/// RFC 1157: sysDescr.0 of the community that most have.
const SNMP1: &[u8] =
    b"\x30\x29\x02\x01\0\x04\x06public\xa0\x1c\x02\x04\x4e\0\0\x01\x02\x01\0\x02\x01\0\
    \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\0\x05\0";
/// RFC 4511 over UDP: the attributes of the root.
const CLDAP: &[u8] =
    b"\x30\x28\x02\x04\x4e\x01\0\0\x63\x20\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\
    \x87\x0bobjectClass\x30\0";
/// RFC 8489: how we are seen.
const STUN: &[u8] = b"\0\x01\0\0\x21\x12\xa4\x42netobsnetobs";
/// RFC 7252, RFC 6690: which resources there are.
const COAP: &[u8] = b"\x40\x01\0\0\xbb.well-known\x04core";
/// A frame header, and the shortest command.
const MEMCACHED: &[u8] = b"\0\0\0\0\0\x01\0\0version\r\n";
/// 3GPP TS 29.281 7.2.1: an echo.
const GTP: &[u8] = b"\x32\x01\0\x04\0\0\0\0\0\0\0\0";
/// A client's hard reset, version 2.
const OPENVPN: &[u8] = b"\x38netobsnt\0\0\0\0\0";
/// BEP 5: a ping of the distributed hash table.
const DHT: &[u8] = b"d1:ad2:id20:netobsnetobsnetobsnee1:q4:ping1:t2:no1:y1:qe";

/// The `nth` question (from 0) to whoever usually serves `port`: another try asks another way where there are two.
pub fn question(port: u16, nth: u8) -> Option<Question> {
    Some(match port {
        53 => word(DNS, 0),
        69 => letters(b"\0\x01", b"\0octet\0"),
        111 => word(&rpc(100_000, 2), 2),
        123 => word(&ntp(), 40),
        137 => word(NETBIOS, 0),
        161 if nth.is_multiple_of(2) => word(SNMP3, 10),
        161 => word(SNMP1, 18),
        389 => word(CLDAP, 6),
        443 | 784 | 853 | 4433 | 8443 => word(&quic(), 6),
        500 => word(&ike(false), 0),
        1194 => word(OPENVPN, 2),
        1900 => letters(SSDP.0, SSDP.1),
        2049 => word(&rpc(100_003, 3), 2),
        2123 | 2152 => word(GTP, 8),
        3478 => word(STUN, 8),
        4500 => word(&ike(true), 4),
        5060 => letters(SIP.0, SIP.1),
        5353 => word(MDNS, 0),
        5683 => word(COAP, 2),
        6881 => word(DHT, 12),
        11_211 => word(MEMCACHED, 0),
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Question {
    Question {
        bytes: bytes.to_vec(),
        free: Free::Word(at),
    }
}

/// Letters between two texts; one more where they would begin at an odd place.
fn letters(before: &[u8], after: &[u8]) -> Question {
    let at = before.len().next_multiple_of(2);
    let mut bytes = before.to_vec();
    bytes.resize(at + LETTERS, b'A');
    bytes.extend_from_slice(after);
    Question {
        bytes,
        free: Free::Letters(at),
    }
}

/// `UPnP` Device Architecture 1.3.3: one answer per device.
const SSDP: (&[u8], &[u8]) = (
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: upnp:rootdevice\r\nUSER-AGENT: netobs/",
    b" UPnP/1.1\r\n\r\n",
);

/// RFC 3261 11; the answer goes to the port that asked (RFC 3581).
const SIP: (&[u8], &[u8]) = (
    b"OPTIONS sip:netobs@invalid SIP/2.0\r\nVia: SIP/2.0/UDP invalid;rport;branch=z9hG4bK",
    b"\r\nMax-Forwards: 70\r\nFrom: <sip:netobs@invalid>;tag=netobs\r\nTo: <sip:netobs@invalid>\r\n\
      Call-ID: netobs@invalid\r\nCSeq: 1 OPTIONS\r\nContact: <sip:netobs@invalid>\r\nContent-Length: 0\r\n\r\n",
);

/// RFC 5905: a client of version 4; its time is what it wants to be told again.
fn ntp() -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[0] = 4 << 3 | 3;
    bytes
}

/// RFC 5531: procedure 0 of a program, which does nothing.
fn rpc(program: u32, version: u32) -> Vec<u8> {
    let words = [0, 0, 2, program, version, 0, 0, 0, 0, 0];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// RFC 9000 6: a version that nobody has, upon which a server names its own; shorter ones it may ignore.
fn quic() -> Vec<u8> {
    let mut bytes = b"\xc0\x0a\x1a\x2a\x3a\x08netobsid\x08netobsme".to_vec();
    bytes.resize(1200, 0);
    bytes
}

/// RFC 7296 1.2: the first message of `IKE_SA_INIT`; over port 4500 behind a marker (RFC 3948 2.2).
fn ike(marked: bool) -> Vec<u8> {
    let mut bytes = vec![0; if marked { 4 } else { 0 }];
    bytes.extend_from_slice(b"\0\0netobs\0\0\0\0\0\0\0\0\x21\x20\x22\x08\0\0\0\0\0\0\0\x98");
    // One proposal: AES-CBC-256, HMAC-SHA2-256 twice, curve 25519.
    bytes.extend_from_slice(b"\x22\0\0\x30\0\0\0\x2c\x01\x01\0\x04");
    bytes.extend_from_slice(b"\x03\0\0\x0c\x01\0\0\x0c\x80\x0e\x01\0");
    bytes.extend_from_slice(
        b"\x03\0\0\x08\x02\0\0\x05\x03\0\0\x08\x03\0\0\x0c\0\0\0\x08\x04\0\0\x1f",
    );
    bytes.extend_from_slice(b"\x28\0\0\x28\0\x1f\0\0");
    bytes.extend_from_slice(&[9; 32]);
    bytes.extend_from_slice(b"\0\0\0\x24");
    bytes.extend_from_slice(&[7; 32]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_bytes_lie_at_even_places_inside() {
        let mut count = 0;
        for port in 0..=u16::MAX {
            for nth in 0..2 {
                let Some(question) = question(port, nth) else {
                    continue;
                };
                count += 1;
                let (at, len) = match question.free {
                    Free::Word(at) => (at, 2),
                    Free::Letters(at) => (at, LETTERS),
                };
                assert!(at % 2 == 0 && at + len <= question.bytes.len(), "{port}");
            }
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn lengths_are_those_that_the_messages_name() {
        assert_eq!(SNMP3.len(), 2 + 0x3e);
        assert_eq!(SNMP1.len(), 2 + 0x29);
        assert_eq!(CLDAP.len(), 2 + 0x28);
        assert_eq!(ike(false).len(), 0x98);
        assert_eq!(STUN.len(), 20);
        assert_eq!(OPENVPN.len(), 14);
        assert_eq!(DHT.len(), 56);
    }

    /// By the parsers of others.
    #[test]
    fn dns_is_dns() {
        use hickory_proto::op::Message;
        for (bytes, name) in [(DNS, "."), (MDNS, "_services._dns-sd._udp.local.")] {
            let message = Message::from_vec(bytes).unwrap();
            assert_eq!(message.queries[0].name().to_string(), name);
        }
    }
}
