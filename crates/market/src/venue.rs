//! The order protocol every venue speaks: Binance over the wire, the simulated exchange in process.
//!
//! Commands carry everything a venue needs; reports carry everything it said. A report never decides
//! anything: [`VenueReport::InDoubt`] exists because a time-out is not a rejection.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{ClientOrderId, InstrumentId, TradeId, VenueOrderId};
use crate::time::Nanos;
use crate::units::{FinePrice, Position, Price, Qty, Side, Usd};

/// How long an order stays, and whether it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimeInForce {
    /// Until canceled.
    Gtc,
    /// Trade what is there, expire the rest.
    Ioc,
    /// All at once or nothing.
    Fok,
    /// Post-only (`GTX`): maker or nothing.
    PostOnly,
}

/// Limit or market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OrderKind {
    /// At this price or better.
    Limit {
        /// The limit.
        price: Price,
        /// How long it stays.
        tif: TimeInForce,
    },
    /// At whatever is there; the rest expires.
    Market,
}

/// A new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewOrder {
    /// Which instrument.
    pub instrument: InstrumentId,
    /// Our name for it.
    pub client_id: ClientOrderId,
    /// Side.
    pub side: Side,
    /// Quantity.
    pub qty: Qty,
    /// Limit or market.
    pub kind: OrderKind,
    /// May only shrink the position.
    pub reduce_only: bool,
}

/// New price and total quantity (filled part included) for a live limit order.
///
/// On Binance every amendment goes to the tail of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Amend {
    /// Which instrument.
    pub instrument: InstrumentId,
    /// The order.
    pub client_id: ClientOrderId,
    /// Its side (the venue wants it repeated).
    pub side: Side,
    /// New limit.
    pub price: Price,
    /// New total quantity.
    pub qty: Qty,
}

/// What we ask of a venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VenueCommand {
    /// A new order.
    Place(NewOrder),
    /// Change a live order.
    Amend(Amend),
    /// Cancel one order.
    Cancel {
        /// Which instrument.
        instrument: InstrumentId,
        /// The order.
        client_id: ClientOrderId,
    },
    /// Cancel every order of this account on the instrument.
    CancelAll {
        /// Which instrument.
        instrument: InstrumentId,
    },
    /// (Re)start the venue-side dead-man's switch; zero disarms.
    ArmDeadMan {
        /// Which instrument.
        instrument: InstrumentId,
        /// After this long without another call the venue cancels everything.
        countdown: Duration,
    },
    /// What became of an order? Answered by [`VenueReport::Order`].
    QueryOrder {
        /// Which instrument.
        instrument: InstrumentId,
        /// The order.
        client_id: ClientOrderId,
    },
    /// Open orders, position, balance and missed fills. Answered by [`VenueReport::Account`].
    QueryAccount {
        /// Which instrument.
        instrument: InstrumentId,
        /// List our fills after this one; `None` lists none.
        since: Option<TradeId>,
        /// Number of the question; the answer repeats it.
        query: u32,
    },
}

impl VenueCommand {
    /// The instrument it concerns.
    pub fn instrument(&self) -> InstrumentId {
        match self {
            Self::Place(order) => order.instrument,
            Self::Amend(amend) => amend.instrument,
            Self::Cancel { instrument, .. }
            | Self::CancelAll { instrument }
            | Self::ArmDeadMan { instrument, .. }
            | Self::QueryOrder { instrument, .. }
            | Self::QueryAccount { instrument, .. } => *instrument,
        }
    }
}

/// An execution of one of our orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fill {
    /// Unique per instrument; the key that makes it count once.
    pub trade_id: TradeId,
    /// Our name for the order; `None` if the order is not ours (placed by hand, liquidation, ADL).
    pub client_id: Option<ClientOrderId>,
    /// The venue's name for the order.
    pub venue_id: VenueOrderId,
    /// Our side.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Quantity of this execution.
    pub qty: Qty,
    /// Filled quantity of the order so far, this execution included.
    pub cumulative: Qty,
    /// Whether we were the maker.
    pub maker: bool,
    /// Fee in the quote currency; negative is a rebate.
    pub fee: Usd,
    /// When it happened.
    pub ts_event: Nanos,
}

/// Why a venue said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RejectReason {
    /// A post-only order would have traded: normal flow control.
    WouldTake,
    /// A fill-or-kill order could not be filled.
    WouldNotFill,
    /// Reduce-only, but it would open or enlarge.
    ReduceOnly,
    /// Not enough margin.
    Margin,
    /// Price, quantity or notional break a filter.
    Filter,
    /// Price too far from mark.
    PriceBand,
    /// Too many open orders.
    TooManyOrders,
    /// Order rate limit.
    RateLimit,
    /// The client order id is in use.
    DuplicateId,
    /// No such open order (filled, canceled, expired, or never arrived).
    UnknownOrder,
    /// An amendment that changes nothing.
    NoChange,
    /// The venue is overloaded or in maintenance.
    Unavailable,
    /// Anything else; the message is in the log.
    Other,
}

/// Why an order ended without being filled or canceled by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExpireReason {
    /// The rest of an IOC or market order.
    Unfilled,
    /// Self-trade prevention.
    SelfTrade,
    /// Reduce-only, and the position is gone.
    ReduceOnly,
    /// The venue ended it (delisting, liquidation, settlement).
    Venue,
}

