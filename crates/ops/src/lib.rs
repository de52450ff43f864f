//! Configuration, logs, metrics, HTTP API, console.

pub mod config;
pub mod logging;
