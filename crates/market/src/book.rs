//! L2 depth built from events; knows whether it may be trusted.
//!
//! [`Book`] holds what the diffs say and, on top, the latest best bid and ask when the faster ticker
//! stream is ahead of depth. A broken chain of update ids makes it [`BookStatus::Gapped`] until the
//! next snapshot; age is judged by the caller's clock with [`Book::status`].

mod ladder;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{BookTicker, DepthDiff, DepthSnapshot, Level};
use crate::time::Nanos;
use crate::units::{Price, Qty, Side};
use ladder::Ladder;

/// Whether a book may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BookStatus {
    /// Complete, in sequence, fresh, two-sided and not crossed.
    Synced,
    /// Nothing received yet, or the feed is down.
    Empty,
    /// An update is missing; only a snapshot helps.
    Gapped,
    /// No update within the allowed age.
    Stale,
    /// A side is empty.
    OneSided,
    /// Best bid at or above best ask: somebody's error, never priced from.
    Crossed,
}

/// L2 depth of one instrument.
#[derive(Clone, Debug)]
pub struct Book {
    sides: [Ladder; 2],
    ticker: Option<BookTicker>,
    last_id: u64,
    updated: Nanos,
    chain: Chain,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Chain {
    #[default]
    Empty,
    Intact,
    Broken,
}

impl Default for Book {
    fn default() -> Self {
        Self::of(Side::BOTH.map(Ladder::new))
    }
}

impl Book {
    /// An empty book with room for `levels` per side before it allocates again.
    pub fn with_capacity(levels: usize) -> Self {
        Self::of(Side::BOTH.map(|side| Ladder::with_capacity(side, levels)))
    }

    fn of(sides: [Ladder; 2]) -> Self {
        let (last_id, updated, chain) = (0, Nanos::ZERO, Chain::Empty);
        Self { sides, ticker: None, last_id, updated, chain }
    }

    /// Replaces everything.
    pub fn apply_snapshot(&mut self, now: Nanos, snapshot: &DepthSnapshot) {
        for (side, levels) in [(Side::Buy, &snapshot.bids), (Side::Sell, &snapshot.asks)] {
            self.sides[side.index()].replace(levels);
        }
        self.ticker = self.ticker.filter(|ticker| ticker.update_id > snapshot.last_id);
        self.last_id = snapshot.last_id;
        self.updated = now;
        self.chain = Chain::Intact;
    }

    /// Applies changed levels. A diff that ends at or before what we have is ignored; one that does
    /// not follow the last (`previous_id`) breaks the chain and the book waits for a snapshot.
    ///
    /// The first diff after a snapshot may straddle it: it fits when `previous_id` is at or before
    /// the snapshot's id and `last_id` at or after.
    pub fn apply_diff(&mut self, now: Nanos, diff: &DepthDiff) {
        match self.chain {
            Chain::Empty | Chain::Broken => return,
            Chain::Intact if diff.last_id <= self.last_id => return,
            Chain::Intact if diff.previous_id > self.last_id => {
                self.chain = Chain::Broken;
                return;
            }
            Chain::Intact => {}
        }
        for (side, levels) in [(Side::Buy, &diff.bids), (Side::Sell, &diff.asks)] {
            for level in levels {
                self.sides[side.index()].set(*level);
            }
        }
        self.last_id = diff.last_id;
        self.updated = now;
    }

    /// Notes best bid and ask; ignored when older than what depth or ticker said.
    pub fn apply_ticker(&mut self, now: Nanos, ticker: BookTicker) {
        let newest = self.ticker.map_or(self.last_id, |t| t.update_id.max(self.last_id));
        if self.chain == Chain::Intact && ticker.update_id > newest {
            self.ticker = Some(ticker);
            self.updated = now;
        }
    }

    /// The feed is down: nothing here may be used until the next snapshot.
    pub fn feed_down(&mut self) {
        self.chain = Chain::Empty;
        self.ticker = None;
    }

    /// Whether the book may be used at `now`, when data older than `max_age` counts as stale.
    pub fn status(&self, now: Nanos, max_age: Duration) -> BookStatus {
        match self.chain {
            Chain::Empty => BookStatus::Empty,
            Chain::Broken => BookStatus::Gapped,
            Chain::Intact if now.since(self.updated) > max_age => BookStatus::Stale,
            Chain::Intact => match (self.best(Side::Buy), self.best(Side::Sell)) {
                (Some(bid), Some(ask)) if bid.price < ask.price => BookStatus::Synced,
                (Some(_), Some(_)) => BookStatus::Crossed,
                _ => BookStatus::OneSided,
            },
        }
    }

    /// When the last update was taken in.
    pub fn updated(&self) -> Nanos {
        self.updated
    }

    /// Id of the last depth update.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Best level of a side, from the ticker when it is ahead of depth.
    pub fn best(&self, side: Side) -> Option<Level> {
        match self.fresh_ticker() {
            Some(ticker) => {
                let level = if side == Side::Buy { ticker.bid } else { ticker.ask };
                (!level.qty.is_zero()).then_some(level)
            }
            None => self.sides[side.index()].best(),
        }
    }

    /// Best bid and ask, when both exist.
    pub fn touch(&self) -> Option<(Level, Level)> {
        Some((self.best(Side::Buy)?, self.best(Side::Sell)?))
    }

    /// Best bid and ask by depth alone, whatever the ticker says.
    pub fn depth_touch(&self) -> Option<(Level, Level)> {
        let best = |side: Side| self.sides[side.index()].best();
        Some((best(Side::Buy)?, best(Side::Sell)?))
    }

    /// Levels of a side, best first. Where the ticker is ahead of depth it supplies the first level
    /// and depth levels at or better than it are left out.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let top = self.fresh_ticker().and_then(|_| self.best(side));
        let hidden = self.fresh_ticker().is_some() && top.is_none();
        let rest = self.sides[side.index()].best_first().filter(move |level| match top {
            Some(top) => side.is_better(top.price, level.price),
            None => !hidden,
        });
        top.into_iter().chain(rest)
    }

    /// Quantity resting at a price according to depth and ticker.
    pub fn qty_at(&self, side: Side, price: Price) -> Qty {
        if self.fresh_ticker().is_some() {
            match self.best(side) {
                Some(best) if best.price == price => return best.qty,
                Some(best) if side.is_better(best.price, price) => {}
                Some(_) | None => return Qty::ZERO,
            }
        }
        self.sides[side.index()].qty_at(price)
    }

    /// Number of depth levels held on a side.
    pub fn depth(&self, side: Side) -> usize {
        self.sides[side.index()].len()
    }

    fn fresh_ticker(&self) -> Option<&BookTicker> {
        self.ticker.as_ref().filter(|ticker| ticker.update_id > self.last_id)
    }

    /// Feeds everything that decides future behaviour into a hasher.
    pub fn hash_into(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        (self.last_id, self.updated, self.chain).hash(hasher);
        // One that depth has overtaken still counts: a snapshot may start over from before it.
        if let Some(ticker) = &self.ticker {
            (ticker.update_id, ticker.bid, ticker.ask).hash(hasher);
        }
        self.sides.len().hash(hasher);
        self.sides.iter().for_each(|side| side.hash_into(hasher));
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// When a side is not strictly sorted, holds an empty level or loses one: a bug of ours.
    pub fn assert_invariants(&self) {
        self.sides.iter().for_each(Ladder::assert_invariants);
    }
}
