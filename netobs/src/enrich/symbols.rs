//! Places in the kernel's code by name, each asked for once.

use crate::names::Names;

/// Places kept before the table starts anew.
const KEPT: usize = 4096;

/// Gives `address` a name; `print` asks the kernel, as its `%pB` format does.
pub fn learn(names: &mut Names, address: u64, print: impl FnOnce(u64) -> Option<String>) {
    if names.symbols.contains_key(&address) {
        return;
    }
    if names.symbols.len() >= KEPT {
        names.symbols.clear();
    }
    let place = print(address).as_deref().and_then(place);
    names
        .symbols
        .insert(address, place.unwrap_or_else(|| format!("{address:#x}")));
}

/// `tcp_v4_rcv+0xd4e/0x1130 [module]` without the function's size; `None`: the kernel has no name for it.
fn place(printed: &str) -> Option<String> {
    let mut words = printed.split_ascii_whitespace();
    let (place, _size) = words.next()?.split_once('/')?;
    let (function, _offset) = place.split_once('+')?;
    if function.is_empty() {
        return None;
    }
    Some(match words.next() {
        Some(module) => format!("{place} {module}"),
        None => place.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_left_out_and_the_module_kept() {
        for (printed, want) in [
            ("tcp_v4_rcv+0xd4e/0x1130", Some("tcp_v4_rcv+0xd4e")),
            (
                "nft_do_chain+0x5a4/0x610 [nf_tables]\n",
                Some("nft_do_chain+0x5a4 [nf_tables]"),
            ),
            (
                "bpf_prog_6deef7357e7b4530_main+0x3c/0x80",
                Some("bpf_prog_6deef7357e7b4530_main+0x3c"),
            ),
            ("0xffffffff81234567", None),
            ("", None),
        ] {
            assert_eq!(place(printed).as_deref(), want, "{printed}");
        }
    }

    #[test]
    fn a_place_is_asked_for_once_and_never_missing() {
        let mut names = Names::new(false);
        let mut asked = 0;
        for address in [0x10, 0x10, 0x20] {
            learn(&mut names, address, |a| {
                asked += 1;
                (a == 0x10).then(|| "f+0x1/0x2".to_owned())
            });
        }
        assert_eq!(asked, 2);
        assert_eq!(names.symbols[&0x10], "f+0x1");
        assert_eq!(names.symbols[&0x20], "0x20");
    }
}
