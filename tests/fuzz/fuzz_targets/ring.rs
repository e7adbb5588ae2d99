//! A block of a packet socket's ring, or a record of the ring of programs at TC.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| netobs_fuzz::bounded(data, netobs_fuzz::ring::run));
