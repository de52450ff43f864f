//! The read-only picture a strategy sees.

use market::{Book, Instrument, Nanos, Position};
use serde::{Deserialize, Serialize};

/// Fee rates of the account as fractions of notional; negative is a rebate.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Fees {
    /// For resting orders (`0.0002` is 2 basis points).
    pub maker: f64,
    /// For orders that take.
    pub taker: f64,
}

/// Everything a strategy may look at when it decides.
///
/// Orders in flight are absent on purpose: a strategy says what should rest, not how to get there.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The time of the decision.
    pub now: Nanos,
    /// The contract and its rules.
    pub instrument: &'a Instrument,
    /// Depth; the caller vouches that it is synced.
    pub book: &'a Book,
    /// Signed holding.
    pub position: Position,
    /// What trading costs.
    pub fees: Fees,
}
