//! What outlives a session: limits that a restart must not reset, and where our books stood.
//!
//! [`Engine::carry`](crate::Engine::carry) tells it, [`Control::Restore`](crate::Control::Restore)
//! brings it back as the first fact of the next session. From there on start and recovery are one: the
//! venue is asked for every fill since the last one that we know, these are booked as if they had just
//! happened, and the position that follows must be the venue's.

use market::{Nanos, Position, Rate, TradeId, Usd};
use serde::{Deserialize, Serialize};

use crate::ledger::Booked;
use crate::risk::BreakerState;

/// The state of an account's limits and books at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Carry {
    /// Engine time of that moment.
    pub at: Nanos,
    /// The session that wrote it.
    pub session: u32,
    /// What stands until somebody lifts it.
    pub latches: CarriedLatches,
    /// Baselines of the loss limits; `None` before the first account report ever.
    pub baselines: Option<Baselines>,
    /// The circuit breaker.
    pub breaker: CarriedBreaker,
    /// One per instrument.
    pub desks: Vec<CarriedDesk>,
    /// Cash that moved between that moment and the new session, as the venue's income tells it.
    pub meanwhile: Meanwhile,
}

/// What stands until somebody or something lifts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedLatches {
    /// Paused by an operator.
    pub paused: bool,
    /// Halted by an operator.
    pub halted: bool,
    /// The daily loss limit was reached; until 00:00 UTC.
    pub daily_loss: bool,
    /// The drawdown limit was reached.
    pub drawdown: bool,
}

/// What losses are measured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Baselines {
    /// Days since 1970 (UTC).
    pub day: u64,
    /// Equity at the beginning of that day, or of trading if later.
    pub day_start: Usd,
    /// Latest equity.
    pub equity: Usd,
    /// Highest equity.
    pub peak: Usd,
    /// Largest drawdown so far, as a fraction of its peak.
    pub worst: Rate,
}

/// The circuit breaker's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedBreaker {
    /// Where it stands.
    pub state: BreakerState,
    /// Failures in a row.
    pub failures: u32,
    /// Times it has opened.
    pub opened: u64,
    /// Why it opened last.
    pub reason: String,
}

/// One instrument's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedDesk {
    /// The instrument's symbol.
    pub symbol: String,
    /// Signed holding when both sides agreed last.
    pub position: Position,
    /// Paid for it; negative when short.
    pub cost: Usd,
    /// The last fill that both sides agreed on: later ones are asked for.
    pub agreed: Option<TradeId>,
    /// Later fills that are booked already.
    pub booked: Vec<Booked>,
    /// What the wallet held by our books.
    pub wallet: Usd,
    /// The position differed from the venue's and nobody had accepted it.
    pub drift: bool,
}

/// Cash flows while nobody watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meanwhile {
    /// Funding received (positive) or paid.
    pub funding: Usd,
    /// Deposits less withdrawals, and what others did on the account.
    pub transfers: Usd,
}
