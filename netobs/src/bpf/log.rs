//! Log lines of the BPF programs, for debugging netobs itself (`--bpf-log`).

use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};

/// Reads what aya-log's macros wrote and hands each line on.
pub struct ProgramLog(EbpfLogger<Teller>);

/// A logger that hands each line on.
struct Teller(fn(&str));

impl Log for Teller {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        (self.0)(&format!("bpf: {}", record.args()));
    }

    fn flush(&self) {}
}

impl ProgramLog {
    /// Reads the log that all share through the first of these programs that writes to it.
    pub(super) fn open(
        programs: impl Iterator<Item = u32>,
        tell: fn(&str),
    ) -> Result<Self, String> {
        let mut why = "no hook is attached".to_owned();
        for program in programs {
            match EbpfLogger::init_from_id_with_logger(program, Teller(tell)) {
                Ok(logger) => return Ok(Self(logger)),
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }

    /// Tells what waits.
    pub fn tell(&mut self) {
        self.0.flush();
    }
}
