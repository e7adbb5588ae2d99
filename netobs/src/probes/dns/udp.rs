//! Questions over UDP: a socket of their own with a port of the kernel's choice, connected so that only the server is heard.

use super::{Asked, Ignored, Limits, Question, Reply, Trouble, exchange::over};
use crate::{
    clock,
    probes::{
        dial::Leave,
        refusal::{keep_errors, sender},
        stop,
    },
};
use hickory_proto::op::Message;
use nix::poll::PollFlags;
use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::AsFd as _,
    time::Instant,
};

/// No UDP datagram is larger.
const LARGEST: usize = 65_535;
/// QR and TC of the third byte of a header.
const QR: u8 = 0x80;
const TC: u8 = 0x02;

/// One question under way.
struct Waiting<'a> {
    question: &'a Question,
    id: u16,
    bytes: Vec<u8>,
    sent: Instant,
    ignored: Ignored,
    done: Option<Result<Asked, Trouble>>,
}

pub fn ask(
    server: SocketAddr,
    questions: &[Question],
    limits: &Limits,
) -> Vec<Result<Asked, Trouble>> {
    let fail = |error: &io::Error| {
        let trouble = Trouble::io(server, "udp", error, None);
        questions.iter().map(|_| Err(trouble.clone())).collect()
    };
    let socket = match open(server, &limits.leave) {
        Ok(socket) => socket,
        Err(error) => return fail(&error),
    };
    let mut waiting = match prepare(server, questions) {
        Ok(waiting) => waiting,
        Err(trouble) => return questions.iter().map(|_| Err(trouble.clone())).collect(),
    };
    let begun = clock::instant();
    for try_ in 1..=limits.tries.max(1) {
        if let Err(error) = round(&socket, server, &mut waiting, limits, try_) {
            // The server's own refusal of one datagram is the answer to all that wait.
            let trouble = if stop::is_stop(&error) {
                let waited = clock::instant().saturating_duration_since(begun);
                Trouble::Stopped { server, waited }
            } else {
                Trouble::io(server, "udp", &error, sender(&socket))
            };
            for one in waiting.iter_mut().filter(|one| one.done.is_none()) {
                one.done = Some(Err(trouble.clone()));
            }
        }
        if waiting.iter().all(|one| one.done.is_some()) {
            break;
        }
    }
    waiting
        .into_iter()
        .map(|one| {
            one.done.unwrap_or(Err(Trouble::Timeout {
                server,
                waited: limits.timeout * limits.tries.max(1),
                tries: limits.tries.max(1),
                ignored: one.ignored,
            }))
        })
        .collect()
}

fn open(server: SocketAddr, leave: &Leave) -> io::Result<UdpSocket> {
    let v4 = server.is_ipv4();
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM.nonblocking(), None)?;
    leave.apply(&socket, v4)?;
    keep_errors(&socket, v4, true);
    socket.connect(&server.into())?;
    Ok(socket.into())
}

fn prepare(server: SocketAddr, questions: &[Question]) -> Result<Vec<Waiting<'_>>, Trouble> {
    let now = clock::instant();
    let mut ids: Vec<u16> = Vec::new();
    let mut one = |question| {
        let why = |why: String| Trouble::Other { server, why };
        let mut id = random_id().map_err(|error| why(error.to_string()))?;
        while ids.contains(&id) {
            id = id.wrapping_add(1);
        }
        ids.push(id);
        Ok(Waiting {
            question,
            id,
            bytes: Question::encode(question, id).map_err(why)?,
            sent: now,
            ignored: Ignored::default(),
            done: None,
        })
    };
    questions.iter().map(&mut one).collect()
}

/// Not to be guessed by who cannot see the question.
pub fn random_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u16::from_ne_bytes(bytes))
}