/// An order as the venue sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenOrder {
    /// Our name; `None` for orders of others.
    pub client_id: Option<ClientOrderId>,
    /// The venue's name.
    pub venue_id: VenueOrderId,
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
}

/// The answer to a query about one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OrderFate {
    /// It rests, with this state.
    Open(OpenOrder),
    /// It has ended.
    Closed {
        /// Quantity filled in all.
        filled: Qty,
        /// How it ended.
        outcome: Outcome,
    },
    /// The venue does not know it: it never arrived, or the query path lags.
    NotFound,
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Filled completely.
    Filled,
    /// Canceled, by us or by the dead-man's switch.
    Canceled,
    /// Ended by the venue.
    Expired,
    /// Never lived.
    Rejected,
}

/// Something about the link to the venue that forbids trading as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Obstacle {
    /// The key was refused, the account is restricted or not set up as we need it. An operator is
    /// needed.
    Account,
    /// The contract is not trading, or its rules are not those we started with.
    Contract,
    /// The venue takes only orders that shrink the position.
    OnlyReduce,
    /// The venue wants to hear nothing for a while (429, 418, 403).
    Banned,
    /// Our clock and the venue's are too far apart.
    Clock,
}

impl Obstacle {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Account, Self::Contract, Self::OnlyReduce, Self::Banned, Self::Clock];

    /// Lower-case name used in logs, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "venue_account",
            Self::Contract => "venue_contract",
            Self::OnlyReduce => "venue_only_reduce",
            Self::Banned => "venue_banned",
            Self::Clock => "clock_off",
        }
    }
}

/// Why the venue trades in our place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ForcedClose {
    /// The margin does not suffice any more.
    Liquidation,
    /// The insurance fund does not suffice, and we are on the winning side of somebody's liquidation.
    Deleverage,
    /// The contract ends.
    Settlement,
}

/// Which of our requests a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestKind {
    /// A new order.
    Place,
    /// An amendment.
    Amend,
    /// A cancel.
    Cancel,
}

/// The account on one instrument at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// Number of the question that this answers.
    pub query: u32,
    /// Signed holding.
    pub position: Position,
    /// Average entry price; zero when flat.
    pub entry: FinePrice,
    /// Wallet balance in the quote currency, unrealized PnL not included.
    pub wallet: Usd,
    /// Every open order, ours and foreign.
    pub open_orders: Vec<OpenOrder>,
    /// Our fills after the trade id that was asked for, ascending.
    pub fills: Vec<Fill>,
    /// The last of our trade ids that `position` contains; `None` before any.
    pub last_trade: Option<TradeId>,
}

/// What a venue says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VenueReport {
    /// The order rests (or rested) in the book.
    Ack {
        /// The order.
        client_id: ClientOrderId,
        /// The venue's name for it.
        venue_id: VenueOrderId,
    },
    /// The request was refused; nothing changed.
    Reject {
        /// The order.
        client_id: ClientOrderId,
        /// Which request.
        request: RequestKind,
        /// Why.
        reason: RejectReason,
    },
    /// One of our orders traded.
    Fill(Fill),
    /// An amendment took effect.
    Amended {
        /// The order.
        client_id: ClientOrderId,
        /// New limit.
        price: Price,
        /// New total quantity.
        qty: Qty,
    },
    /// The order is canceled.
    Canceled {
        /// The order.
        client_id: ClientOrderId,
        /// Filled before that.
        filled: Qty,
    },
    /// The venue ended the order.
    Expired {
        /// The order.
        client_id: ClientOrderId,
        /// Filled before that.
        filled: Qty,
        /// Why.
        reason: ExpireReason,
    },
    /// Nobody knows what became of the request: time-out, 5xx, -1006, -1007, connection lost.
    InDoubt {
        /// The order.
        client_id: ClientOrderId,
        /// Which request.
        request: RequestKind,
    },
    /// Answer to [`VenueCommand::QueryOrder`]; fills of the order ride along so that none is lost.
    Order {
        /// The order.
        client_id: ClientOrderId,
        /// What became of it.
        fate: OrderFate,
        /// All its executions.
        fills: Vec<Fill>,
    },
    /// Answer to [`VenueCommand::QueryAccount`].
    Account(AccountState),
    /// A query failed; ask again.
    QueryFailed,
    /// Funding was paid (negative) or received.
    Funding {
        /// Signed cash flow in the quote currency.
        amount: Usd,
    },
    /// Deposit (positive) or withdrawal.
    Transfer {
        /// Signed cash flow in the quote currency.
        amount: Usd,
    },
    /// The dead-man's switch runs until then.
    DeadManArmed {
        /// When the venue will cancel everything unless re-armed.
        until: Nanos,
    },
    /// The dead-man's switch could not be armed.
    DeadManFailed,
    /// The user stream works: reports flow.
    StreamUp,
    /// The user stream is gone: reports may be missing.
    StreamDown,
    /// A report was lost, could not be read, or contradicts another: the account must be compared.
    Resync,
    /// Something forbids trading as usual, or does so no longer.
    Obstacle {
        /// What.
        what: Obstacle,
        /// Whether it holds from now on.
        holds: bool,
    },
    /// The venue has placed an order in our place; its fills come as those of an order not ours.
    Forced {
        /// Why.
        what: ForcedClose,
    },
}
