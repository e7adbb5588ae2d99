//! `netobs show route`: the tables, and `get`: the one route that a packet would take.

use super::{
    Failure, Status,
    output::{Output, refused},
};
use crate::netlink::links::LinkNames;
use crate::{
    names::errno_name,
    netlink::{
        links,
        route_get::{self, Question},
        routes::{self, Context},
        socket::{Error, ROUTE, Socket},
    },
    sinks::stream::tell,
    views::{show::Row, table::escape},
};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::net::IpAddr;

#[derive(Args)]
pub struct Route {
    #[command(subcommand)]
    command: Option<Command>,

    /// Only this table: a name or a number
    #[arg(long)]
    table: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// The route that a packet to ADDR would take
    #[command(
        override_usage = "netobs show route get ADDR [from A] [dev IF] [iif IF] [mark M] [uid U]"
    )]
    Get {
        #[arg(
            required = true,
            value_name = "ADDR [from A] [dev IF] [iif IF] [mark M] [uid U]"
        )]
        words: Vec<String>,
    },
}

pub fn run(args: &Route, output: &mut Output) -> Result<Status, Failure> {
    let mut socket = Socket::open(ROUTE).map_err(refused)?;
    let links = links::names(&mut socket).map_err(refused)?;
    if let Some(Command::Get { words }) = &args.command {
        let question = parse(words, &links).map_err(|why| Failure::new(Status::Usage, why))?;
        return get(&mut socket, &question, &links, output);
    }
    let mut dump = routes::all(&mut socket, &links).map_err(refused)?;
    if let Some(table) = &args.table {
        dump.rows
            .retain(|route| route.table == *table || route.table_id.to_string() == *table);
    }
    output.dump(&dump)
}

fn get(
    socket: &mut Socket,
    question: &Question,
    links: &LinkNames,
    output: &mut Output,
) -> Result<Status, Failure> {
    match route_get::ask(socket, question, &Context::new(links)) {
        Ok(Some(route)) => {
            output.rows(&[route])?;
            Ok(Status::Done)
        }
        Ok(None) => Err(Failure::new(
            Status::Other,
            format!(
                "ask for the route to {}: the kernel sent no answer",
                question.to
            ),
        )),
        Err(error) => no_route(question, error, output),
    }
}

/// The kernel's refusal is an answer, unless it is about our question.
fn no_route(question: &Question, error: Error, output: &mut Output) -> Result<Status, Failure> {
    let answers = [
        libc::ENETUNREACH,
        libc::EHOSTUNREACH,
        libc::EACCES,
        libc::EAGAIN,
    ];
    let errno = error.errno.raw_os_error().unwrap_or(0);
    // IPv4 answers EINVAL for a blackhole; about a bad question it has words (4.12).
    let blackhole = errno == libc::EINVAL && error.words.is_none();
    if !answers.contains(&errno) && !blackhole {
        return Err(refused(error));
    }
    let what = match errno {
        libc::EINVAL => "blackhole",
        libc::EACCES => "prohibited",
        libc::EHOSTUNREACH => "unreachable",
        libc::EAGAIN => "no table has an answer",
        _ => "no route",
    };
    let answer = NoRoute {
        dst: question.to,
        what,
        errno: errno_name(errno.unsigned_abs()),
    };
    if output.json {
        output.row(&answer)?;
        output.flush()?;
    } else {
        tell(&format!(
            "netobs: {}: {what} ({})",
            answer.dst, answer.errno
        ));
    }
    Ok(Status::No)
}

/// `show route get` when there is none.
#[derive(Serialize)]
struct NoRoute {
    dst: IpAddr,
    what: &'static str,
    errno: &'static str,
}

impl Row for NoRoute {
    const KIND: &'static str = "no-route";
    const HEAD: &'static [&'static str] = &["DESTINATION", "ANSWER", "ERRNO"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.dst.to_string(),
            self.what.to_owned(),
            self.errno.to_owned(),
        ]
    }
}

/// `ADDR [from A] [dev IF] [mark M]`, as `ip route get` takes it.
fn parse(words: &[String], links: &LinkNames) -> Result<Question, String> {
    let mut words = words.iter().map(String::as_str);
    let address = |word: Option<&str>, what: &str| -> Result<IpAddr, String> {
        let word = word.ok_or_else(|| format!("route get: an address must follow '{what}'"))?;
        word.parse().map_err(|_| {
            format!(
                "route get: '{}' is no address; expected e.g. 10.0.0.1 or fd00::1",
                escape(word)
            )
        })
    };
    let mut first = words.next();
    if first == Some("to") {
        first = words.next();
    }
    let mut question = Question {
        to: address(first, "get")?,
        from: None,
        oif: None,
        iif: None,
        mark: None,
        uid: None,
    };
    while let Some(key) = words.next() {
        match key {
            "from" => question.from = Some(address(words.next(), key)?),
            "dev" | "oif" => question.oif = Some(index(words.next(), key, links)?),
            "iif" => question.iif = Some(index(words.next(), key, links)?),
            "mark" => question.mark = Some(number(words.next(), key)?),
            "uid" => question.uid = Some(number(words.next(), key)?),
            other => {
                return Err(format!(
                    "route get: '{}' is unknown; expected from, dev, iif, mark or uid",
                    escape(other)
                ));
            }
        }
    }
    Ok(question)
}

fn index(word: Option<&str>, key: &str, links: &LinkNames) -> Result<u32, String> {
    let word = word.ok_or_else(|| format!("route get: an interface must follow '{key}'"))?;
    let known = links.iter().find(|(_, name)| name.as_str() == word);
    known.map(|(index, _)| *index).ok_or_else(|| {
        format!(
            "route get: no interface '{}' here; netobs show link lists them",
            escape(word)
        )
    })
}

fn number(word: Option<&str>, key: &str) -> Result<u32, String> {
    let word = word.ok_or_else(|| format!("route get: a number must follow '{key}'"))?;
    let parsed = match word.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => word.parse(),
    };
    parsed.map_err(|_| format!("route get: '{}' is no number for '{key}'", escape(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Question, String> {
        let links = LinkNames::from([(7, "eth0".to_owned())]);
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        parse(&words, &links)
    }

    #[test]
    fn words_as_ip_takes_them() {
        let question = parsed("10.0.0.1 from 10.0.0.2 dev eth0 mark 0x10").unwrap();
        assert_eq!(question.from, Some("10.0.0.2".parse().unwrap()));
        assert_eq!((question.oif, question.mark), (Some(7), Some(16)));
        assert_eq!(
            parsed("to fd00::1").unwrap().to,
            "fd00::1".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn errors_name_the_word() {
        for (text, word) in [
            ("10.0.0", "'10.0.0'"),
            ("10.0.0.1 from", "'from'"),
            ("10.0.0.1 dev eth9", "'eth9'"),
            ("10.0.0.1 mark x", "'x'"),
            ("10.0.0.1 via 1.1.1.1", "'via'"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
