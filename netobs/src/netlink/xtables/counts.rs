//! Matches on what is counted of connections: `-m connlimit`, `-m connbytes`, `-m quota`, and what hangs on them.

use super::{Extension, not, quoted};
use crate::netlink::attrs::{array, text, u16_at, u32_at, u64_at};

/// `struct xt_connlimit_info`.
pub fn connections(of: &Extension<'_>) -> Option<String> {
    let (limit, set) = (u32_at(of.info, 16)?, u32_at(of.info, 20)?);
    let mask = of.info.get(..if of.v6 { 16 } else { 4 })?;
    let bits: u32 = mask.iter().map(|b| b.count_ones()).sum();
    let word = if set & 1 != 0 { "upto" } else { "above" };
    let side = match (of.revision, set & 2) {
        (0, _) => "",
        (_, 0) => " --connlimit-saddr",
        _ => " --connlimit-daddr",
    };
    Some(format!(
        "-m connlimit --connlimit-{word} {limit} --connlimit-mask {bits}{side}"
    ))
}

/// `struct xt_connbytes_info`: what must not match begins above its end.
pub fn bytes(info: &[u8]) -> Option<String> {
    let (from, to) = (u64_at(info, 0)?, u64_at(info, 8)?);
    let [what, way] = array(info, 16)?;
    let mode = *["packets", "bytes", "avgpkt"].get(usize::from(what))?;
    let way = *["original", "reply", "both"].get(usize::from(way))?;
    let range = match (from, to) {
        (from, to) if from > to => format!("! --connbytes {to}:{from}"),
        (from, u64::MAX) => format!("--connbytes {from}"),
        (from, to) => format!("--connbytes {from}:{to}"),
    };
    Some(format!(
        "-m connbytes {range} --connbytes-mode {mode} --connbytes-dir {way}"
    ))
}

/// `struct xt_connlabel_mtinfo`; names of labels are a file's.
pub fn label(info: &[u8]) -> Option<String> {
    let (bit, set) = (u16_at(info, 0)?, u16_at(info, 2)?);
    let sets = if set & 2 != 0 { " --set" } else { "" };
    Some(format!(
        "-m connlabel {}--label \"{bit}\"{sets}",
        not(set & 1 != 0)
    ))
}

pub fn helper(info: &[u8]) -> Option<String> {
    let name = quoted(&text(info.get(4..34)?));
    Some(format!(
        "-m helper {}--helper {name}",
        not(u32_at(info, 0)? != 0)
    ))
}

pub fn quota(info: &[u8]) -> Option<String> {
    let (set, bytes) = (u32_at(info, 0)?, u64_at(info, 8)?);
    Some(format!("-m quota {}--quota {bytes}", not(set & 1 != 0)))
}

/// `struct xt_cluster_match_info`.
pub fn cluster(info: &[u8]) -> Option<String> {
    let word = |n: usize| u32_at(info, n * 4);
    Some(format!(
        "-m cluster {}--cluster-local-nodemask {:#010x} --cluster-total-nodes {} --cluster-hash-seed {:#010x}",
        not(word(3)? & 1 != 0),
        word(1)?,
        word(0)?,
        word(2)?
    ))
}
