//! Runs [`fuzz::depth_stream`] under the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::depth_stream(data));
