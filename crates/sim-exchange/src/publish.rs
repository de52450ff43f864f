//! Public market data: gathers book changes into diffs and best-price changes into tickers.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::{BookTicker, DepthDiff, DepthSnapshot, Level, MarketKind, Nanos, Price, Qty, Side};

use crate::book::OrderBook;

/// At most one ticker in this span.
const TICKER_INTERVAL: Duration = Duration::from_millis(1);
/// Levels per side in a snapshot (Binance depth limit).
const SNAPSHOT_LEVELS: usize = 1_000;

/// What has been published, and when more is due.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    diff_interval: Duration,
    last_id: u64,
    touch: [Level; 2],
    /// When to publish the changes of depth.
    pub(crate) diff_due: Option<Nanos>,
    /// When to publish best bid and ask.
    pub(crate) ticker_due: Option<Nanos>,
}

impl Publisher {
    pub(crate) fn new(diff_interval: Duration) -> Self {
        Self {
            diff_interval: diff_interval.max(TICKER_INTERVAL),
            last_id: 0,
            touch: [NOTHING; 2],
            diff_due: None,
            ticker_due: None,
        }
    }

    /// Looks whether something is to be published; both kinds wait for their next grid point.
    pub(crate) fn notice(&mut self, now: Nanos, book: &OrderBook) {
        if self.diff_due.is_none() && book.is_dirty() {
            self.diff_due = Some(grid_after(now, self.diff_interval));
        }
        if self.ticker_due.is_none() && touch(book) != self.touch {
            self.ticker_due = Some(grid_after(now, TICKER_INTERVAL));
        }
    }

    /// The whole book. The diff after it may straddle it.
    pub(crate) fn snapshot(book: &OrderBook) -> MarketKind {
        let levels = |side| book.levels(side).take(SNAPSHOT_LEVELS).collect();
        MarketKind::Snapshot(DepthSnapshot {
            last_id: book.changes(),
            bids: levels(Side::Buy),
            asks: levels(Side::Sell),
        })
    }

    /// The changes since the last diff.
    pub(crate) fn diff(&mut self, book: &mut OrderBook) -> MarketKind {
        self.diff_due = None;
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        book.take_changed(Side::Buy, &mut bids);
        book.take_changed(Side::Sell, &mut asks);
        let previous_id = std::mem::replace(&mut self.last_id, book.changes());
        let (first_id, last_id) = (previous_id + 1, self.last_id);
        MarketKind::Diff(DepthDiff { first_id, last_id, previous_id, bids, asks })
    }

    /// Best bid and ask, unless they are again what was published last.
    pub(crate) fn ticker(&mut self, book: &OrderBook) -> Option<MarketKind> {
        self.ticker_due = None;
        let touch = touch(book);
        let changed = std::mem::replace(&mut self.touch, touch) != touch;
        let [bid, ask] = touch;
        changed.then(|| MarketKind::Ticker(BookTicker { update_id: book.changes(), bid, ask }))
    }

    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        (self.last_id, self.touch, self.diff_due, self.ticker_due).hash(hasher);
    }
}

const NOTHING: Level = Level { price: Price::ZERO, qty: Qty::ZERO };

fn touch(book: &OrderBook) -> [Level; 2] {
    Side::BOTH.map(|side| book.best(side).unwrap_or(NOTHING))
}

/// The next multiple of `interval` strictly after `now`.
pub(crate) fn grid_after(now: Nanos, interval: Duration) -> Nanos {
    let step = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    Nanos((now.0 / step).saturating_add(1).saturating_mul(step))
}
