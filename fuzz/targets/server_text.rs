//! Runs [`fuzz::server_text`] under the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::server_text(data));
