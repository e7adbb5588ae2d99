//! A far end of our own making: it sees every packet on a link and answers with frames that no kernel would send.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use super::frame::{self, Mac, checksum};
use crate::netns::Netns;
use crate::topology::{v4, v6};
use crate::{sys, tap};

/// How often the thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);
const ETHERTYPE_IP: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// `a`, with 10.77.1.1 and a default route to 10.77.1.2, which is us; the same by IPv6.
pub struct Forger {
    pub a: Netns,
    _far: Netns,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A packet that came: its addresses, what is behind the IP header, and the whole.
pub struct Came<'a> {
    pub from: Ipv4Addr,
    pub to: Ipv4Addr,
    pub ttl: u8,
    pub proto: u8,
    pub whole: &'a [u8],
}

impl Came<'_> {
    pub fn behind(&self) -> &[u8] {
        &self.whole[20..]
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.behind()[at], self.behind()[at + 1]])
    }

    pub fn ports(&self) -> (u16, u16) {
        (self.word(0), self.word(2))
    }

    /// The TCP sequence number.
    pub fn seq(&self) -> u32 {
        u32::from(self.word(4)) << 16 | u32::from(self.word(6))
    }
}

/// One answer: who claims to send it, its protocol and bytes.
pub struct Answer {
    pub from: Ipv4Addr,
    /// Hop limit that is left when it comes in.
    pub ttl: u8,
    pub proto: u8,
    pub bytes: Vec<u8>,
}

impl Forger {
    /// `answer` is asked for every IPv4 packet that does not come from us.
    pub fn new(mut answer: impl FnMut(&Came<'_>) -> Vec<Answer> + Send + 'static) -> Result<Self> {
        Self::open(ETHERTYPE_IP, move |packet| {
            let Some(came) = came(packet) else {
                return Vec::new();
            };
            answer(&came)
                .iter()
                .map(|one| wrap(one, came.from))
                .collect()
        })
    }

    /// The same for IPv6, packets as they are.
    pub fn six(answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Result<Self> {
        Self::open(ETHERTYPE_IPV6, answer)
    }

    fn open(
        ethertype: u16,
        mut answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Result<Self> {
        let (a, far) = (Netns::new("a")?, Netns::new("far")?);
        let macs = link(&a, &far)?;
        let mut socket = far.run(|| {
            let protocol = i32::from(ethertype.to_be());
            let fd = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, protocol);
            fd.map(File::from).context("open a packet socket")
        })?;
        let index = far.run(|| Ok(sys::ifindex(c"eth0")?))?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let work = move || {
            let mut bytes = vec![0; 1 << 16];
            while !seen.load(Ordering::Relaxed) {
                let ready = tap::poll_readable([socket.as_fd(), socket.as_fd()], LOOK);
                if !ready.is_ok_and(|ready| ready[0]) {
                    continue;
                }
                let read = socket.read(&mut bytes).ok();
                let Some(packet) = read.and_then(|n| bytes.get(14..n)) else {
                    continue;
                };
                for one in answer(packet) {
                    let frame = [&macs.1[..], &macs.0, &ethertype.to_be_bytes(), &one].concat();
                    // The other end may have gone: the lab tells by what is missing.
                    drop(sys::send_frame(socket.as_fd(), index, &frame));
                }
            }
        };
        let thread = thread::Builder::new()
            .name("forger".to_owned())
            .spawn(work)?;
        Ok(Self {
            a,
            _far: far,
            stop,
            thread: Some(thread),
        })
    }
}

/// Joins both; hardware addresses of the far end and of `a`.
fn link(a: &Netns, far: &Netns) -> Result<(Mac, Mac)> {
    a.ip(&format!(
        "link add name eth0 type veth peer name eth0 netns {}\nlink set dev eth0 up\naddr add {}/24 dev eth0\naddr add {}/64 dev eth0 nodad\n",
        far.path(),
        v4(1, 1),
        v6(1, 1)
    ))?;
    far.ip("link set dev eth0 up\n")?;
    let macs = (frame::mac(far, "eth0")?, frame::mac(a, "eth0")?);
    let [b0, b1, b2, b3, b4, b5] = macs.0;
    let mac = format!("{b0:02x}:{b1:02x}:{b2:02x}:{b3:02x}:{b4:02x}:{b5:02x}");
    for (us, everything) in [(v4(1, 2), "0.0.0.0/0"), (v6(1, 2), "::/0")] {
        a.ip(&format!(
            "neigh add {us} lladdr {mac} dev eth0\nroute add {everything} via {us}\n"
        ))?;
    }
    Ok(macs)
}

impl Drop for Forger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the forger is told by the lab that misses its answers.
            drop(thread.join());
        }
    }
}

