//! The vocabulary through its public surface.

mod book;
mod decimal;
mod instrument;
mod time;
mod units;

use proptest::prelude::ProptestConfig;

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn decimal(text: &str) -> market::Decimal {
    text.parse().unwrap()
}
