//! `basic_mm`: quotes around the mid, skewed against inventory, in one or more rungs.
//!
//! With `M` the middle of best bid and ask and `u` the inventory as a fraction of `max_inventory`:
//!
//! 1. centre `c = M - u * skew_factor * base_spread * M`;
//! 2. full spread `s`: `base_spread`, or the [dynamic](crate::dynamic_spread) one, held between
//!    `min_spread` and `max_spread`; half spread `h = max(s M / 2, M (maker fee + fee_edge))`;
//! 3. rung `i` of a side at `c -+ (h + i * level_spacing * M)`, bids rounded down and asks up, at least
//!    one tick clear of the other side's best; rungs that end on a price already taken are dropped;
//! 4. each rung for `base_size` (at most the venue's largest order), cut so that the position stays
//!    within `max_inventory` even if every rung of the side fills; a rung under the venue's smallest
//!    quantity or notional is dropped.
//!
//! One rung is the case `levels = 1` of the same ladder: the skew does not depend on their number.

use std::hash::{Hash, Hasher};

use market::{Level, Qty, Side, Usd};
use serde::{Deserialize, Serialize};

use crate::dynamic_spread::DynamicSpreadConfig;
use crate::quotes::{Quote, Quotes};
use crate::signal::Depth;
use crate::spread;
use crate::strategy::{Diagnostics, Strategy};
use crate::view::View;
use crate::volatility::{Volatility, VolatilityConfig};

/// Parameters of `basic_mm`, checked by whoever builds it.
///
/// Values out of range cannot do harm, only stop the quotes or blunt them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasicMmConfig {
    /// Full quoted spread as a fraction of the mid (`0.001` is 10 bp), above zero.
    pub base_spread: f64,
    /// Quantity of each rung, above zero.
    pub base_size: Qty,
    /// Largest holding on either side, in lots, above zero; usually 20 to 50 rungs.
    pub max_inventory: Qty,
    /// Shift of the centre at full inventory in units of `base_spread`, 0 and above; at 0.5 the
    /// reducing quote sits at the mid.
    pub skew_factor: f64,
    /// Rungs per side, 1 to 10.
    pub levels: u8,
    /// Distance between rungs as a fraction of the mid, 0 and above.
    pub level_spacing: f64,
    /// Smallest full spread as a fraction of the mid, 0 and above.
    pub min_spread: f64,
    /// Largest full spread as a fraction of the mid, at least `min_spread`. Fees may push beyond it.
    pub max_spread: f64,
    /// Profit per side required above the maker fee, as a fraction of the mid, 0 and above.
    pub fee_edge: f64,
    /// How volatility is measured.
    pub volatility: VolatilityConfig,
    /// `None` quotes `base_spread` always. With it, nothing is quoted until volatility is warm.
    pub dynamic_spread: Option<DynamicSpreadConfig>,
}

/// The strategy `basic_mm`; see the [module](self).
#[derive(Clone, Debug)]
pub struct BasicMm {
    config: BasicMmConfig,
    volatility: Volatility,
    diagnostics: Diagnostics,
}

/// Where to quote, before rounding.
#[derive(Clone, Copy, Debug)]
struct Pricing {
    best: [Level; 2],
    mid: f64,
    centre: f64,
    half: f64,
}

impl BasicMm {
    /// Builds it, allocating everything it will ever need.
    pub fn new(config: &BasicMmConfig) -> Self {
        Self {
            config: config.clone(),
            volatility: Volatility::new(&config.volatility),
            diagnostics: Diagnostics::default(),
        }
    }

    /// Takes new parameters; the volatility estimate survives unless its own definition changes.
    pub fn reconfigure(&mut self, config: &BasicMmConfig) {
        self.volatility.reconfigure(&config.volatility);
        self.config = config.clone();
    }

    /// Prices the view and remembers what it was based on; `None` when it may not be quoted.
    fn price(&mut self, view: &View<'_>) -> Option<Pricing> {
        let ([bid, ask], mid) = touch(view)?;
        let levels = self.config.dynamic_spread.as_ref().map_or(1, |dynamic| dynamic.depth_levels);
        let depth = Depth::of(view.book, view.instrument, levels);
        let sigma = self.volatility.sigma();
        self.diagnostics = Diagnostics {
            mid,
            sigma: sigma.filter(|sigma| sigma.is_finite()).unwrap_or(0.0),
            imbalance: Some(depth.imbalance()).filter(|value| value.is_finite()).unwrap_or(0.0),
            warm: self.config.dynamic_spread.is_none() || self.volatility.is_warm(view.now),
            ..Diagnostics::default()
        };

        let config = &self.config;
        let (held, limit) = (view.position.raw() as f64, config.max_inventory.raw() as f64);
        let ratio = spread::inventory_ratio(held, limit);
        // Not cut off beyond the limit: a holding that is too large is offered ever more eagerly.
        let skew = config.skew_factor * config.base_spread;
        let centre = spread::skewed_centre(mid, held / limit, skew);
        let wanted = match &config.dynamic_spread {
            None => config.base_spread,
            Some(_) if !self.diagnostics.warm => return None,
            Some(dynamic) => dynamic.spread(config.base_spread, sigma?, ratio, depth),
        };
        let half = half_spread(config, view.fees.maker, mid, wanted)?;
        if !(centre.is_finite() && centre > 0.0) {
            return None;
        }
        let spec = view.instrument;
        let size = config.base_size.min(spec.qty_at_most(spec.rules().max_qty));
        let least = Usd::from_decimal(spec.rules().min_notional);
        self.diagnostics.too_small =
            spec.qty_decimal(size) < spec.rules().min_qty || spec.notional(bid.price, size) < least;
        (self.diagnostics.reservation, self.diagnostics.half_spread) = (centre, half);
        Some(Pricing { best: [bid, ask], mid, centre, half })
    }

