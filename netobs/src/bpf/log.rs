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
    pub(super) fn open(program: Option<u32>, tell: fn(&str)) -> Result<Self, String> {
        let program = program.ok_or("no hook is attached")?;
        let logger = EbpfLogger::init_from_id_with_logger(program, Teller(tell));
        logger.map(Self).map_err(|e| e.to_string())
    }

    /// Tells what waits.
    pub fn tell(&mut self) {
        self.0.flush();
    }
}
