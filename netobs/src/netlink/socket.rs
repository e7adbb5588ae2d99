//! One blocking netlink socket: a request goes out, its answers come back one by one; errors say what was asked.

use super::attrs;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
    NetlinkBuffer,
};
use netlink_sys::{Socket as Raw, SocketAddr};
use std::{fmt, io};

pub const ROUTE: isize = 0;
pub const NETFILTER: isize = 12;
pub const GENERIC: isize = 16;

/// Room for any answer: the kernel fills at most 32 KiB of a dump at once.
const BUFFER: usize = 1 << 17;
/// How often a dump that changed under our hands is asked for again.
const RETRIES: u32 = 8;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLM_F_CAPPED: u16 = 0x100;
const NLMSGERR_ATTR_MSG: u16 = 1;
const HEADER: usize = 16;

/// The kernel refused, and what we had asked.
#[derive(Debug)]
pub struct Error {
    pub asked: &'static str,
    pub errno: io::Error,
    /// The kernel's own words, when it has some.
    pub words: Option<String>,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.asked, self.errno)?;
        if let Some(words) = &self.words {
            write!(f, " ({words})")?;
        }
        if self.is_refused() {
            write!(
                f,
                "; need CAP_NET_ADMIN in the network namespace: run as root"
            )?;
        }
        Ok(())
    }
}

impl Error {
    fn new(asked: &'static str, errno: io::Error) -> Self {
        Self {
            asked,
            errno,
            words: None,
        }
    }

    /// For want of a privilege.
    pub fn is_refused(&self) -> bool {
        self.errno.kind() == io::ErrorKind::PermissionDenied
    }

    /// The kernel has no such subsystem.
    pub fn is_unsupported(&self) -> bool {
        let known = [
            libc::EOPNOTSUPP,
            libc::EPROTONOSUPPORT,
            libc::EAFNOSUPPORT,
            libc::ENOENT,
            libc::EINVAL,
        ];
        self.errno
            .raw_os_error()
            .is_some_and(|errno| known.contains(&errno))
    }
}

