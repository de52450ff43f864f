//! The arithmetic of quoting: inventory ratio and skew, volatility-scaled and fee-aware half spread,
//! ladder, rounding to the tick and the post-only clamp.
//!
//! Prices and distances in quote currency, spreads as fractions of the mid. Rules of common practice;
//! the pinned definitions are in the suite `spread_models` of the reference vectors.

use market::{Instrument, Level, Price, Side, Ticks};

/// Inventory as a fraction of its limit, cut off at -1 and 1. NaN when the limit is zero and the
/// position too.
pub fn inventory_ratio(position: f64, limit: f64) -> f64 {
    clamp(position / limit, -1.0, 1.0)
}

/// Linear inventory skew: the mid moved by `skew` (a fraction of the mid) at full inventory, down
/// when long and up when short, so that the side that reduces is nearer the market.
///
/// `r = M (1 - skew u)`: the linear form of the reservation price of Avellaneda & Stoikov,
/// "High-frequency trading in a limit order book", Quantitative Finance 8(3), 2008.
pub fn skewed_centre(mid: f64, ratio: f64, skew: f64) -> f64 {
    mid - ratio * skew * mid
}

/// Half spread that grows with the move expected over the horizon:
/// `base + multiplier * sigma * sqrt(horizon)`, a fraction of the mid.
///
/// `sigma` is the volatility of returns per square root of a second; a diffusion spreads by
/// `sigma sqrt(t)` (Bachelier 1900), `multiplier` of which we want to be paid for.
pub fn vol_scaled_half(base: f64, multiplier: f64, sigma: f64, horizon_s: f64) -> f64 {
    base + multiplier * sigma * horizon_s.sqrt()
}

/// Smallest half spread, in quote currency, at which a round trip of two maker fills earns `edge` per
/// side after fees: a round trip earns `2 h - 2 f M`, hence `h >= M (f + edge)`.
pub fn fee_floor(mid: f64, maker_fee: f64, edge: f64) -> f64 {
    mid * (maker_fee + edge)
}

/// Price of rung `index` (0 is the first) of an arithmetic ladder that leads away from the market.
pub fn rung(side: Side, first: f64, index: u8, step: f64) -> f64 {
    first - side.sign() as f64 * f64::from(index) * step
}

/// Rounds away from the market (bids down, asks up) and keeps one tick clear of the other side's
/// best, so that the order can only make.
///
/// `None` for a price that is not finite or not positive. Never to the nearest tick: that could give
/// away half a tick, or cross.
pub fn maker_price(
    instrument: &Instrument,
    side: Side,
    price: f64,
    other_best: Level,
) -> Option<Price> {
    let rounded = match side {
        Side::Buy => instrument.float_at_or_below(price),
        Side::Sell => instrument.float_at_or_above(price),
    }?;
    let limit = side.away(other_best.price, Ticks::new(1));
    Some(if side.is_better(rounded, limit) { limit } else { rounded })
}

/// `value` held between two bounds; unlike [`f64::clamp`] it never panics, and NaN stays NaN.
pub fn clamp(value: f64, low: f64, high: f64) -> f64 {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}
