//! Everybody else in the market: providers of liquidity and three kinds of takers.
//!
//! *Noise* takers know nothing; *forced* ones walk the book at any cost; *informed* ones see fair
//! value before the providers do and trade only when a quote is stale. Together they make quoting
//! at the touch a losing game and patience a winning one.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::{FinePrice, Instrument, Nanos, Price, Qty, Side, Ticks};

use crate::book::OrderBook;
use crate::config::{AccountId, CrowdConfig};
use crate::fair::FairValue;
use crate::makers::Maker;
use crate::rng::Dice;
use crate::venue::{Liquidity, Taker, Venue};

const STREAM_NOISE: u64 = 20;
const STREAM_FORCED: u64 = 21;
const STREAM_INFORMED: u64 = 22;
const MAKERS_MAX: u16 = 32;

/// Sizes are written for ETH at this price and scaled by value for other instruments.
const REFERENCE_PRICE: f64 = 2_610.0;
/// Share of noise orders that earlier noise orders provoke.
const EXCITED: f64 = 0.4;
/// How long an order provokes others, in seconds.
const EXCITED_S: f64 = 1.5;
/// Chance that a noise order is on the side of the one before.
const SAME_SIDE: f64 = 0.62;
/// Power law of noise sizes: smallest, exponent, largest.
const NOISE_SIZE: (f64, f64, f64) = (0.05, 1.2, 60.0);
/// Noise orders do not walk further than this beyond the touch.
const NOISE_REACH_BPS: f64 = 5.0;
/// A quote is stale when it is off fair value by this much plus an exponential draw of this mean.
const EDGE_BPS: f64 = 0.12;
/// Informed sizes, uniform.
const INFORMED_SIZE: (f64, f64) = (1.0, 25.0);
/// Largest forced order.
const FORCED_SIZE: f64 = 800.0;
const BPS: f64 = 1e-4;

/// When and by which draws one kind of taker acts.
#[derive(Clone, Debug)]
struct Arrivals {
    dice: Dice,
    rate: f64,
    wake_at: Nanos,
}

impl Arrivals {
    fn new(seed: u64, stream: u64, rate: f64, start: Nanos) -> Self {
        let mut arrivals = Self { dice: Dice::new(seed, stream), rate, wake_at: Nanos::MAX };
        arrivals.sleep(start, 1.0);
        arrivals
    }

    /// Draws the next arrival at `busy` times the average rate.
    fn sleep(&mut self, now: Nanos, busy: f64) {
        let rate = self.rate * busy;
        self.wake_at = if rate > 0.0 {
            now + Duration::from_nanos((self.dice.exponential(1e9 / rate)) as u64 + 1)
        } else {
            Nanos::MAX
        };
    }

    fn hash_into(&self, hasher: &mut impl Hasher) {
        self.dice.hash_into(hasher);
        self.wake_at.hash(hasher);
    }
}

/// The participants and what they know.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    tick: f64,
    unit: f64,
    fair: FairValue,
    makers: Vec<Maker>,
    noise: Arrivals,
    forced: Arrivals,
    informed: Arrivals,
    reach_bps: f64,
    excitement: f64,
    excited_at: Nanos,
    last_side: Side,
    frozen: bool,
    next: Nanos,
}

#[derive(Clone, Copy)]
enum Who {
    Maker(usize),
    Noise,
    Forced,
    Informed,
}

impl Crowd {
    pub(crate) fn new(
        config: &CrowdConfig,
        instrument: &Instrument,
        seed: u64,
        start: Nanos,
        price: FinePrice,
    ) -> Self {
        let tick = instrument.tick_f64();
        let count = config.makers.min(MAKERS_MAX);
        let makers = (0..count).map(|index| Maker::new(index, count, seed, start)).collect();
        let arrivals = |stream, rate| Arrivals::new(seed, stream, rate, start);
        let mut crowd = Self {
            tick,
            unit: REFERENCE_PRICE / price.to_f64().max(tick),
            fair: FairValue::new(config, seed, start, price.to_f64() / tick),
            makers,
            noise: arrivals(STREAM_NOISE, config.noise_rate * (1.0 - EXCITED)),
            forced: arrivals(STREAM_FORCED, config.sweep_rate),
            informed: arrivals(STREAM_INFORMED, config.informed_rate),
            reach_bps: config.sweep_reach_bps,
            excitement: 0.0,
            excited_at: start,
            last_side: Side::Buy,
            frozen: false,
            next: Nanos::MAX,
        };
        crowd.next = crowd.first().0;
        crowd
    }

    /// The providers put up their first ladders.
    pub(crate) fn seed_book(&mut self, now: Nanos, venue: &mut Venue, book: &mut OrderBook) {
        for maker in &mut self.makers {
            maker.open(now, &self.fair, self.unit, venue, book);
        }
        self.next = self.first().0;
    }

    /// When somebody acts next.
    pub(crate) fn next_wake(&self) -> Option<Nanos> {
        (!self.frozen && self.next < Nanos::MAX).then_some(self.next)
    }

