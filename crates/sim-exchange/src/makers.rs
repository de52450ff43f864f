//! Liquidity providers: each keeps a ladder around fair value as it sees it, late and blurred.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::{Instrument, Nanos, Price, Qty, Side};

use crate::book::{Handle, OrderBook, Resting};
use crate::config::AccountId;
use crate::fair::FairValue;
use crate::rng::Dice;
use crate::venue::{Liquidity, Venue};

/// Rungs per side.
const RUNGS: usize = 12;
/// Rungs moved per wake, both sides together: what a provider's own order rate allows.
const MOVES: usize = 8;
/// How many of the providers are patient.
const PATIENT: u16 = 2;

const STREAM_MAKERS: u64 = 1_000;

/// How a provider quotes. Distances in ticks, sizes in units of the market.
#[derive(Clone, Copy, Debug)]
struct Style {
    /// From its fair value to the first rung, in an average phase.
    half: f64,
    /// Between the first and the second rung; each further gap is wider by `stretch`.
    gap: f64,
    stretch: f64,
    /// Size of the first rung; each further rung is bigger by `growth` times it.
    size: f64,
    growth: f64,
    lag: Duration,
    /// Standard deviation of its error about fair value.
    blur: f64,
    /// Mean time between two looks, in seconds.
    pace: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rung {
    handle: Handle,
    price: Price,
}

/// One provider.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    account: AccountId,
    style: Style,
    dice: Dice,
    pub(crate) wake_at: Nanos,
    error: f64,
    ladders: [[Option<Rung>; RUNGS]; 2],
    offsets: [f64; RUNGS],
}

impl Maker {
    /// Number `index` of `count` providers; the last two are patient and quote far and big.
    pub(crate) fn new(index: u16, count: u16, seed: u64, start: Nanos) -> Self {
        let mut dice = Dice::new(seed, STREAM_MAKERS + u64::from(index));
        let patient = index + PATIENT >= count;
        let rank = f64::from(index) / f64::from(count.saturating_sub(PATIENT + 1).max(1));
        let style = if patient {
            Style {
                half: 25.0,
                gap: dice.between(18.0, 30.0),
                stretch: 1.3,
                size: 15.0,
                growth: 0.5,
                lag: Duration::from_millis(200),
                blur: 5.0,
                pace: 0.3,
            }
        } else {
            Style {
                half: 0.8 + 4.0 * rank,
                gap: dice.between(1.5, 4.0),
                stretch: dice.between(1.2, 1.45),
                size: dice.between(0.7, 3.0),
                growth: dice.between(0.3, 0.9),
                lag: Duration::from_millis(10 + (dice.unit() * 60.0) as u64),
                blur: 1.0 + 1.5 * rank,
                pace: dice.between(0.05, 0.11),
            }
        };
        let mut offsets = [0.0; RUNGS];
        let mut gap = style.gap;
        for rung in 1..RUNGS {
            offsets[rung] = offsets[rung - 1] + gap * dice.between(0.7, 1.3);
            gap *= style.stretch;
        }
        Self {
            account: AccountId(AccountId::CROWD.0 + 1 + index),
            style,
            dice,
            wake_at: start,
            error: 0.0,
            ladders: [[None; RUNGS]; 2],
            offsets,
        }
    }

    /// Looks, and moves what has drifted; `moves` limits how many rungs.
    pub(crate) fn act(
        &mut self,
        now: Nanos,
        fair: &FairValue,
        unit: f64,
        venue: &mut Venue,
        book: &mut OrderBook,
    ) {
        let pause = self.dice.exponential(self.style.pace).min(self.style.pace * 4.0) + 0.004;
        self.wake_at = now + Duration::from_nanos((pause * 1e9) as u64);
        self.error = 0.9 * self.error + 0.436 * self.style.blur * self.dice.normal();
        let center = fair.seen_after(self.style.lag) + self.error;
        let half = self.style.half * (0.6 + 0.4 * fair.activity());
        let mut stale = [(Side::Buy, 0, Price::ZERO); 2 * RUNGS];
        let mut count = 0;
        let tops = Side::BOTH.map(|side| self.top(side, center, half, book));
        for rung in 0..RUNGS {
            for side in Side::BOTH {
                let target = self.target(side, rung, tops[side.index()]);
                if count < MOVES && self.has_drifted(side, rung, target, book) {
                    stale[count] = (side, rung, target);
                    count += 1;
                }
            }
        }
        for &(side, rung, _) in &stale[..count] {
            if let Some(old) = self.ladders[side.index()][rung].take() {
                book.remove(old.handle);
            }
        }
        for &(side, rung, target) in &stale[..count] {
            let qty = self.size(rung, unit, &venue.terms.instrument);
            self.place(side, rung, target, qty, venue, book);
        }
    }

    /// Puts the whole ladder up at once: the opening.
    pub(crate) fn open(
        &mut self,
        now: Nanos,
        fair: &FairValue,
        unit: f64,
        venue: &mut Venue,
        book: &mut OrderBook,
    ) {
        for _ in 0..2 * RUNGS / MOVES + 1 {
            self.act(now, fair, unit, venue, book);
        }
    }

    /// Where the first rung goes, not crossing what is there.
    fn top(&self, side: Side, center: f64, half: f64, book: &OrderBook) -> f64 {
        let sign = side.sign() as f64;
        let wanted = center - sign * half;
        match Liquidity::best(book, side.opposite()) {
            Some(best) => {
                let nearest = best.raw() as f64 - sign;
                if side == Side::Buy { wanted.min(nearest) } else { wanted.max(nearest) }
            }
            None => wanted,
        }
    }

    fn target(&self, side: Side, rung: usize, top: f64) -> Price {
        let ticks = match side {
            Side::Buy => (top - self.offsets[rung]).floor(),
            Side::Sell => (top + self.offsets[rung]).ceil(),
        };
        Price::new((ticks as i64).max(1))
    }

    fn has_drifted(&self, side: Side, rung: usize, target: Price, book: &OrderBook) -> bool {
        let Some(old) = self.ladders[side.index()][rung] else {
            return true;
        };
        if book.get(old.handle).is_none() {
            return true;
        }
        let drift = (target - old.price).raw().unsigned_abs() as f64;
        drift > 0.25 * (self.style.half + self.offsets[rung])
    }

    fn size(&mut self, rung: usize, unit: f64, instrument: &Instrument) -> Qty {
        let growth = 1.0 + self.style.growth * rung as f64;
        let size = self.style.size * growth * self.dice.between(0.5, 1.5) * unit;
        instrument.float_qty_at_most(size).unwrap_or(Qty::ZERO).max(Qty::new(1))
    }

    fn place(
        &mut self,
        side: Side,
        rung: usize,
        target: Price,
        qty: Qty,
        venue: &mut Venue,
        book: &mut OrderBook,
    ) {
        // Post-only: what would take by now waits for the next look.
        let best = Liquidity::best(book, side.opposite());
        if best.is_some_and(|best| side.crosses(target, best)) {
            return;
        }
        let id = venue.order_id().0;
        let order = Resting { id, owner: self.account, side, price: target, qty };
        let handle = book.insert(order);
        self.ladders[side.index()][rung] = Some(Rung { handle, price: target });
    }

    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        self.dice.hash_into(hasher);
        (self.wake_at, self.error.to_bits(), self.ladders).hash(hasher);
    }
}