/// Sends what is unanswered, then listens until all is answered or the time of this try is up.
fn round(
    socket: &UdpSocket,
    server: SocketAddr,
    waiting: &mut [Waiting<'_>],
    limits: &Limits,
    try_: u32,
) -> io::Result<()> {
    for one in waiting.iter_mut().filter(|one| one.done.is_none()) {
        one.sent = clock::instant();
        socket.send(&one.bytes)?;
    }
    let end = clock::instant() + limits.timeout;
    let mut buffer = vec![0; LARGEST];
    while waiting.iter().any(|one| one.done.is_none()) && !over(end) {
        let ready = stop::wait(socket.as_fd(), PollFlags::POLLIN, end);
        let size = match ready.and_then(|()| socket.recv(&mut buffer)) {
            Ok(size) => size,
            Err(error) if is_pause(&error) => continue,
            Err(error) => return Err(error),
        };
        take(&buffer[..size], server, waiting, try_);
    }
    Ok(())
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// Gives a datagram to the question that it answers, or counts why it is none.
fn take(bytes: &[u8], server: SocketAddr, waiting: &mut [Waiting<'_>], try_: u32) {
    let now = clock::instant();
    let id = bytes.first_chunk::<2>().map(|id| u16::from_be_bytes(*id));
    let place = waiting
        .iter()
        .position(|one| Some(one.id) == id)
        .or_else(|| waiting.iter().position(|one| one.done.is_none()));
    let Some(one) = place.map(|place| &mut waiting[place]) else {
        return;
    };
    if one.done.is_some() {
        return; // Answered before: a duplicate.
    }
    match read(bytes, one.id, one.question) {
        Ok(reply) => {
            one.done = Some(Ok(Asked {
                reply,
                server,
                over: "udp",
                time: now.saturating_duration_since(one.sent),
                connect: None,
                tls: None,
                ignored: std::mem::take(&mut one.ignored),
                was_truncated: false,
                tries: try_,
            }));
        }
        Err(Wrong::Id) => one.ignored.wrong_id += 1,
        Err(Wrong::Question) => one.ignored.wrong_question += 1,
        Err(Wrong::Malformed(why)) => {
            one.ignored.malformed += 1;
            one.ignored.why = Some(why);
        }
    }
}

/// Why a message is no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    Id,
    Question,
    Malformed(String),
}

/// A message as the answer to a question.
pub fn read(bytes: &[u8], id: u16, question: &Question) -> Result<Reply, Wrong> {
    let Some(header) = bytes.first_chunk::<12>() else {
        let why = format!("{} bytes are shorter than a header", bytes.len());
        return Err(Wrong::Malformed(why));
    };
    if u16::from_be_bytes([header[0], header[1]]) != id {
        return Err(Wrong::Id);
    }
    if header[2] & QR == 0 {
        return Err(Wrong::Malformed("a question, not an answer".to_owned()));
    }
    let message = match Message::from_vec(bytes) {
        Ok(message) => message,
        // Servers may cut in the middle of a record; what counts is that they say so.
        Err(_) if header[2] & TC != 0 => head_only(header)?,
        Err(error) => return Err(Wrong::Malformed(error.to_string())),
    };
    match message.queries.as_slice() {
        // REFUSED and FORMERR may come without the question.
        [] => {}
        [query] if question.is_asked_by(query) => {}
        _ => return Err(Wrong::Question),
    }
    Ok(Reply::new(&message, bytes.len()))
}

fn head_only(header: &[u8; 12]) -> Result<Message, Wrong> {
    let mut bytes = *header;
    bytes[4..].fill(0);
    Message::from_vec(&bytes).map_err(|error| Wrong::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::dns::question::name;
    use hickory_proto::rr::RecordType;

    fn question() -> Question {
        Question::new(name("a.example").unwrap(), RecordType::A)
    }

    /// An answer to [`question`] with id 7.
    fn answer() -> Vec<u8> {
        let mut bytes = question().encode(7).unwrap();
        bytes[2] |= QR;
        bytes
    }

    #[test]
    fn only_the_answer_is_taken() {
        assert!(read(&answer(), 7, &question()).is_ok());
        assert_eq!(read(&answer(), 8, &question()), Err(Wrong::Id));
        let mut other = question();
        other.kind = RecordType::MX;
        assert_eq!(read(&answer(), 7, &other), Err(Wrong::Question));
        let asked = question().encode(7).unwrap();
        assert!(matches!(
            read(&asked, 7, &question()),
            Err(Wrong::Malformed(_))
        ));
    }

    #[test]
    fn no_bytes_panic() {
        let whole = answer();
        for end in 0..whole.len() {
            assert!(read(&whole[..end], 7, &question()).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x3f, 0xc0, 0xff] {
                let mut bent = whole.clone();
                bent[at] = value;
                drop(read(&bent, 7, &question()));
            }
        }
    }

    #[test]
    fn cut_in_a_record_but_truncated() {
        let mut bytes = answer();
        bytes[2] |= TC;
        bytes[7] = 1; // One answer, which is not there.
        let reply = read(&bytes, 7, &question()).unwrap();
        assert!(reply.has("tc"));
    }
}
