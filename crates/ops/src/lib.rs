//! Configuration, logs, metrics, HTTP API, console.
