//! Figures of every hop, as mtr's report, CSV and JSON give them.

use super::{DROPPED_HERE, beside, beside_line, ms_of, ms3, trace::speaker, us};
use crate::{
    probes::{
        names::Names,
        net::Odd,
        trace::rounds::{Change, Hop, Rounds},
    },
    views::time::Clock,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Milliseconds in six columns: as many digits as fit, three at most, one at least.
fn fitted(ns: f64) -> String {
    let ms = ns / 1e6;
    // What rounding makes longer counts as the longer one.
    let digits = match ms {
        ..9.9995 => 3,
        ..99.995 => 2,
        _ => 1,
    };
    format!("{ms:.digits$}")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a round trip is far below 2^52 ns"
)]
fn fitted_of(ns: u64) -> String {
    fitted(ns as f64)
}

/// The figures of one hop, as mtr orders them: loss, sent, last, average, best, worst, deviation, jitter.
pub fn cells(hop: &Hop) -> [String; 8] {
    let rtts = &hop.rtts;
    let some = |text: String| {
        if rtts.count() > 0 {
            text
        } else {
            "-".to_owned()
        }
    };
    [
        format!("{:.1}%", hop.loss_pct()),
        hop.sent.to_string(),
        some(fitted_of(rtts.last().unwrap_or(0))),
        some(fitted(rtts.mean())),
        some(fitted_of(rtts.min())),
        some(fitted_of(rtts.max())),
        some(fitted(rtts.deviation())),
        some(fitted(rtts.jitter())),
    ]
}

pub const TITLES: [&str; 8] = [
    "Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev", "Jttr",
];

/// Who answers at a hop: the latest.
pub fn who(hop: &Hop, names: &mut Names) -> String {
    match hop.addrs.first() {
        Some(addr) => speaker(*addr, names),
        None => "???".to_owned(),
    }
}

/// mtr --report.
pub fn report(rounds: &Rounds, names: &mut Names, clock: &mut Clock, engine: &str) -> String {
    let hosts: Vec<String> = rounds.hops().iter().map(|hop| who(hop, names)).collect();
    let width = hosts
        .iter()
        .map(|host| host.chars().count())
        .max()
        .unwrap_or(0)
        .max(24);
    let mut text = format!("HOST: {:<width$}", "(this machine)", width = width);
    for title in TITLES {
        _ = write!(text, " {title:>6}");
    }
    for (hop, host) in rounds.hops().iter().zip(&hosts) {
        _ = write!(
            text,
            "\n{:>3}.|-- {host:<width$}",
            hop.ttl,
            width = width - 2
        );
        for cell in cells(hop) {
            _ = write!(text, " {cell:>6}");
        }
        for other in hop.addrs.iter().skip(1) {
            _ = write!(text, "\n    |   {}", speaker(*other, names));
        }
    }
    for change in &rounds.changes {
        _ = write!(text, "\n{}", change_line(change, clock));
    }
    _ = write!(text, "\n{}", sentence(rounds, engine));
    if let Some(line) = beside_line(&rounds.beside) {
        _ = write!(text, "\n{line}");
    }
    text
}

/// One route change.
pub fn change_line(change: &Change, clock: &mut Clock) -> String {
    let mut time = Vec::new();
    clock.push_local(&mut time, change.at);
    let time = String::from_utf8_lossy(&time).into_owned();
    format!(
        "route change at {time}: hop {} was {}, is {}",
        change.ttl, change.from, change.to
    )
}

/// What the rounds came to.
pub fn sentence(rounds: &Rounds, engine: &str) -> String {
    let target = rounds.plan().target;
    let last = rounds.hops().last();
    if !rounds.reached {
        let why = match rounds.failed {
            Some(error) => format!("; not sent: {error}"),
            None => String::new(),
        };
        return format!(
            "{target} was not reached in {} rounds{why} (engine {engine})",
            rounds.rounds()
        );
    }
    let (hops, loss, mean) = last.map_or((0, 0.0, 0.0), |hop| {
        (hop.ttl, hop.loss_pct(), hop.rtts.mean())
    });
    let mut changes = match rounds.changes.len() {
        0 => String::new(),
        n => format!(", {n} route changes"),
    };
    let dropped: u64 = rounds.hops().iter().map(|hop| hop.dropped_here).sum();
    if dropped > 0 {
        _ = write!(changes, ", {dropped} times: {DROPPED_HERE}");
    }
    format!(
        "{target} reached in {hops} hops, {loss:.1}% loss, {} ms on average{changes} (engine {engine})",
        ms3(mean)
    )
}

