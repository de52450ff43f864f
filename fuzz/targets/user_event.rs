//! Runs [`fuzz::user_event`] under the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::user_event(data));
