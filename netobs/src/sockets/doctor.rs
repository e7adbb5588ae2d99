//! What `netobs doctor` says of `netobs ss`: which ways to the sockets are open, and which one is taken now and why.

use super::{HOLDERS_FROM_US, ROWS_FROM, iterators, processes};
use crate::{
    bpf::{sockets::Counts, support::Fact},
    netlink::sock_diag::SockDiag,
};

/// One fact for each way.
pub fn facts() -> Vec<Fact> {
    vec![iterators(), sock_diag()]
}

fn iterators() -> Fact {
    const NAME: &str = "ss iterators";
    if let Err(why) = iterators::probe() {
        return Fact {
            name: NAME,
            ok: false,
            value: format!("{why}; ss finds processes in /proc, as ss itself does"),
            todo: Some("as root, a kernel with BTF and BPF iterators (5.9)"),
        };
    }
    let counts = Counts::read().unwrap_or_default();
    let rows = match counts.in_use {
        few if few < ROWS_FROM => format!("sock_diag: fewer than {ROWS_FROM}"),
        _ if counts.waiting > 0 => format!("sock_diag: {} in TIME-WAIT", counts.waiting),
        _ => "iterators".to_owned(),
    };
    let holders = if processes::walk_us() < HOLDERS_FROM_US {
        "/proc: few processes and files"
    } else {
        "iterators"
    };
    Fact {
        name: NAME,
        ok: true,
        value: format!("-p takes TCP sockets from {rows}; processes from {holders}"),
        todo: None,
    }
}

fn sock_diag() -> Fact {
    let opened = SockDiag::open(0);
    Fact {
        name: "ss sock_diag",
        ok: opened.is_ok(),
        value: match opened {
            Ok(_) => "without -p, and other sockets than TCP".to_owned(),
            Err(error) => format!("{error}; ss reads /proc/net"),
        },
        todo: None,
    }
}
