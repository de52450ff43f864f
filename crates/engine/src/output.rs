//! Everything the engine can ask for, and everything it tells.

use std::time::Duration;

use market::venue::{Fill, Outcome, RejectReason, RequestKind, VenueCommand};
use market::{ClientOrderId, InstrumentId, Position, Usd};
use serde::{Deserialize, Serialize};

use crate::risk::{Approved, BreakerState, Mode, Refusal, RiskLevel, Standstill};

/// One effect of a step.
///
/// The parameter is [`Approved`] when it comes from the engine and plain [`VenueCommand`] when it
/// was read back from a journal, where nothing may be sent from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output<C = Approved> {
    /// Send this to the venue.
    Venue(C),
    /// Tell a human.
    Alert(Alert),
    /// Tell metrics and the console.
    Note(Note),
}

/// An output as a journal holds it.
pub type RecordedOutput = Output<VenueCommand>;

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlertLevel {
    /// Worth knowing.
    Info,
    /// Look today.
    Warning,
    /// Look soon.
    Error,
    /// Look now.
    Critical,
}

/// What an alert is about; one per rule, so that they can be grouped and silenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlertKind {
    /// The breaker opened.
    BreakerOpen,
    /// The daily loss limit is reached.
    DailyLoss,
    /// The drawdown limit is reached.
    Drawdown,
    /// The position is beyond its limit.
    PositionLimit,
    /// An order's fate is unknown.
    InDoubt,
    /// The venue said something impossible.
    Anomaly,
    /// Local and venue state differ.
    Drift,
    /// Market data is gone, stale or broken while we want to quote.
    MarketData,
    /// The user stream is gone.
    UserStream,
    /// The link to the venue does not allow trading as usual.
    Venue,
    /// The dead-man's switch could not be refreshed.
    DeadMan,
    /// The configuration cannot work as it is.
    Configuration,
    /// The order is not ours; it is reported and left alone.
    ForeignOrder,
    /// An operator acted.
    Operator,
    /// A position has been flattened.
    Flattened,
    /// The venue trades in our place: liquidation, auto-deleveraging, settlement.
    ForcedClose,
}

/// A message for a human.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Urgency.
    pub level: AlertLevel,
    /// Subject.
    pub kind: AlertKind,
    /// What happened, where, and what to do. English, one line.
    pub message: String,
}

/// A fact for metrics, logs and the console.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Note {
    /// A place, amend or cancel request leaves.
    Sent {
        /// Which instrument.
        instrument: InstrumentId,
        /// The order.
        client_id: ClientOrderId,
        /// Which request.
        request: RequestKind,
    },
    /// The venue acknowledged a new order.
    Acked {
        /// Which instrument.
        instrument: InstrumentId,
        /// The order.
        client_id: ClientOrderId,
        /// From submission to acknowledgement.
        latency: Duration,
    },
    /// The venue said no.
    Rejected {
        /// Which instrument.
        instrument: InstrumentId,
        /// The order.
        client_id: ClientOrderId,
        /// Which request.
        request: RequestKind,
        /// Why.
        reason: RejectReason,
    },
    /// Our risk gate said no.
    Refused {
        /// Which instrument.
        instrument: InstrumentId,
        /// The rule.
        refusal: Refusal,
    },
    /// An execution, counted once.
    Filled {
        /// Which instrument.
        instrument: InstrumentId,
        /// The execution.
        fill: Fill,
        /// Position after it.
        position: Position,
        /// Distance to the mid at that moment, positive when earned; zero without a mid.
        edge: Usd,
    },
    /// An order has ended.
    Ended {
        /// Which instrument.
        instrument: InstrumentId,
        /// The order.
        client_id: ClientOrderId,
        /// How.
        outcome: Outcome,
    },
    /// The fate of a request became unknown.
    InDoubt {
        /// Which instrument.
        instrument: InstrumentId,
        /// The order.
        client_id: ClientOrderId,
    },
    /// The venue reported something that cannot be.
    Anomaly {
        /// Which instrument.
        instrument: InstrumentId,
    },
    /// The mode changed.
    Mode {
        /// Which instrument.
        instrument: InstrumentId,
        /// Before.
        from: Mode,
        /// After.
        to: Mode,
        /// The first reason for not quoting, if any.
        because: Option<Standstill>,
    },
    /// The breaker changed.
    Breaker {
        /// Before.
        from: BreakerState,
        /// After.
        to: BreakerState,
    },
    /// The risk level changed.
    RiskLevel {
        /// Before.
        from: RiskLevel,
        /// After.
        to: RiskLevel,
    },
    /// 00:00 UTC passed.
    DayClosed {
        /// PnL of the day that ended.
        day_pnl: Usd,
    },
    /// Funding paid (negative) or received.
    Funding {
        /// Which instrument.
        instrument: InstrumentId,
        /// Signed cash flow.
        amount: Usd,
    },
    /// The strategy's target changed.
    Quoted {
        /// Which instrument.
        instrument: InstrumentId,
    },
    /// A new configuration is in force.
    Configured,
    /// Our records were compared with the venue's.
    Compared {
        /// Which instrument.
        instrument: InstrumentId,
        /// Orders that differed in a way that nothing under way explains.
        orders: u32,
        /// The venue's position less ours.
        position_off: Position,
        /// The venue's wallet less ours; zero where the account is shared by several instruments.
        wallet_off: Usd,
    },
}
