//! `-m time`: at which hours, on which days. Times are UTC unless the rule says otherwise.

use super::ports::join;
use crate::netlink::attrs::{array, u32_at};
use jiff::Timestamp;

const LAST_SECOND: u32 = 86_399;
const ALL_MONTHDAYS: u32 = 0xffff_fffe;
const ALL_WEEKDAYS: u8 = 0xfe;

/// `struct xt_time_info`.
pub fn time(info: &[u8]) -> Option<String> {
    let word = |n: usize| u32_at(info, n * 4);
    let [weekdays, flags] = array(info, 20)?;
    let mut words = Vec::new();
    let (start, stop) = (word(2)?, word(3)?);
    if start != 0 || stop != LAST_SECOND {
        words.push(format!(
            "--timestart {} --timestop {}",
            hour(start),
            hour(stop)
        ));
    }
    let monthdays = word(4)?;
    if monthdays != ALL_MONTHDAYS {
        let days = (1..32).filter(|day| monthdays >> day & 1 != 0);
        let days: Vec<String> = days.map(|day| day.to_string()).collect();
        words.push(format!("--monthdays {}", days.join(",")));
    }
    if weekdays != ALL_WEEKDAYS {
        const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let days = NAMES.iter().enumerate();
        let days = days.filter(|(n, _)| weekdays >> (n + 1) & 1 != 0);
        let days: Vec<&str> = days.map(|(_, name)| *name).collect();
        words.push(format!("--weekdays {}", days.join(",")));
    }
    let (start, stop) = (word(0)?, word(1)?);
    if start != 0 {
        words.push(format!("--datestart {}", date(start)?));
    }
    if stop != u32::MAX {
        words.push(format!("--datestop {}", date(stop)?));
    }
    for (bit, flag) in [(1, "--kerneltz"), (2, "--contiguous")] {
        if flags & bit != 0 {
            words.push(flag.to_owned());
        }
    }
    Some(join("-m time", &words))
}

fn hour(seconds: u32) -> String {
    let (hours, rest) = (seconds / 3600, seconds % 3600);
    format!("{hours:02}:{:02}:{:02}", rest / 60, rest % 60)
}

fn date(seconds: u32) -> Option<String> {
    let at = Timestamp::from_second(i64::from(seconds)).ok()?;
    Some(at.to_string().trim_end_matches('Z').to_owned())
}
