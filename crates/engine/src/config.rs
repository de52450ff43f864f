//! What the engine is told once at the start, and may be told again by [`Control::Configure`].
//!
//! [`Control::Configure`]: crate::input::Control::Configure

use std::time::Duration;

use market::{Instrument, Qty, Rate, Usd};
use quoting::StrategyConfig;
use serde::{Deserialize, Serialize};

/// Everything the engine needs to know; complete, nothing defaulted later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// Names this run; part of every client order id, so unique per start.
    pub session: u32,
    /// Account-wide limits on loss.
    pub loss: LossLimits,
    /// Circuit breaker.
    pub breaker: BreakerConfig,
    /// One entry per instrument; the index is the instrument's id.
    pub desks: Vec<DeskConfig>,
}

/// One instrument's slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeskConfig {
    /// The contract.
    pub instrument: Instrument,
    /// What to quote.
    pub strategy: StrategyConfig,
    /// Maker fee as a fraction; negative is a rebate.
    pub maker_fee: Rate,
    /// Taker fee as a fraction.
    pub taker_fee: Rate,
    /// When and how to replace quotes.
    pub requote: Requote,
    /// Limits on orders and position.
    pub limits: Limits,
    /// How a position is worked down on `flatten`.
    pub flatten: Flatten,
    /// A request without an answer for this long is in doubt.
    pub ack_timeout: Duration,
    /// How often our records are compared with the venue's although nothing is in doubt.
    pub reconcile_interval: Duration,
    /// The venue cancels everything when not re-armed for this long.
    pub dead_man_countdown: Duration,
    /// How often the switch is re-armed.
    pub dead_man_refresh: Duration,
}

/// When quotes are replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requote {
    /// Decide on every event (true) or only every `interval` (false).
    pub on_event: bool,
    /// The longest time between two decisions.
    pub interval: Duration,
    /// A quote is left alone for this long unless a fill or risk demands otherwise.
    pub min_interval: Duration,
    /// Price differences up to this fraction of the half-spread are noise.
    pub price_tolerance: f64,
    /// Quantity differences up to this fraction are noise.
    pub size_tolerance: f64,
    /// Move orders by amending (one request) instead of cancel and place (two).
    pub amend: bool,
}

/// Limits the gate enforces, per instrument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest position, long or short, if every working order filled.
    pub max_position: Qty,
    /// Largest price times quantity of one order.
    pub max_order_value: Usd,
    /// Largest quantity of one order.
    pub max_order_qty: Qty,
    /// Largest distance of an order's price from mid, as a fraction of mid.
    pub price_collar: Rate,
    /// Places and amends in any one second.
    pub max_orders_per_second: u32,
    /// Places and amends in any one minute.
    pub max_orders_per_minute: u32,
    /// Orders that are not done.
    pub max_open_orders: u32,
    /// A book without an update for longer is stale.
    pub max_book_age: Duration,
}

/// Account-wide limits on loss.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct LossLimits {
    /// Largest loss since 00:00 UTC, in quote currency.
    pub daily_loss: Usd,
    /// Largest fall from the equity peak, as a fraction of the peak.
    pub drawdown: Rate,
}

/// When the breaker opens and how it closes again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakerConfig {
    /// Failures in a row that open it.
    pub threshold: u32,
    /// How long it stays open before a half-open trial.
    pub timeout: Duration,
}

/// How `flatten` works a position down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flatten {
    /// Rest passively at the touch this long before taking.
    pub patience: Duration,
    /// Then take, at most this fraction of mid beyond the touch.
    pub slippage: Rate,
}
