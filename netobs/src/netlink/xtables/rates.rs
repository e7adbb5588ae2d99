//! `-m limit`, `-m hashlimit`, `-m recent`: how often is too often.

use super::{address, not, ports::join};
use crate::netlink::attrs::{array, text, u32_at, u64_at};

const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "min"), (1, "sec")];

/// `10/sec` and the unit's seconds, of the time between two packets in parts of a second.
fn rate(average: u64, parts: u64) -> (String, u64) {
    let average = average.max(1);
    let whole = |seconds: u64| parts.saturating_mul(seconds);
    let fits = |seconds: u64| {
        average >= whole(seconds)
            || whole(seconds).is_multiple_of(average) && whole(seconds) / average < 60
    };
    let (seconds, unit) = UNITS
        .iter()
        .find(|(seconds, _)| fits(*seconds))
        .copied()
        .unwrap_or((1, "sec"));
    (
        format!("{}/{unit}", (whole(seconds) / average).max(1)),
        seconds,
    )
}

/// `struct xt_rateinfo`: ten-thousandths of a second per packet.
pub fn limit(info: &[u8]) -> Option<String> {
    let (average, burst) = (u32_at(info, 0)?, u32_at(info, 4)?);
    let (rate, _) = rate(u64::from(average), 10_000);
    let burst = if burst == 5 {
        String::new()
    } else {
        format!(" --limit-burst {burst}")
    };
    Some(format!("-m limit --limit {rate}{burst}"))
}

/// Bytes a second and the burst, of the price of sixteen bytes; and the seconds after which an entry is forgotten.
fn byte_rate(price: u64, burst: u64) -> (String, u64) {
    const UNITS: [(u64, &str); 3] = [(1 << 20, "m"), (1 << 10, "k"), (1, "")];
    let most = u64::from(u32::MAX);
    let bytes = (most.checked_div(price).unwrap_or(most).saturating_sub(1) << 4) & most;
    let exact = |unit: u64| bytes >= unit && most / ((bytes & !(unit - 1)) / 16 + 1) == price;
    let (unit, name) = UNITS
        .into_iter()
        .find(|(unit, _)| exact(*unit))
        .unwrap_or(UNITS[2]);
    let rate = format!("{}{name}b/s", bytes / unit);
    if burst == 0 {
        return (rate, 15);
    }
    let bytes = bytes.saturating_mul(burst);
    let (unit, name) = UNITS
        .into_iter()
        .find(|(unit, _)| bytes >= *unit)
        .unwrap_or(UNITS[2]);
    (
        format!("{rate} --hashlimit-burst {}{name}b", bytes / unit),
        60,
    )
}

/// `struct xt_hashlimit_mtinfo3`: a name, then millionths of a second per packet.
pub fn hashlimit(info: &[u8], v6: bool) -> Option<String> {
    const MODES: [(u32, &str); 4] = [(4, "srcip"), (8, "srcport"), (1, "dstip"), (2, "dstport")];
    const INVERT: u32 = 0x10;
    const BYTES: u32 = 0x20;
    const RATE_MATCH: u32 = 0x40;
    let (average, burst, mode) = (u64_at(info, 256)?, u64_at(info, 264)?, u32_at(info, 272)?);
    let number = |at| u32_at(info, at).unwrap_or(0);
    let side = if mode & INVERT != 0 { "above" } else { "upto" };
    let (rate, seconds) = if mode & BYTES != 0 {
        byte_rate(average, burst)
    } else {
        let (rate, seconds) = rate(average, 1_000_000);
        (format!("{rate} --hashlimit-burst {burst}"), seconds)
    };
    let mut words = vec![format!("--hashlimit-{side} {rate}")];
    let modes = MODES.iter().filter(|(bit, _)| mode & bit != 0);
    let modes: Vec<&str> = modes.map(|(_, name)| *name).collect();
    if !modes.is_empty() {
        words.push(format!("--hashlimit-mode {}", modes.join(",")));
    }
    words.push(format!("--hashlimit-name {}", text(info.get(..255)?)));
    let whole = if v6 { 128 } else { 32 };
    let [source, dest]: [u8; 2] = array(info, 296)?;
    let options = [
        ("htable-size", number(276), 0),
        ("htable-max", number(280), 0),
        ("htable-gcinterval", number(284), 1000),
        (
            "htable-expire",
            number(288),
            u32::try_from(seconds * 1000).unwrap_or(0),
        ),
        ("srcmask", u32::from(source), whole),
        ("dstmask", u32::from(dest), whole),
    ];
    for (name, value, usual) in options {
        if value != usual {
            words.push(format!("--hashlimit-{name} {value}"));
        }
    }
    if mode & RATE_MATCH != 0 {
        words.push("--hashlimit-rate-match".to_owned());
        if number(292) != 1 {
            words.push(format!("--hashlimit-rate-interval {}", number(292)));
        }
    }
    Some(join("-m hashlimit", &words))
}

/// `struct xt_recent_mtinfo`, and `_v1`, which adds a mask.
pub fn recent(info: &[u8], revision: u32, v6: bool) -> Option<String> {
    const WHAT: [(u8, &str); 4] = [
        (2, "--set"),
        (1, "--rcheck"),
        (4, "--update"),
        (8, "--remove"),
    ];
    let (seconds, hits) = (u32_at(info, 0)?, u32_at(info, 4)?);
    let [set, inverted] = *info.get(8..10)? else {
        return None;
    };
    let mut words: Vec<String> = WHAT
        .iter()
        .filter(|(bit, _)| set & bit != 0)
        .map(|(_, name)| format!("{}{name}", not(inverted != 0)))
        .collect();
    if seconds != 0 {
        words.push(format!("--seconds {seconds}"));
    }
    if set & 0x20 != 0 {
        words.push("--reap".to_owned());
    }
    if hits != 0 {
        words.push(format!("--hitcount {hits}"));
    }
    if set & 0x10 != 0 {
        words.push("--rttl".to_owned());
    }
    words.push(format!("--name {}", text(info.get(10..210)?)));
    if revision == 1 {
        words.push(format!("--mask {}", address(info, 212, v6)?));
    }
    words.push(
        if *info.get(210)? == 0 {
            "--rsource"
        } else {
            "--rdest"
        }
        .to_owned(),
    );
    Some(join("-m recent", &words))
}
