//! Runs [`fuzz::market_frame`] under the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::market_frame(data));
