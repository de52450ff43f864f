//! The binary: parse, load, build, run.
fn main() {}