/// `{"event":"hop",...}`.
pub fn object(hop: &Hop, names: &mut Names) -> Value {
    let rtts = &hop.rtts;
    let known = |value: Value| (rtts.count() > 0).then_some(value);
    let [before, after] = beside(&hop.beside);
    json!({
        "event": "hop", "ttl": hop.ttl, "addr": hop.addrs.first(), "addrs": hop.addrs,
        "name": hop.addrs.first().and_then(|addr| names.get(*addr).map(str::to_owned)),
        "sent": hop.sent, "answered": rtts.count(), "loss_pct": hop.loss_pct(), "changes": hop.changes,
        "dropped_here": hop.dropped_here,
        "last_us": rtts.last().map(us), "avg_us": known(json!(rtts.mean() / 1000.0)), "best_us": known(us(rtts.min())),
        "worst_us": known(us(rtts.max())), "stdev_us": known(json!(rtts.deviation() / 1000.0)),
        "jitter_us": known(json!(rtts.jitter() / 1000.0)), "before_p50_us": before, "after_p50_us": after,
    })
}

/// `{"event":"route-change",...}` and `{"event":"trace-end",...}`.
pub fn ends(rounds: &Rounds, engine: &str, odd: Odd) -> Vec<Value> {
    let change =
        |c: &Change| json!({ "event": "route-change", "ttl": c.ttl, "from": c.from, "to": c.to });
    let mut all: Vec<Value> = rounds.changes.iter().map(change).collect();
    all.push(json!({
        "event": "trace-end", "reached": rounds.reached, "sentence": sentence(rounds, engine), "engine": engine,
        "rounds": rounds.rounds(), "ignored": super::ping::ignored(odd),
    }));
    all
}

/// Comma-separated, with a head.
pub fn csv(rounds: &Rounds, names: &mut Names, engine: &str) -> String {
    let mut text =
        "ttl,addr,name,loss_pct,sent,last_ms,avg_ms,best_ms,worst_ms,stdev_ms,jitter_ms,changes,before_p50_ms,after_p50_ms,engine"
            .to_owned();
    for hop in rounds.hops() {
        let addr = hop
            .addrs
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        let name = hop
            .addrs
            .first()
            .and_then(|addr| names.get(*addr).map(quoted))
            .unwrap_or_default();
        let rtts = &hop.rtts;
        let figures = if rtts.count() > 0 {
            let milli = [rtts.mean(), rtts.deviation(), rtts.jitter()].map(ms3);
            let [last, best, worst] = [rtts.last().unwrap_or(0), rtts.min(), rtts.max()].map(ms_of);
            format!(
                "{last},{},{best},{worst},{},{}",
                milli[0], milli[1], milli[2]
            )
        } else {
            ",,,,,".to_owned()
        };
        let medians = hop.beside.medians().map(|both| both.map(ms_of));
        let [before, after] = medians.unwrap_or_default();
        _ = write!(
            text,
            "\n{},{addr},{name},{:.3},{},{figures},{},{before},{after},{engine}",
            hop.ttl,
            hop.loss_pct(),
            hop.sent,
            hop.changes
        );
    }
    text
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A picture of the latest round trips, the newest at the right; a loss is a gap that shows.
pub fn sparkline(hop: &Hop, width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let skip = hop.history.len().saturating_sub(width);
    let (low, high) = (hop.rtts.min(), hop.rtts.max());
    let span = (high - low).max(1);
    let bar = |rtt: &Option<u64>| match rtt {
        None => '!',
        Some(rtt) => {
            let place = rtt.saturating_sub(low).saturating_mul(7) / span;
            BARS[usize::try_from(place).unwrap_or(7).min(7)]
        }
    };
    hop.history.iter().skip(skip).map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_their_column() {
        for (ns, want) in [
            (1_234, "0.001"),
            (45_678, "0.046"),
            (1_234_567, "1.235"),
            (9_999_700, "10.00"),
            (20_123_000, "20.12"),
            (99_996_000, "100.0"),
            (1_234_567_890, "1234.6"),
        ] {
            assert_eq!(fitted_of(ns), want);
            assert!(want.len() <= 6);
        }
    }
}
