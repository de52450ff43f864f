//! Mark price, index and funding of the simulated market.
//!
//! The index is an average of the mid over some seconds; the mark is the median of index, index
//! plus average basis, and last trade, so that no single odd print moves margins.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::{FinePrice, MarkUpdate, Nanos, Rate};

use crate::publish::grid_after;

const SECOND: Duration = Duration::from_secs(1);
/// The index closes this fraction of its distance to mid each second.
const INDEX_SECONDS: i64 = 4;
/// The same for the average basis (mid less index).
const BASIS_SECONDS: i64 = 150;
/// Interest part of funding per 8 h: 0.01 % (Binance USD-M).
const INTEREST: i64 = 10_000;
/// The premium may pull the rate this far from interest: 0.05 %.
const CLAMP: i64 = 50_000;
/// Cap of the rate: 0.30 % (ETHUSDC, BTCUSDT).
const CAP: i64 = 300_000;

/// Mark, index and the clock of funding.
#[derive(Clone, Debug)]
pub(crate) struct MarkModel {
    interval: Duration,
    mark: FinePrice,
    index: FinePrice,
    basis: i64,
    last: FinePrice,
    premium: i128,
    samples: i128,
    /// When mark and index are computed and published next.
    pub(crate) update_due: Nanos,
    /// When funding is paid next.
    pub(crate) funding_due: Nanos,
}

impl MarkModel {
    pub(crate) fn new(start: Nanos, price: FinePrice, interval: Duration) -> Self {
        Self {
            interval,
            mark: price,
            index: price,
            basis: 0,
            last: price,
            premium: 0,
            samples: 0,
            update_due: start,
            funding_due: if interval.is_zero() { Nanos::MAX } else { grid_after(start, interval) },
        }
    }

    /// A trade happened at this price.
    pub(crate) fn note_trade(&mut self, price: FinePrice) {
        self.last = price;
    }

    /// From outside: everything is this price now.
    pub(crate) fn set(&mut self, price: FinePrice) {
        (self.mark, self.index, self.last, self.basis) = (price, price, price, 0);
    }

    /// One second has passed; `mid` is absent while a side of the book is empty.
    pub(crate) fn update(&mut self, now: Nanos, mid: Option<FinePrice>) -> MarkUpdate {
        self.update_due = grid_after(now, SECOND);
        if let Some(mid) = mid {
            let distance = mid.raw() - self.index.raw();
            self.index = FinePrice::new(self.index.raw() + distance / INDEX_SECONDS);
            self.basis += (mid.raw() - self.index.raw() - self.basis) / BASIS_SECONDS;
            let shifted = FinePrice::new(self.index.raw() + self.basis);
            self.mark = median(self.index, shifted, self.last);
            self.premium += i128::from(mid.raw() - self.index.raw()) * 100_000_000
                / i128::from(self.index.raw().max(1));
            self.samples += 1;
        }
        MarkUpdate {
            mark: self.mark,
            index: self.index,
            funding_rate: self.rate(),
            next_funding: self.funding_due,
        }
    }

    /// The interval's rate; the next interval begins.
    pub(crate) fn settle(&mut self, now: Nanos) -> Rate {
        let rate = self.rate();
        (self.premium, self.samples) = (0, 0);
        self.funding_due = grid_after(now, self.interval);
        rate
    }

    /// Average premium plus interest within the clamp, scaled to the interval and capped.
    fn rate(&self) -> Rate {
        let premium = i64::try_from(self.premium / self.samples.max(1)).unwrap_or(0);
        let rate = premium + (INTEREST - premium).clamp(-CLAMP, CLAMP);
        let minutes = i64::try_from(self.interval.as_secs() / 60).unwrap_or(480);
        Rate::new((rate * minutes / 480).clamp(-CAP, CAP))
    }

    pub(crate) fn mark(&self) -> FinePrice {
        self.mark
    }

    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        (self.mark, self.index, self.basis, self.last).hash(hasher);
        (self.premium, self.samples, self.update_due, self.funding_due).hash(hasher);
    }
}

fn median(a: FinePrice, b: FinePrice, c: FinePrice) -> FinePrice {
    a.max(b).min(a.min(b).max(c))
}
