//! Packets of any kind on a link of any kind, shown with flags of any kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| netobs_fuzz::bounded(data, netobs_fuzz::lines::run));
