//! A capture file of any kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| netobs_fuzz::bounded(data, netobs_fuzz::files::run));
