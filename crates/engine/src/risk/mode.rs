//! How much the engine may do, and why not more.

use std::fmt;

use market::venue::Obstacle;
use market::{BookStatus, Position, Side};
use quoting::Quotes;
use serde::{Deserialize, Serialize};

/// How much may be done, ordered from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Two-sided quoting.
    Quoting,
    /// Only orders that shrink the position.
    ReduceOnly,
    /// Nothing rests. A halt is an empty target, not an early return.
    Halted,
}

impl Mode {
    /// Lower-case name used in logs, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quoting => "quoting",
            Self::ReduceOnly => "reduce_only",
            Self::Halted => "halted",
        }
    }

    /// What is left of the strategy's wish in this mode.
    pub fn restrain(self, wanted: &Quotes, position: Position) -> Quotes {
        match self {
            Self::Quoting => wanted.clone(),
            Self::ReduceOnly => match position.side() {
                Some(held) => wanted.clone().only(held.opposite()),
                None => Quotes::NONE,
            },
            Self::Halted => Quotes::NONE,
        }
    }
}

/// A reason for not quoting normally. Order of declaration is order of importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standstill {
    /// The process is stopping.
    Shutdown,
    /// Halted by an operator until deliberately resumed.
    OperatorHalt,
    /// The drawdown limit was reached; latched until deliberately resumed.
    Drawdown,
    /// The daily loss limit was reached; lasts until 00:00 UTC.
    DailyLoss,
    /// The circuit breaker is open.
    BreakerOpen,
    /// Local and venue state differ and no report explains it.
    Drift,
    /// The link to the venue does not allow trading as usual.
    Venue(Obstacle),
    /// The user stream is down: fills may be missing.
    StreamDown,
    /// The position has not been confirmed by the venue since start or since doubt.
    PositionUnknown,
    /// The book may not be used.
    Book(BookStatus),
    /// The dead-man's switch is not armed.
    DeadManUnarmed,
    /// Paused by an operator.
    Paused,
    /// The position is beyond its limit: only reducing orders.
    PositionLimit,
    /// Signals are still warming up; the strategy does not quote yet.
    Warmup,
    /// The configured size is less than the venue takes: nothing can be quoted.
    BelowMinimum,
}

impl Standstill {
    /// The most this reason allows.
    pub const fn mode(self) -> Mode {
        match self {
            Self::PositionLimit | Self::Venue(Obstacle::OnlyReduce) => Mode::ReduceOnly,
            Self::Warmup | Self::BelowMinimum => Mode::Quoting,
            Self::Shutdown
            | Self::OperatorHalt
            | Self::Drawdown
            | Self::DailyLoss
            | Self::BreakerOpen
            | Self::Drift
            | Self::Venue(
                Obstacle::Account | Obstacle::Contract | Obstacle::Banned | Obstacle::Clock,
            )
            | Self::StreamDown
            | Self::PositionUnknown
            | Self::Book(_)
            | Self::DeadManUnarmed
            | Self::Paused => Mode::Halted,
        }
    }

    /// Lower-case name used in logs, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::OperatorHalt => "operator_halt",
            Self::Drawdown => "drawdown",
            Self::DailyLoss => "daily_loss",
            Self::BreakerOpen => "breaker_open",
            Self::Drift => "drift",
            Self::Venue(obstacle) => obstacle.name(),
            Self::StreamDown => "user_stream_down",
            Self::PositionUnknown => "position_unknown",
            Self::Book(BookStatus::Empty) => "book_empty",
            Self::Book(BookStatus::Gapped) => "book_gapped",
            Self::Book(BookStatus::Stale) => "book_stale",
            Self::Book(BookStatus::OneSided) => "book_one_sided",
            Self::Book(BookStatus::Crossed) => "book_crossed",
            Self::Book(BookStatus::Synced) => "book_synced",
            Self::DeadManUnarmed => "dead_man_unarmed",
            Self::Paused => "paused",
            Self::PositionLimit => "position_limit",
            Self::Warmup => "warmup",
            Self::BelowMinimum => "below_minimum",
        }
    }
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How close the limits are; `risk_level` 1 to 4 in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RiskLevel {
    /// Every limit is used by less than half.
    Low = 1,
    /// Some limit is used by half or more.
    Medium = 2,
    /// Some limit is used by 80 % or more.
    High = 3,
    /// A limit is reached, the breaker is open, or trading is halted by a limit.
    Critical = 4,
}

impl RiskLevel {
    /// Lower-case name used in logs and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The side on which an order enlarges a position, if it is not flat.
pub fn enlarges(position: Position, side: Side) -> bool {
    position.side() != Some(side.opposite())
}
