//! Configuration, logs, metrics, HTTP API, console.

pub mod api;
pub mod config;
pub mod console;
pub mod link;
pub mod logging;
pub mod metrics;
pub mod recorder;
pub mod store;
pub mod view;
