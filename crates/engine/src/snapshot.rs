//! The only thing the outside may see of the inside.

use market::venue::Outcome;
use market::{
    BookStatus, ClientOrderId, FinePrice, Instrument, Level, Nanos, Position, Price, Qty, Rate,
    Side, Usd,
};
use quoting::{Diagnostics, Quotes};

use crate::risk::{BreakerState, Mode, RiskLevel, Standstill};

/// Book levels per side in a snapshot.
pub const BOOK_LEVELS: usize = 25;

/// The engine at one moment. Cheap to build a few times a second, never on the hot path.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When.
    pub now: Nanos,
    /// Names this run.
    pub session: u32,
    /// How much the engine may do: the least of all desks.
    pub mode: Mode,
    /// An operator has paused quoting.
    pub paused: bool,
    /// An operator or a loss limit has halted trading.
    pub halted: bool,
    /// How close the limits are.
    pub risk_level: RiskLevel,
    /// Circuit breaker.
    pub breaker: BreakerView,
    /// Used and allowed per limit, in the limit's own unit.
    pub utilisation: Vec<Utilisation>,
    /// Money, over all desks.
    pub pnl: PnlView,
    /// One entry per instrument.
    pub desks: Vec<DeskView>,
}

/// The breaker for displays.
#[derive(Clone, Debug)]
pub struct BreakerView {
    /// State.
    pub state: BreakerState,
    /// Failures in a row.
    pub failures: u32,
    /// Failures in a row that open it.
    pub threshold: u32,
    /// Times it has opened in this session.
    pub opened: u64,
    /// Why it opened last; empty if never.
    pub reason: String,
    /// When a half-open trial starts.
    pub retry_at: Option<Nanos>,
}

/// One limit and how much of it is used.
#[derive(Clone, Debug)]
pub struct Utilisation {
    /// The configuration key, e.g. `daily_loss_limit`.
    pub limit: &'static str,
    /// In use.
    pub used: f64,
    /// Allowed.
    pub allowed: f64,
}

/// Money, over the session unless it says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct PnlView {
    /// Wallet at the first account report plus everything since, marked to market.
    pub equity: Usd,
    /// Equity at the first account report.
    pub initial: Usd,
    /// Highest equity so far.
    pub peak: Usd,
    /// Realized by closing positions, before fees and funding.
    pub realized: Usd,
    /// Open positions at mark price against their cost.
    pub unrealized: Usd,
    /// Paid in fees; negative is earned.
    pub fees: Usd,
    /// Received (positive) or paid in funding.
    pub funding: Usd,
    /// Deposits less withdrawals; not PnL.
    pub transfers: Usd,
    /// `realized + unrealized - fees + funding`.
    pub total: Usd,
    /// Change of equity since 00:00 UTC, transfers excluded.
    pub day: Usd,
    /// Current fall from the peak.
    pub drawdown: Usd,
    /// Largest fall from the peak as a fraction of the peak then.
    pub max_drawdown: f64,
    /// Attribution: earned against the mid at each fill.
    pub spread_capture: Usd,
    /// Attribution: gained by holding while the mid moved.
    pub inventory: Usd,
    /// Attribution: unrealized at mark price beyond what it is at mid.
    pub basis: Usd,
    /// Attribution: unrealized PnL brought into the session by an open position.
    pub carried: Usd,
    /// Worst result of a single fill, its fee included; zero or negative.
    pub worst_trade: Usd,
}

/// One instrument for displays.
#[derive(Clone, Debug)]
pub struct DeskView {
    /// The contract, for names and decimals.
    pub instrument: Instrument,
    /// How much this desk may do.
    pub mode: Mode,
    /// Every reason for not quoting, most important first.
    pub standstill: Vec<Standstill>,
    /// Whether the book may be used.
    pub book_status: BookStatus,
    /// When the book changed last.
    pub book_updated: Nanos,
    /// Best first, at most [`BOOK_LEVELS`].
    pub bids: Vec<Level>,
    /// Best first, at most [`BOOK_LEVELS`].
    pub asks: Vec<Level>,
    /// The venue's mark price, once known.
    pub mark: Option<FinePrice>,
    /// Running funding rate.
    pub funding_rate: Rate,
    /// When funding is due.
    pub next_funding: Nanos,
    /// Signed holding.
    pub position: Position,
    /// Whether the holding has been confirmed by the venue in this session.
    pub position_known: bool,
    /// The strategy's inventory limit.
    pub max_inventory: Qty,
    /// The risk limit on position.
    pub max_position: Qty,
    /// Average entry price; zero when flat.
    pub entry: FinePrice,
    /// Largest position if every buy filled.
    pub exposure_long: Position,
    /// Smallest (most short) position if every sell filled.
    pub exposure_short: Position,
    /// This desk's money; account-wide fields (equity, peak, day, drawdown) are zero.
    pub pnl: PnlView,
    /// What the strategy wants, after the mode restrained it.
    pub target: Quotes,
    /// What the strategy thinks.
    pub diagnostics: Diagnostics,
    /// Orders that are not done.
    pub orders: Vec<OrderView>,
    /// When the dead-man's switch fires unless re-armed; `None` when not armed.
    pub dead_man_until: Option<Nanos>,
    /// Whether the user stream is up.
    pub stream_up: bool,
    /// Counters since the session began.
    pub counters: Counters,
}

/// A live order for displays.
#[derive(Clone, Debug)]
pub struct OrderView {
    /// Our name for it.
    pub client_id: ClientOrderId,
    /// State, in one word (`pending_new`, `live`, `pending_amend`, `pending_cancel`, `in_doubt`).
    pub state: &'static str,
    /// Side.
    pub side: Side,
    /// Limit.
    pub price: Price,
    /// Total quantity.
    pub qty: Qty,
    /// Of it filled.
    pub filled: Qty,
    /// May only shrink the position.
    pub reduce_only: bool,
    /// When we sent it.
    pub created: Nanos,
}

/// Counts since the session began; definitions in `design.md` section 6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// New orders sent.
    pub placed: u64,
    /// Amendments sent.
    pub amended: u64,
    /// Cancels sent.
    pub canceled: u64,
    /// New orders the venue accepted.
    pub accepted: u64,
    /// New orders the venue rejected, post-only ones not counted.
    pub rejected: u64,
    /// New orders refused because post-only would have taken.
    pub post_only_rejected: u64,
    /// Requests our own gate refused.
    pub refused: u64,
    /// Requests whose fate became unknown.
    pub in_doubt: u64,
    /// Impossible or contradictory reports.
    pub anomalies: u64,
    /// Orders with at least one fill.
    pub orders_filled: u64,
    /// Executions, by side (buy, sell).
    pub fills: [u64; 2],
    /// Lots executed, by side.
    pub filled_qty: [Qty; 2],
    /// Value executed, by side.
    pub filled_value: [Usd; 2],
    /// Ended orders by [`Outcome`]: filled, canceled, expired, rejected.
    pub ended: [u64; 4],
    /// Decisions in which the target changed.
    pub quotes: u64,
}

impl Counters {
    /// The slot of an outcome in [`Counters::ended`].
    pub const fn slot(outcome: Outcome) -> usize {
        match outcome {
            Outcome::Filled => 0,
            Outcome::Canceled => 1,
            Outcome::Expired => 2,
            Outcome::Rejected => 3,
        }
    }
}
