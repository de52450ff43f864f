//! Live trading.

pub mod net;
