//! An expression of any kind, and a packet that the program made of it is run over.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| netobs_fuzz::bounded(data, netobs_fuzz::filter::run));
