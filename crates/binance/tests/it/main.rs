//! The wire against recordings of the real venue, and against text that no venue should send.

mod captures;
mod client;
mod client_review;
mod damaged;
mod mutations;
mod payloads;
mod sync;

use std::path::PathBuf;

use market::{Decimal, Instrument, InstrumentId, Nanos, Rules};

/// When frames without a time of their own are received in these tests.
const RECV: Nanos = Nanos(1_791_382_992_500_000_000);

/// The recorded data, if this machine has it.
fn shared(path: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let found = root.join(path);
    if !found.exists() {
        eprintln!("SKIPPED: {} is not here", found.display());
        return None;
    }
    Some(found)
}

/// An instrument with this grid.
fn instrument(id: u16, symbol: &str, tick: &str, step: &str) -> Instrument {
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    let rules = Rules {
        symbol: symbol.to_owned(),
        quote: "USDT".to_owned(),
        base: "COIN".to_owned(),
        tick: decimal(tick),
        step: decimal(step),
        min_qty: decimal(step),
        max_qty: decimal("1000"),
        market_max_qty: decimal("100"),
        min_notional: Decimal::ZERO,
        band_up: decimal("1.05"),
        band_down: decimal("0.95"),
        multiplier: Decimal::ONE,
        max_orders: 200,
    };
    Instrument::new(InstrumentId(id), rules).unwrap()
}

fn known(symbol: &str) -> Instrument {
    Instrument::known(InstrumentId(0), symbol).unwrap()
}
