//! What the market tells us, already in integers.

use serde::{Deserialize, Serialize};

use crate::ids::InstrumentId;
use crate::time::Nanos;
use crate::units::{FinePrice, Price, Qty, Rate, Side};

/// One price level of a book; a quantity of zero removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Level {
    /// Where.
    pub price: Price,
    /// How much rests there in all.
    pub qty: Qty,
}

/// A fact about an instrument's market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketEvent {
    /// Which instrument.
    pub instrument: InstrumentId,
    /// The venue's time of the event.
    pub ts_event: Nanos,
    /// What happened.
    pub kind: MarketKind,
}

/// The kinds of market facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MarketKind {
    /// The whole book anew.
    Snapshot(DepthSnapshot),
    /// Changes since the previous update.
    Diff(DepthDiff),
    /// Best bid and ask, faster than depth.
    Ticker(BookTicker),
    /// A public print.
    Trade(Trade),
    /// Mark price and funding.
    Mark(MarkUpdate),
    /// The market data connection works again; a snapshot follows.
    FeedUp,
    /// The market data connection is gone or has a gap; the book must not be used.
    FeedDown,
}

/// A full book. Levels beyond those listed are unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepthSnapshot {
    /// Id of the last update that is contained.
    pub last_id: u64,
    /// Bids, any order.
    pub bids: Vec<Level>,
    /// Asks, any order.
    pub asks: Vec<Level>,
}

/// Changed levels with their new absolute quantities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepthDiff {
    /// First update id contained (`U`).
    pub first_id: u64,
    /// Last update id contained (`u`).
    pub last_id: u64,
    /// `last_id` of the diff before this one (`pu`); a mismatch is a gap.
    pub previous_id: u64,
    /// Changed bids.
    pub bids: Vec<Level>,
    /// Changed asks.
    pub asks: Vec<Level>,
}

/// Best bid and ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookTicker {
    /// Update id, comparable with those of diffs.
    pub update_id: u64,
    /// Best bid.
    pub bid: Level,
    /// Best ask.
    pub ask: Level,
}

/// A public print by anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// The venue's trade id.
    pub id: i64,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Side of the taker (Binance `m` = true is a sell).
    pub aggressor: Side,
}

/// Mark price and the funding to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkUpdate {
    /// The venue's margin price.
    pub mark: FinePrice,
    /// Index price.
    pub index: FinePrice,
    /// Running estimate of the next funding rate; longs pay when positive.
    pub funding_rate: Rate,
    /// When it will be paid.
    pub next_funding: Nanos,
}
