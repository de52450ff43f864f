//! The gate: the only maker of [`Approved`], and so the only way an order can leave.
//!
//! It reads like a specification: one guard, one named refusal, in this order. Cancels, queries and
//! the dead-man's switch pass without a check, because there must always be a way out.

use std::collections::VecDeque;
use std::time::Duration;

use market::venue::{Amend, NewOrder, OrderKind, VenueCommand};
use market::{
    ClientOrderId, FinePrice, Instrument, InstrumentId, Nanos, Position, Price, Qty, Rate, Side,
    TradeId,
};
use serde::{Deserialize, Serialize};

use crate::config::Limits;
use crate::mutants::{self, Mutant};
use crate::risk::mode::{Mode, enlarges};

/// Permission to send one command. Made here only; it cannot be built or read back from outside.
#[must_use = "an approved command that is not sent leaves the books wrong"]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Approved(VenueCommand);

impl Approved {
    /// The command.
    pub fn command(&self) -> &VenueCommand {
        &self.0
    }

    /// The command, for sending.
    pub fn into_command(self) -> VenueCommand {
        self.0
    }
}

/// Why our own risk gate said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// The mode forbids it: halted, or not reducing while reduce-only.
    Mode,
    /// No usable mid to judge the price against.
    NoReference,
    /// Quantity below the venue's minimum.
    BelowMinimum,
    /// `max_order_qty`.
    OrderQty,
    /// `max_order_value`.
    OrderValue,
    /// `price_collar`.
    PriceCollar,
    /// The venue's price band around mark (`PERCENT_PRICE`).
    PriceBand,
    /// It would trade with an order of our own.
    SelfTrade,
    /// `max_position`: exposure on that side if everything filled.
    Position,
    /// `max_open_orders`.
    OpenOrders,
    /// `max_orders_per_second`.
    OrdersPerSecond,
    /// `max_orders_per_minute`.
    OrdersPerMinute,
}

impl Refusal {
    /// Every rule, in the order in which they are checked.
    pub const ALL: [Self; 12] = [
        Self::Mode,
        Self::NoReference,
        Self::BelowMinimum,
        Self::OrderQty,
        Self::OrderValue,
        Self::PriceCollar,
        Self::PriceBand,
        Self::SelfTrade,
        Self::Position,
        Self::OpenOrders,
        Self::OrdersPerSecond,
        Self::OrdersPerMinute,
    ];

    /// Lower-case name used in logs, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::NoReference => "no_reference",
            Self::BelowMinimum => "below_minimum",
            Self::OrderQty => "max_order_qty",
            Self::OrderValue => "max_order_value",
            Self::PriceCollar => "price_collar",
            Self::PriceBand => "price_band",
            Self::SelfTrade => "self_trade",
            Self::Position => "max_position",
            Self::OpenOrders => "max_open_orders",
            Self::OrdersPerSecond => "max_orders_per_second",
            Self::OrdersPerMinute => "max_orders_per_minute",
        }
    }
}

/// What the gate needs to know about the rest of the world to judge one order.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Now.
    pub now: Nanos,
    /// How much may be done.
    pub mode: Mode,
    /// Middle of the book; `None` when the book may not be used.
    pub mid: Option<FinePrice>,
    /// The venue's mark price, once known.
    pub mark: Option<FinePrice>,
    /// Signed holding.
    pub position: Position,
    /// Lots of our orders on the same side that might still fill, the one under change excluded.
    pub working: Qty,
    /// Best own price on the other side that might still trade.
    pub own_opposite: Option<Price>,
    /// Orders that are not done, on both sides.
    pub open_orders: u32,
}

/// The pre-trade checks of one instrument, and its message counters.
#[derive(Clone, Debug)]
pub struct Gate {
    limits: Limits,
    second: Window,
    minute: Window,
}

impl Gate {
    /// A gate with these limits and empty counters.
    pub fn new(limits: Limits) -> Self {
        let second = Window::new(Duration::from_secs(1), limits.max_orders_per_second);
        let minute = Window::new(Duration::from_secs(60), limits.max_orders_per_minute);
        Self { limits, second, minute }
    }

