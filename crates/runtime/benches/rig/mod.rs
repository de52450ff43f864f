//! What the benchmarks of the live path share: a recording, a venue that says yes, and the
//! configurations of a desk whose quotes follow every move of the market.

pub(crate) mod config;
pub(crate) mod recording;
pub(crate) mod venue;
