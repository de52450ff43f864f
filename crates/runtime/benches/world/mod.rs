//! What the benchmarks share: the demo's configuration, a quoting engine to poke at, and a place on
//! disk for journals.

pub(crate) mod config;
pub(crate) mod disk;
pub(crate) mod scene;
