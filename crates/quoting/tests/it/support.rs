//! Books, instruments and configurations for the tests.

use std::time::Duration;

use market::{
    Book, Decimal, DepthSnapshot, Instrument, InstrumentId, Level, Nanos, Position, Price, Qty,
    Rules, Side,
};
use quoting::{BasicMmConfig, Estimator, Fees, Quotes, View, VolatilityConfig};

/// Shorthand for a constant decimal.
pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// An instrument with a tick and a step and hardly any other rule.
pub(crate) fn instrument(tick: Decimal, step: Decimal, min_notional: Decimal) -> Instrument {
    let mut rules =
        Instrument::known(InstrumentId(0), "ETHUSDC").map(|eth| eth.rules().clone()).unwrap();
    (rules.tick, rules.step, rules.min_qty, rules.min_notional) = (tick, step, step, min_notional);
    rules.max_qty = Decimal::from_units(step.units() * 1_000_000_000);
    Instrument::new(InstrumentId(0), Rules { ..rules }).unwrap()
}

/// ETHUSDC with a smallest notional of 5.
pub(crate) fn eth() -> Instrument {
    instrument(decimal("0.01"), decimal("0.001"), decimal("5"))
}

/// A book of (ticks, lots), any order.
pub(crate) fn book(bids: &[(i64, u64)], asks: &[(i64, u64)]) -> Book {
    let levels = |side: &[(i64, u64)]| {
        let level = |&(price, qty)| Level { price: Price::new(price), qty: Qty::new(qty) };
        side.iter().map(level).collect()
    };
    let mut book = Book::with_capacity(32);
    let snapshot = DepthSnapshot { last_id: 1, bids: levels(bids), asks: levels(asks) };
    book.apply_snapshot(Nanos(1), &snapshot);
    book
}

/// A view with a maker fee of zero.
pub(crate) fn view<'a>(
    now: Nanos,
    instrument: &'a Instrument,
    book: &'a Book,
    position: i64,
) -> View<'a> {
    let fees = Fees { maker: 0.0, taker: 0.0004 };
    View { now, instrument, book, position: Position::new(position), fees }
}

/// Seconds since the epoch.
pub(crate) fn at(seconds: f64) -> Nanos {
    Nanos((seconds * 1e9) as u64)
}

/// EWMA on a one-second grid, half-life and warm-up 10 s.
pub(crate) fn volatility() -> VolatilityConfig {
    VolatilityConfig {
        estimator: Estimator::Ewma,
        grid: Duration::from_secs(1),
        half_life: Duration::from_secs(10),
        bar: Duration::from_secs(60),
        bars: 30,
        warmup: Duration::from_secs(10),
        floor: 0.0,
        cap: 1.0,
    }
}

/// The configuration of the design page: 10 bp, 0.010 per rung, at most 0.050.
pub(crate) fn config() -> BasicMmConfig {
    BasicMmConfig {
        base_spread: 0.001,
        base_size: Qty::new(10),
        max_inventory: Qty::new(50),
        skew_factor: 0.3,
        levels: 1,
        level_spacing: 0.0005,
        min_spread: 0.0,
        max_spread: 0.1,
        fee_edge: 0.0,
        volatility: volatility(),
        dynamic_spread: None,
    }
}

/// `bids | asks`, best first, as `qty@price` on the instrument's grid.
pub(crate) fn text(instrument: &Instrument, quotes: &Quotes) -> String {
    let side = |side| {
        let rung = |quote: &quoting::Quote| {
            format!("{}@{}", instrument.qty_text(quote.qty), instrument.price_text(quote.price))
        };
        quotes.side(side).iter().map(rung).collect::<Vec<_>>().join(" ")
    };
    format!("{} | {}", side(Side::Buy), side(Side::Sell))
}