    /// Lets the participant whose turn it is act.
    pub(crate) fn wake(&mut self, now: Nanos, venue: &mut Venue, book: &mut OrderBook) {
        self.fair.advance(now);
        match self.first().1 {
            Who::Maker(index) => {
                self.makers[index].act(now, &self.fair, self.unit, venue, book);
            }
            Who::Noise => self.noise(now, venue, book),
            Who::Forced => self.forced(now, venue, book),
            Who::Informed => self.informed(now, venue, book),
        }
        self.next = self.first().0;
    }

    /// Fair value at an instant not before the last one at which somebody acted.
    pub(crate) fn fair(&self, now: Nanos) -> FinePrice {
        let mut fair = self.fair.clone();
        fair.advance(now);
        FinePrice::new((fair.value() * self.tick * 1e8).round() as i64)
    }

    pub(crate) fn set_fair(&mut self, now: Nanos, price: FinePrice) {
        self.fair.advance(now);
        self.fair.set(price.to_f64() / self.tick);
    }

    pub(crate) fn freeze(&mut self, now: Nanos, frozen: bool) {
        self.frozen = frozen;
        self.next = self.next.max(now);
    }

    fn first(&self) -> (Nanos, Who) {
        let takers = [
            (self.noise.wake_at, Who::Noise),
            (self.forced.wake_at, Who::Forced),
            (self.informed.wake_at, Who::Informed),
        ];
        let mut first = (Nanos::MAX, Who::Noise);
        let makers = self.makers.iter().enumerate().map(|(i, m)| (m.wake_at, Who::Maker(i)));
        for candidate in makers.chain(takers) {
            if candidate.0 < first.0 {
                first = candidate;
            }
        }
        first
    }

    fn noise(&mut self, now: Nanos, venue: &mut Venue, book: &mut OrderBook) {
        let elapsed = now.since(self.excited_at).as_nanos() as f64 / 1e9;
        let calm = 1.0 - EXCITED;
        let kick = EXCITED / (self.noise.rate / calm * EXCITED_S);
        self.excitement = self.excitement * libm::exp(-elapsed / EXCITED_S) + kick / calm;
        self.excited_at = now;
        let dice = &mut self.noise.dice;
        if dice.unit() >= SAME_SIDE {
            self.last_side = self.last_side.opposite();
        }
        let (smallest, exponent, largest) = NOISE_SIZE;
        let size = smallest * libm::pow(1.0 - dice.unit(), -1.0 / exponent);
        let (side, size) = (self.last_side, size.min(largest));
        self.noise.sleep(now, (0.5 + 0.5 * self.fair.activity()) * (1.0 + self.excitement));
        self.walk(now, side, size, NOISE_REACH_BPS, venue, book);
    }

    fn forced(&mut self, now: Nanos, venue: &mut Venue, book: &mut OrderBook) {
        let side = if self.forced.dice.unit() < 0.5 { Side::Buy } else { Side::Sell };
        let reach = self.forced.dice.exponential(self.reach_bps);
        self.forced.sleep(now, self.fair.activity());
        self.walk(now, side, FORCED_SIZE, reach, venue, book);
    }

    /// Takes whatever is stale, on either side.
    fn informed(&mut self, now: Nanos, venue: &mut Venue, book: &mut OrderBook) {
        let fair = self.fair.value();
        let edge = (EDGE_BPS + self.informed.dice.exponential(EDGE_BPS)) * BPS * fair;
        let (low, high) = INFORMED_SIZE;
        let size = self.informed.dice.between(low, high);
        self.informed.sleep(now, 1.0);
        for side in Side::BOTH {
            let limit = match side {
                Side::Buy => (fair - edge).floor(),
                Side::Sell => (fair + edge).ceil(),
            };
            self.take(now, side, Price::new((limit as i64).max(1)), size, venue, book);
        }
    }

    /// Takes up to so far beyond the touch.
    fn walk(
        &self,
        now: Nanos,
        side: Side,
        size: f64,
        reach_bps: f64,
        venue: &mut Venue,
        book: &mut OrderBook,
    ) {
        if let Some(best) = Liquidity::best(book, side.opposite()) {
            let reach = Ticks::new((reach_bps * BPS * self.fair.value()) as i64);
            let limit = side.opposite().away(best, reach).max(Price::new(1));
            self.take(now, side, limit, size, venue, book);
        }
    }

    fn take(
        &self,
        now: Nanos,
        side: Side,
        limit: Price,
        size: f64,
        venue: &mut Venue,
        book: &mut OrderBook,
    ) {
        let qty = venue.terms.instrument.float_qty_at_most(size * self.unit).unwrap_or(Qty::ZERO);
        let order = venue.order_id();
        let taker = Taker { account: AccountId::CROWD, order, side };
        venue.sweep(book, now, taker, limit, qty.max(Qty::new(1)));
    }

    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        self.fair.hash_into(hasher);
        for maker in &self.makers {
            maker.hash_into(hasher);
        }
        for arrivals in [&self.noise, &self.forced, &self.informed] {
            arrivals.hash_into(hasher);
        }
        (self.excitement.to_bits(), self.excited_at, self.last_side).hash(hasher);
        (self.frozen, self.next).hash(hasher);
    }
}
