//! Quoting through its public surface.

mod allocation;
mod basic;
mod properties;
mod support;
mod vectors;
mod volatility;