    /// New limits; messages already sent still count.
    pub fn configure(&mut self, limits: Limits) {
        self.second.limit = limits.max_orders_per_second;
        self.minute.limit = limits.max_orders_per_minute;
        self.limits = limits;
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Judges a new order.
    pub fn place(
        &mut self,
        instrument: &Instrument,
        context: &Context,
        order: NewOrder,
    ) -> Result<Approved, Refusal> {
        let price = match order.kind {
            OrderKind::Limit { price, .. } => price,
            // A market order is judged at the mid; its slippage is the venue's `marketTakeBound`.
            OrderKind::Market => {
                let mid = context.mid.ok_or(Refusal::NoReference)?;
                instrument.price_at_or_above(mid)
            }
        };
        let wish = Wish { side: order.side, price, qty: order.qty, reduce_only: order.reduce_only };
        self.judge(instrument, context, &wish)?;
        if context.open_orders >= self.limits.max_open_orders {
            return Err(Refusal::OpenOrders);
        }
        self.count(context.now)?;
        Ok(Approved(VenueCommand::Place(order)))
    }

    /// Judges a changed order like a new one: a limit that only new orders obey is no limit.
    ///
    /// `filled` is the part of the order that the position contains; only the rest can add to exposure.
    pub fn amend(
        &mut self,
        instrument: &Instrument,
        context: &Context,
        amend: Amend,
        filled: Qty,
        reduce_only: bool,
    ) -> Result<Approved, Refusal> {
        if mutants::is(Mutant::UngatedAmend) {
            return Ok(Approved(VenueCommand::Amend(amend)));
        }
        let qty = amend.qty.saturating_sub(filled);
        let wish = Wish { side: amend.side, price: amend.price, qty, reduce_only };
        self.judge(instrument, context, &wish)?;
        self.count(context.now)?;
        Ok(Approved(VenueCommand::Amend(amend)))
    }

    /// Cancels need no approval.
    pub fn cancel(&self, instrument: InstrumentId, client_id: ClientOrderId) -> Approved {
        Approved(VenueCommand::Cancel { instrument, client_id })
    }

    /// Canceling everything needs no approval.
    pub fn cancel_all(&self, instrument: InstrumentId) -> Approved {
        Approved(VenueCommand::CancelAll { instrument })
    }

    /// Asking needs no approval.
    pub fn query_order(&self, instrument: InstrumentId, client_id: ClientOrderId) -> Approved {
        Approved(VenueCommand::QueryOrder { instrument, client_id })
    }

    /// Asking needs no approval.
    pub fn query_account(
        &self,
        instrument: InstrumentId,
        since: Option<TradeId>,
        query: u32,
    ) -> Approved {
        Approved(VenueCommand::QueryAccount { instrument, since, query })
    }

    /// Arming the dead-man's switch needs no approval.
    pub fn arm_dead_man(&self, instrument: InstrumentId, countdown: Duration) -> Approved {
        Approved(VenueCommand::ArmDeadMan { instrument, countdown })
    }

    fn judge(
        &self,
        instrument: &Instrument,
        context: &Context,
        wish: &Wish,
    ) -> Result<(), Refusal> {
        let limits = &self.limits;
        let enlarges = enlarges(context.position, wish.side);
        match context.mode {
            Mode::Quoting => {}
            // Reducing only, even if everything on that side fills.
            Mode::ReduceOnly
                if !enlarges && context.working + wish.qty <= context.position.abs() => {}
            // Flattening runs while halted, and only with orders the venue itself keeps from opening.
            Mode::Halted if !enlarges && wish.reduce_only => {}
            Mode::ReduceOnly | Mode::Halted => return Err(Refusal::Mode),
        }
        let mid = context.mid.ok_or(Refusal::NoReference)?;
        if wish.qty.is_zero() || instrument.qty_decimal(wish.qty) < instrument.rules().min_qty {
            return Err(Refusal::BelowMinimum);
        }
        let value = instrument.notional(wish.price, wish.qty);
        let min_value = market::Usd::from_decimal(instrument.rules().min_notional);
        if value < min_value && !wish.reduce_only {
            return Err(Refusal::BelowMinimum);
        }
        if wish.qty > limits.max_order_qty {
            return Err(Refusal::OrderQty);
        }
        if value > limits.max_order_value {
            return Err(Refusal::OrderValue);
        }
        let distance = instrument.fine(wish.price) - mid;
        if exceeds(distance, mid, limits.price_collar) {
            return Err(Refusal::PriceCollar);
        }
        // An order that only reduces is left to the venue's own judgement of its band: our mark may
        // be older than the venue's, and a way out must not depend on it.
        if !wish.reduce_only && breaks_band(instrument, context.mark.unwrap_or(mid), wish) {
            return Err(Refusal::PriceBand);
        }
        let own = context.own_opposite.filter(|_| !mutants::is(Mutant::CrossItself));
        if own.is_some_and(|own| wish.side.crosses(wish.price, own)) {
            return Err(Refusal::SelfTrade);
        }
        let exposure = context.position + (context.working + wish.qty).signed(wish.side);
        if exposure.side() == Some(wish.side) && exposure.abs() > limits.max_position {
            return Err(Refusal::Position);
        }
        Ok(())
    }

    fn count(&mut self, now: Nanos) -> Result<(), Refusal> {
        if self.second.is_full(now) {
            return Err(Refusal::OrdersPerSecond);
        }
        if self.minute.is_full(now) {
            return Err(Refusal::OrdersPerMinute);
        }
        self.second.record(now);
        self.minute.record(now);
        Ok(())
    }

    /// Messages within the last second and minute.
    pub fn rates(&self, now: Nanos) -> (u32, u32) {
        (self.second.used(now), self.minute.used(now))
    }

    /// Feeds everything that decides future behaviour into a hasher.
    pub fn hash_into(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        self.second.sent.hash(hasher);
        self.minute.sent.hash(hasher);
    }
}

struct Wish {
    side: Side,
    price: Price,
    qty: Qty,
    reduce_only: bool,
}

/// Whether `distance` is more than `rate` of `reference`, without dividing.
fn exceeds(distance: FinePrice, reference: FinePrice, rate: Rate) -> bool {
    let scale = i128::from(market::Decimal::SCALE);
    i128::from(distance.raw()).abs() * scale > i128::from(reference.raw()) * i128::from(rate.raw())
}

/// Binance `PERCENT_PRICE`: a buy at most mark times `band_up`, a sell at least mark times `band_down`.
fn breaks_band(instrument: &Instrument, mark: FinePrice, wish: &Wish) -> bool {
    let scale = i128::from(market::Decimal::SCALE);
    let price = i128::from(instrument.fine(wish.price).raw()) * scale;
    let bound = |factor: market::Decimal| i128::from(mark.raw()) * i128::from(factor.units());
    match wish.side {
        Side::Buy => price > bound(instrument.rules().band_up),
        Side::Sell => price < bound(instrument.rules().band_down),
    }
}

/// Counts messages in a sliding window: never more than `limit` within any `span`.
#[derive(Clone, Debug)]
struct Window {
    span: Duration,
    limit: u32,
    sent: VecDeque<Nanos>,
}

impl Window {
    fn new(span: Duration, limit: u32) -> Self {
        Self { span, limit, sent: VecDeque::with_capacity(limit as usize + 1) }
    }

    /// Looking forgets nothing: who looks, and how often, must not show in the state.
    fn used(&self, now: Nanos) -> u32 {
        // Few are old as a rule, because each message sent clears them away.
        let is_old = |&at: &Nanos| now.since(at) >= self.span;
        let mut bound = 1;
        while self.sent.get(bound - 1).is_some_and(is_old) {
            bound *= 2;
        }
        let (mut old, mut end) = (bound / 2, (bound - 1).min(self.sent.len()));
        while old < end {
            let middle = old.midpoint(end);
            if self.sent.get(middle).is_some_and(is_old) {
                old = middle + 1;
            } else {
                end = middle;
            }
        }
        (self.sent.len() - old) as u32
    }

    fn is_full(&self, now: Nanos) -> bool {
        self.used(now) >= self.limit
    }

    fn record(&mut self, now: Nanos) {
        while self.sent.front().is_some_and(|&at| now.since(at) >= self.span) {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }
}
