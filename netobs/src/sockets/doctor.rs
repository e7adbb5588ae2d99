//! What `netobs doctor` says of `netobs ss`: which ways to the sockets are open, and which one is taken now and why.

use super::{HOLDERS_FROM_US, Kernel, Path, ROWS_FROM, iterators, processes};
use crate::bpf::{sockets::Counts, support::Fact};

/// One fact for each way.
pub fn facts() -> Vec<Fact> {
    vec![iterators(), tables()]
}

fn iterators() -> Fact {
    const NAME: &str = "ss iterators";
    let [udp, unix] = match iterators::probe() {
        Ok(there) => there.map(|there| {
            if there {
                "an iterator"
            } else {
                "sock_diag too"
            }
        }),
        Err(why) => {
            return Fact {
                name: NAME,
                ok: false,
                value: format!("{why}; ss finds processes in /proc, as ss itself does"),
                todo: Some("as root, a kernel with BTF and BPF iterators (5.9)"),
            };
        }
    };
    let counts = Counts::read().unwrap_or_default();
    let rows = match counts.in_use {
        few if few < ROWS_FROM => format!("sock_diag: fewer than {ROWS_FROM}"),
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
        value: format!(
            "-p takes TCP sockets from {rows}; UDP from sock_diag, which costs no more, UNIX too, which costs half (with --engine \
             bpf from {udp} and {unix}); processes from {holders}"
        ),
        todo: None,
    }
}

/// By what each table is told without iterators.
fn tables() -> Fact {
    const NAME: &str = "ss tables";
    let paths = match Kernel::paths() {
        Ok(paths) => paths,
        Err(error) => {
            return Fact {
                name: NAME,
                ok: false,
                value: error.to_string(),
                todo: Some("/proc mounted, or the kernel's *_diag modules"),
            };
        }
    };
    let of = |path: Path| {
        let tables = paths.iter().filter(|(_, by)| *by == path);
        let names: Vec<&str> = tables.map(|(table, _)| table.name()).collect();
        (!names.is_empty()).then(|| format!("{}: {}", path.name(), names.join(" ")))
    };
    let ways = [Path::SockDiag, Path::Proc, Path::None];
    Fact {
        name: NAME,
        ok: true,
        value: ways
            .into_iter()
            .filter_map(of)
            .collect::<Vec<_>>()
            .join("; "),
        todo: None,
    }
}