    /// Adds the rungs of one side.
    fn ladder(&self, view: &View<'_>, pricing: &Pricing, side: Side, quotes: &mut Quotes) {
        let (config, rules) = (&self.config, view.instrument.rules());
        let size = config.base_size.min(view.instrument.qty_at_most(rules.max_qty));
        let least = Usd::from_decimal(rules.min_notional);
        let first = pricing.centre - side.sign() as f64 * pricing.half;
        let step = config.level_spacing * pricing.mid;
        let other_best = pricing.best[side.opposite().index()];
        let mut room = room(config.max_inventory, view, side);
        for index in 0..config.levels {
            let price = spread::rung(side, first, index, step);
            let Some(price) = spread::maker_price(view.instrument, side, price, other_best) else {
                return;
            };
            let qty = size.min(room);
            let enough = view.instrument.qty_decimal(qty) >= rules.min_qty
                && view.instrument.notional(price, qty) >= least;
            if enough && quotes.push(side, Quote { price, qty }) {
                room -= qty;
            }
        }
    }
}

/// Best bid and ask and the middle between them; `None` unless the book is two-sided and uncrossed.
fn touch(view: &View<'_>) -> Option<([Level; 2], f64)> {
    let (bid, ask) = view.book.touch().filter(|(bid, ask)| bid.price < ask.price)?;
    Some(([bid, ask], view.instrument.mid(bid.price, ask.price).to_f64()))
}

/// Half spread in quote currency; `None` when anything is not finite, or it would be negative.
fn half_spread(config: &BasicMmConfig, maker_fee: f64, mid: f64, wanted: f64) -> Option<f64> {
    let full = spread::clamp(wanted, config.min_spread, config.max_spread);
    let floor = spread::fee_floor(mid, maker_fee, config.fee_edge);
    let half = (full * mid / 2.0).max(floor);
    let inputs = [wanted, config.min_spread, config.max_spread, floor, half];
    (inputs.iter().all(|input| input.is_finite()) && half >= 0.0).then_some(half)
}

/// How much may fill on a side before the holding reaches its limit; zero beyond it.
fn room(limit: Qty, view: &View<'_>, side: Side) -> Qty {
    let held = i128::from(view.position.raw()) * i128::from(side.sign());
    let room = (i128::from(limit.raw()) - held).max(0);
    Qty::new(u64::try_from(room).unwrap_or(u64::MAX))
}

impl Strategy for BasicMm {
    fn observe(&mut self, view: &View<'_>) {
        if let Some((_, mid)) = touch(view) {
            self.volatility.observe(view.now, mid);
            self.price(view);
        }
    }

    fn quote(&mut self, view: &View<'_>) -> Quotes {
        let mut quotes = Quotes::NONE;
        if let Some(pricing) = self.price(view) {
            for side in Side::BOTH {
                self.ladder(view, &pricing, side, &mut quotes);
            }
        }
        quotes
    }

    fn diagnostics(&self) -> Diagnostics {
        self.diagnostics
    }

    fn hash_into(&self, mut hasher: &mut dyn Hasher) {
        self.volatility.hash_into(&mut hasher);
        let config = &self.config;
        (config.base_size, config.max_inventory, config.levels).hash(&mut hasher);
        for value in [
            config.base_spread,
            config.skew_factor,
            config.level_spacing,
            config.min_spread,
            config.max_spread,
            config.fee_edge,
        ] {
            value.to_bits().hash(&mut hasher);
        }
        if let Some(dynamic) = &config.dynamic_spread {
            (dynamic.horizon, dynamic.depth_levels).hash(&mut hasher);
            for value in [
                dynamic.vol_multiplier,
                dynamic.inventory_widen,
                dynamic.imbalance_widen,
                dynamic.depth_widen,
                dynamic.depth_reference,
            ] {
                value.to_bits().hash(&mut hasher);
            }
        }
    }
}
