//! Names of addresses, looked up beside a measurement: bounded, and never waited for while it runs.

use super::{
    dns::{Limits, Question, Server, Via, ask, question},
    resolve::Config,
};
use hickory_proto::rr::RecordType;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

/// Lookups at most, one thread each.
const MOST: usize = 128;
/// A name that takes longer is not shown.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Names that are known or asked for.
pub struct Names {
    config: Option<Arc<Config>>,
    known: HashMap<IpAddr, Option<String>>,
    waiting: usize,
    sender: Sender<(IpAddr, Option<String>)>,
    receiver: Receiver<(IpAddr, Option<String>)>,
}

impl Names {
    /// Without a configuration nothing is looked up: `-n`.
    pub fn new(config: Option<Config>) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            config: config.map(Arc::new),
            known: HashMap::new(),
            waiting: 0,
            sender,
            receiver,
        }
    }

    /// Numbers only are wanted.
    pub const fn are_off(&self) -> bool {
        self.config.is_none()
    }

    /// Begins to look a name up, unless that was done before.
    pub fn ask(&mut self, addr: IpAddr) {
        let Some(config) = &self.config else {
            return;
        };
        if self.known.contains_key(&addr) || self.known.len() >= MOST {
            return;
        }
        if let Some(name) = in_hosts(config, addr) {
            self.known.insert(addr, Some(name));
            return;
        }
        self.known.insert(addr, None);
        let (config, sender) = (Arc::clone(config), self.sender.clone());
        let spawned = thread::Builder::new()
            .name("names".to_owned())
            .spawn(move || sender.send((addr, look_up(&config, addr))).unwrap_or(()));
        self.waiting += usize::from(spawned.is_ok());
    }

    pub fn get(&mut self, addr: IpAddr) -> Option<&str> {
        while let Ok((addr, name)) = self.receiver.try_recv() {
            self.take(addr, name);
        }
        self.known.get(&addr)?.as_deref()
    }

    fn take(&mut self, addr: IpAddr, name: Option<String>) {
        self.waiting = self.waiting.saturating_sub(1);
        self.known.insert(addr, name);
    }

    pub fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Waits for what was asked, each lookup being bounded in itself.
    pub fn finish(&mut self) {
        while self.waiting > 0 {
            match self.receiver.recv_timeout(TIMEOUT) {
                Ok((addr, name)) => self.take(addr, name),
                Err(_) => return,
            }
        }
    }
}

/// The name of an address, waited for: hosts file, then the first server.
pub fn of_address(config: &Config, addr: IpAddr) -> Option<String> {
    in_hosts(config, addr).or_else(|| look_up(config, addr))
}

fn in_hosts(config: &Config, addr: IpAddr) -> Option<String> {
    let fits = |text: &str| text.parse() == Ok(addr);
    let host = config.hosts.iter().find(|host| fits(&host.address))?;
    host.names.first().cloned()
}

fn look_up(config: &Config, addr: IpAddr) -> Option<String> {
    let server = Server {
        addr: *config.servers.first()?,
        via: Via::Udp,
    };
    let limits = Limits {
        timeout: TIMEOUT,
        tries: 1,
        ..Limits::default()
    };
    let question = Question::new(question::reverse(addr), RecordType::PTR);
    let asked = ask(&server, &question, &limits).ok()?;
    let target = asked
        .reply
        .answers
        .iter()
        .find_map(|record| record.target.clone())?;
    Some(target.trim_end_matches('.').to_owned())
}
