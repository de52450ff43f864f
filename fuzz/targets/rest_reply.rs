//! Runs [`fuzz::rest_reply`] under the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::rest_reply(data));
