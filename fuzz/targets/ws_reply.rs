//! Runs [`fuzz::ws_reply`] under the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::ws_reply(data));
