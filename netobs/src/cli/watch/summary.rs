//! What was seen, lost and spent: a table for people, one object for programs.

use crate::{bpf::cost::HookCost, fields::Fields};
use tabled::{
    builder::Builder,
    settings::{Alignment, Style, object::Columns},
};

/// The account, and what we spent ourselves.
pub struct Summary {
    pub hooks: Vec<HookCost>,
    pub elapsed_ns: u64,
    /// User and system time of this process.
    pub own_cpu_ns: u64,
}

impl Summary {
    /// `{"event":"summary","hooks":[...]}`
    pub fn json(&self, event: &str) -> Vec<u8> {
        let mut buf = Vec::new();
        let mut fields = Fields::begin(&mut buf);
        fields.str("event", event);
        fields.value("hooks", &self.hooks);
        fields.value("duration_s", &seconds(self.elapsed_ns));
        fields.value("tool_cpu_pct", &self.own_percent());
        fields.end();
        buf
    }

    fn own_percent(&self) -> f64 {
        percent(self.own_cpu_ns, self.elapsed_ns)
    }

    pub fn table(&self) -> String {
        let mut rows = Builder::default();
        rows.push_record([
            "COLLECTOR",
            "HOOK",
            "RUNG",
            "SEEN",
            "LOST",
            "NS/RUN",
            "CPU%",
        ]);
        for hook in &self.hooks {
            rows.push_record([
                hook.collector.to_owned(),
                hook.hook.to_owned(),
                hook.rung.unwrap_or("not attached").to_owned(),
                hook.seen.to_string(),
                hook.lost.to_string(),
                hook.run_ns.map_or("-".to_owned(), |ns| ns.to_string()),
                hook.cpu_pct
                    .map_or("-".to_owned(), |pct| format!("{pct:.2}")),
            ]);
        }
        let mut table = rows.build();
        table
            .with(Style::blank())
            .modify(Columns::new(3..), Alignment::right());
        let skipped: u64 = self.hooks.iter().map(|hook| hook.skipped).sum();
        let skipped = match skipped {
            0 => String::new(),
            n => format!(
                "\nnetobs: the kernel skipped {n} runs: an interrupt came while the hook was running on that CPU"
            ),
        };
        format!(
            "{table}{skipped}\nnetobs: {:.1} s, {} events seen, {} lost, the tool itself {:.2} % of one CPU",
            seconds(self.elapsed_ns),
            self.hooks.iter().map(|hook| hook.seen).sum::<u64>(),
            self.hooks.iter().map(|hook| hook.lost).sum::<u64>(),
            self.own_percent(),
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn seconds(ns: u64) -> f64 {
    round(ns as f64 / 1e9)
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn percent(part: u64, whole: u64) -> f64 {
    round(part as f64 * 100.0 / whole.max(1) as f64)
}

fn round(n: f64) -> f64 {
    (n * 100.0).round() / 100.0
}

/// User and system time this process has used, also as another program before exec.
pub fn process_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