/// A request under construction: header of the family, then attributes.
#[derive(Clone, Debug)]
pub struct Request {
    asked: &'static str,
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Request {
    /// All objects of a kind; `asked` names the request in errors.
    pub fn dump(asked: &'static str, kind: u16, header: &[u8]) -> Self {
        Self {
            flags: NLM_F_DUMP,
            ..Self::get(asked, kind, header)
        }
    }

    /// One object.
    pub fn get(asked: &'static str, kind: u16, header: &[u8]) -> Self {
        Self {
            asked,
            kind,
            flags: 0,
            body: header.to_vec(),
        }
    }

    #[must_use]
    pub fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        let len = u16::try_from(value.len() + 4).expect("attributes of requests are short");
        self.body.extend_from_slice(&len.to_ne_bytes());
        self.body.extend_from_slice(&kind.to_ne_bytes());
        self.body.extend_from_slice(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    /// `NLM_F_...` beyond those that every request has.
    #[must_use]
    pub fn flags(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    /// Header and attributes so far: attributes to nest.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut message = vec![0; HEADER];
        message.extend_from_slice(&self.body);
        // NLM_F_EXCL of other requests is one of its two bits.
        let ack = if self.flags & NLM_F_DUMP == NLM_F_DUMP {
            0
        } else {
            NLM_F_ACK
        };
        let mut header = NetlinkBuffer::new(&mut message);
        header.set_length(u32::try_from(HEADER + self.body.len()).expect("requests are short"));
        header.set_message_type(self.kind);
        header.set_flags(NLM_F_REQUEST | ack | self.flags);
        header.set_sequence_number(sequence);
        message
    }
}

/// What came back from a dump.
pub struct Dump<T> {
    pub rows: Vec<T>,
    /// The table kept changing while it was read: a row may be missing or stale.
    pub torn: bool,
}

/// A netlink socket in the network namespace of the thread that opened it.
pub struct Socket {
    raw: Raw,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    pub fn open(protocol: isize) -> Result<Self, Error> {
        let open = || -> io::Result<Raw> {
            let mut raw = Raw::new(protocol)?;
            raw.bind_auto()?;
            raw.connect(&SocketAddr::new(0, 0))?;
            Ok(raw)
        };
        let raw = open().map_err(|e| Error::new("open a netlink socket", e))?;
        // Words of the kernel are a luxury (4.12): without them an error is a number.
        drop(raw.set_ext_ack(true));
        Ok(Self {
            raw,
            sequence: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// All answers decoded; asked again when the table changed meanwhile.
    pub fn rows<T>(
        &mut self,
        request: &Request,
        mut decode: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Dump<T>, Error> {
        let mut rows = Vec::new();
        for _ in 0..RETRIES {
            rows.clear();
            let whole = self.each(request, |_, payload| rows.extend(decode(payload)))?;
            if whole {
                return Ok(Dump { rows, torn: false });
            }
        }
        Ok(Dump { rows, torn: true })
    }

    /// The answer to a request for one object.
    pub fn one(&mut self, request: &Request) -> Result<Option<Vec<u8>>, Error> {
        let mut answer = None;
        self.each(request, |_, payload| {
            answer.get_or_insert_with(|| payload.to_vec());
        })?;
        Ok(answer)
    }

    /// Hands each answer to `take`; false: the table changed while it was read.
    pub fn each(
        &mut self,
        request: &Request,
        mut take: impl FnMut(u16, &[u8]),
    ) -> Result<bool, Error> {
        let failed = |errno| Error::new(request.asked, errno);
        self.sequence += 1;
        self.raw
            .send(&request.encode(self.sequence), 0)
            .map_err(failed)?;
        let mut whole = true;
        loop {
            let received = self.raw.recv(&mut &mut self.buffer[..], libc::MSG_TRUNC);
            let len = match received {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            let Some(mut rest) = self.buffer.get(..len) else {
                return Err(failed(io::Error::other(format!(
                    "an answer of {len} bytes is too long"
                ))));
            };
            while let Ok(message) = NetlinkBuffer::new_checked(rest) {
                let length = (message.length() as usize).next_multiple_of(4).max(HEADER);
                if message.sequence_number() == self.sequence {
                    whole &= message.flags() & NLM_F_DUMP_INTR == 0;
                    match message.message_type() {
                        NLMSG_ERROR => return answered(request.asked, &message).map(|()| whole),
                        NLMSG_DONE => return finished(request.asked, &message).map(|()| whole),
                        NLMSG_NOOP => {}
                        kind => take(kind, message.payload()),
                    }
                }
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }
}

/// An acknowledgement is an error of number 0.
fn answered(asked: &'static str, message: &NetlinkBuffer<&[u8]>) -> Result<(), Error> {
    let payload = message.payload();
    let flags = message.flags();
    // After the number stands the request: its header alone when capped.
    let request = attrs::u32_at(payload, 4).map_or(HEADER, |len| len as usize);
    let at = 4 + if flags & NLM_F_CAPPED == 0 {
        request.next_multiple_of(4)
    } else {
        HEADER
    };
    let words = (flags & NLM_F_ACK_TLVS != 0).then(|| words(payload.get(at..).unwrap_or_default()));
    refusal(asked, payload, words.flatten())
}

/// The end of a dump carries its error too.
fn finished(asked: &'static str, message: &NetlinkBuffer<&[u8]>) -> Result<(), Error> {
    let payload = message.payload();
    refusal(asked, payload, words(payload.get(4..).unwrap_or_default()))
}

fn words(tlvs: &[u8]) -> Option<String> {
    attrs::find(tlvs, NLMSGERR_ATTR_MSG).map(attrs::Attr::text)
}

fn refusal(asked: &'static str, payload: &[u8], words: Option<String>) -> Result<(), Error> {
    let number = attrs::array(payload, 0).map_or(0, i32::from_ne_bytes);
    if number == 0 {
        return Ok(());
    }
    Err(Error {
        asked,
        errno: io::Error::from_raw_os_error(number.saturating_neg()),
        words,
    })
}
