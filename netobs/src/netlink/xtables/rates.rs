//! `-m limit`, `-m hashlimit`, `-m recent`: how often is too often.

use super::{address, not, ports::join};
use crate::netlink::attrs::{text, u32_at, u64_at};

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

/// `struct xt_hashlimit_mtinfo3`: a name, then millionths of a second per packet.
pub fn hashlimit(info: &[u8]) -> Option<String> {
    const MODES: [(u32, &str); 4] = [(4, "srcip"), (8, "srcport"), (1, "dstip"), (2, "dstport")];
    const INVERT: u32 = 0x10;
    const BYTES_OR_MATCH: u32 = 0x60;
    let (average, burst, mode) = (u64_at(info, 256)?, u64_at(info, 264)?, u32_at(info, 272)?);
    if mode & BYTES_OR_MATCH != 0 {
        return None;
    }
    let number = |at| u32_at(info, at).unwrap_or(0);
    let (rate, seconds) = rate(average, 1_000_000);
    let side = if mode & INVERT != 0 { "above" } else { "upto" };
    let mut words = vec![
        format!("--hashlimit-{side} {rate}"),
        format!("--hashlimit-burst {burst}"),
    ];
    let modes: Vec<&str> = MODES
        .iter()
        .filter(|(bit, _)| mode & bit != 0)
        .map(|(_, n)| *n)
        .collect();
    if !modes.is_empty() {
        words.push(format!("--hashlimit-mode {}", modes.join(",")));
    }
    words.push(format!("--hashlimit-name {}", text(info.get(..255)?)));
    let options = [
        ("htable-size", number(276), 0),
        ("htable-max", number(280), 0),
        ("htable-gcinterval", number(284), 1000),
        (
            "htable-expire",
            number(288),
            u32::try_from(seconds * 1000).unwrap_or(0),
        ),
    ];
    for (name, value, usual) in options {
        if value != usual {
            words.push(format!("--hashlimit-{name} {value}"));
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
