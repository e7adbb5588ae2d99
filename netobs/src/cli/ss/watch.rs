//! `--watch`: looks at intervals; what is new, changed or gone since the last, with rates.

use super::{End, args::Ss, listing::Listing, output::Output, request::Request};
use crate::{
    cli::Status,
    clock,
    event::Mono,
    fields::Fields,
    line::Line,
    socket::{End as SocketEnd, Row, State, Table},
    views::sockets::{Change, Shown},
    wall::Wall,
};
use std::{collections::HashMap, time::Duration};

/// Sockets that are remembered; of more, changes are not told.
const MOST: usize = 500_000;

/// What a socket was like at the last look.
struct Seen {
    look: u64,
    table: Table,
    state: State,
    local: SocketEnd,
    remote: SocketEnd,
    recvq: u32,
    sendq: u32,
    tx_bytes: u64,
    rx_bytes: u64,
    retrans: u32,
}

impl Seen {
    fn new(row: &Row, look: u64) -> Self {
        let tcp = row.tcp.as_ref();
        Self {
            look,
            table: row.table,
            state: row.state,
            local: row.local,
            remote: row.remote,
            recvq: row.recvq,
            sendq: row.sendq,
            tx_bytes: tcp.map_or(0, |tcp| tcp.bytes_sent),
            rx_bytes: tcp.map_or(0, |tcp| tcp.bytes_received),
            retrans: tcp.map_or(0, |tcp| tcp.total_retrans),
        }
    }

    /// `None`: nothing worth telling.
    fn change(&self, old: &Self, seconds: f64, has_bytes: bool) -> Option<Change> {
        let change = Change {
            new: false,
            tx_rate: has_bytes.then(|| rate(self.tx_bytes, old.tx_bytes, seconds)),
            rx_rate: has_bytes.then(|| rate(self.rx_bytes, old.rx_bytes, seconds)),
            retrans: has_bytes.then(|| self.retrans.saturating_sub(old.retrans)),
            old_state: (self.state != old.state).then_some(old.state),
            recvq: i64::from(self.recvq) - i64::from(old.recvq),
            sendq: i64::from(self.sendq) - i64::from(old.sendq),
        };
        let moved = |rate: Option<f64>| rate.is_some_and(|rate| rate > 0.0);
        let told = moved(change.tx_rate)
            || moved(change.rx_rate)
            || change.retrans.is_some_and(|n| n > 0)
            || change.old_state.is_some()
            || change.recvq != 0
            || change.sendq != 0;
        told.then_some(change)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is no count")]
fn rate(now: u64, before: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        now.saturating_sub(before) as f64 / seconds
    } else {
        0.0
    }
}

pub fn run(args: &Ss, request: &Request, every: Duration) -> Result<Status, End> {
    let mut listing = Listing::new(args, request)?;
    let mut memory: HashMap<u64, Seen> = HashMap::new();
    let mut last = clock::mono();
    for look in 0.. {
        let now = clock::mono();
        let seconds = Duration::from_nanos(now.0 - last.0).as_secs_f64();
        last = now;
        if look > 0 {
            listing.output.restart(&heading());
        }
        let mut unchanged = 0u64;
        let told = listing.look(&mut |shown, output, names| {
            let seen = Seen::new(shown.row, look);
            let key = key(shown.row);
            let has_bytes = shown.row.tcp.is_some();
            let change = match memory.get(&key) {
                Some(old) => seen.change(old, seconds, has_bytes),
                None => Some(Change {
                    new: look > 0,
                    ..Change::default()
                }),
            };
            if memory.len() < MOST || memory.contains_key(&key) {
                memory.insert(key, seen);
            }
            match change {
                Some(change) if look > 0 => output.row(
                    &Shown {
                        change: Some(&change),
                        ..*shown
                    },
                    names,
                ),
                None if look > 0 => {
                    unchanged += 1;
                    Ok(())
                }
                _ => output.row(shown, names),
            }
        })?;
        listing.output.finish()?;
        let gone = gone(&mut memory, look, &mut listing.output);
        if look == 0 {
            listing.remarks(&told);
        } else if !args.json {
            let text = format!("{gone} gone, {unchanged} unchanged\n");
            listing.output.aside(text.as_bytes());
        }
        listing.output.finish()?;
        if args.count.is_some_and(|count| look + 1 >= count) {
            return Ok(Status::Done);
        }
        sleep_until(Mono(
            now.0 + u64::try_from(every.as_nanos()).unwrap_or(u64::MAX / 2),
        ));
    }
    Ok(Status::Done)
}

/// The time of a look; on a terminal it begins at the top.
fn heading() -> String {
    let clear = if rustix::termios::isatty(rustix::stdio::stdout()) {
        "\x1b[H\x1b[2J"
    } else {
        "\n"
    };
    let mut clock = crate::views::time::Clock::new(Wall::start(), jiff::tz::TimeZone::system());
    let mut time = Vec::new();
    clock.push_local(&mut time, clock::mono());
    format!("{clear}{}\n", String::from_utf8_lossy(&time))
}

fn sleep_until(until: Mono) {
    let now = clock::mono();
    if until > now {
        std::thread::sleep(Duration::from_nanos(until.0 - now.0));
    }
}

/// The cookie, which lives as long as the socket; its address where a source tells no cookie.
fn key(row: &Row) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (row.netns, row.table, row.cookie).hash(&mut hasher);
    if row.cookie.is_none() {
        (row.sk, row.inode, row.local, row.remote).hash(&mut hasher);
    }
    hasher.finish()
}

/// Tells and forgets what this look did not see.
fn gone(memory: &mut HashMap<u64, Seen>, look: u64, output: &mut Output) -> u64 {
    let mut count = 0;
    let json = output.is_json();
    let ts = output.ts().to_vec();
    memory.retain(|_, seen| {
        let there = seen.look == look;
        if !there {
            count += 1;
            output.aside(&if json {
                gone_json(seen, &ts)
            } else {
                gone_text(seen)
            });
        }
        there
    });
    count
}

fn gone_text(seen: &Seen) -> Vec<u8> {
    let mut line = Line::default();
    line.begin();
    line.raw(b"gone ")
        .raw(seen.table.name().as_bytes())
        .raw(b" ");
    line.raw(seen.state.name_in(seen.table).as_bytes());
    for end in [&seen.local, &seen.remote] {
        line.raw(b" ");
        if end.ip.is_ipv6() {
            line.raw(b"[").ip(end.ip).raw(b"]");
        } else {
            line.ip(end.ip);
        }
        line.raw(b":").number(u64::from(end.port));
    }
    line.end();
    line.as_bytes().to_vec()
}

fn gone_json(seen: &Seen, ts: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut fields = Fields::begin(&mut out);
    fields.bytes("ts", ts);
    fields.str("event", "socket-gone");
    fields.str("proto", seen.table.name());
    fields.str("state", seen.state.name_in(seen.table));
    fields.ip("laddr", seen.local.ip);
    fields.num("lport", u64::from(seen.local.port));
    fields.ip("raddr", seen.remote.ip);
    fields.num("rport", u64::from(seen.remote.port));
    fields.end();
    out
}