/// IPv4 without options.
fn came(whole: &[u8]) -> Option<Came<'_>> {
    let header = whole.first_chunk::<20>()?;
    let addr =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    (header[0] == 0x45 && len >= 28).then_some(Came {
        from: addr(12),
        to: addr(16),
        ttl: header[8],
        proto: header[9],
        whole: whole.get(..len)?,
    })
}

fn wrap(answer: &Answer, to: Ipv4Addr) -> Vec<u8> {
    let len = u16::try_from(20 + answer.bytes.len()).unwrap_or(u16::MAX);
    let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, answer.ttl, answer.proto, 0, 0];
    ip[2..4].copy_from_slice(&len.to_be_bytes());
    ip.extend(answer.from.octets());
    ip.extend(to.octets());
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    [ip, answer.bytes.clone()].concat()
}

/// An `ICMPv6` message in its packet.
pub fn icmp6(from: Ipv6Addr, to: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let len = u16::try_from(message.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let (from, to) = (from.octets(), to.octets());
    let sum = checksum(&[&from[..], &to, &[0, 0], &len, &[0, 0, 0, 58], &message].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    [&[0x60, 0, 0, 0][..], &len, &[58, 64], &from, &to, &message].concat()
}

/// An ICMP error about `quote`; its checksum is right.
pub fn error(from: Ipv4Addr, kind: u8, code: u8, quote: &[u8]) -> Answer {
    icmp(from, [&[kind, code, 0, 0, 0, 0, 0, 0], quote].concat())
}

/// The reply to an echo.
pub fn reply(came: &Came<'_>) -> Answer {
    let mut bytes = came.behind().to_vec();
    bytes[0] = 0;
    icmp(came.to, bytes)
}

fn icmp(from: Ipv4Addr, mut bytes: Vec<u8>) -> Answer {
    bytes[2..4].fill(0);
    let sum = checksum(&bytes).to_be_bytes();
    bytes[2..4].copy_from_slice(&sum);
    Answer {
        from,
        ttl: 64,
        proto: 1,
        bytes,
    }
}

pub const SYN_ACK: u8 = 0x12;
pub const RST_ACK: u8 = 0x14;

/// A TCP segment that acknowledges `ack`.
pub fn segment(came: &Came<'_>, flags: u8, ack: u32) -> Answer {
    let (source, target) = came.ports();
    let mut tcp = [target.to_be_bytes(), source.to_be_bytes()].concat();
    tcp.extend(7_u32.to_be_bytes());
    tcp.extend(ack.to_be_bytes());
    tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let pseudo = [
        &came.to.octets()[..],
        &came.from.octets(),
        &[0, 6, 0, 20],
        &tcp,
    ];
    let sum = checksum(&pseudo.concat()).to_be_bytes();
    tcp[16..18].copy_from_slice(&sum);
    Answer {
        from: came.to,
        ttl: 64,
        proto: 6,
        bytes: tcp,
    }
}

/// The same with a checksum that does not fit.
pub fn spoilt(mut answer: Answer) -> Answer {
    let at = if answer.proto == 6 { 16 } else { 2 };
    answer.bytes[at] ^= 0x5a;
    answer
}
