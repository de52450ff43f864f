//! What the venue says about our orders and account.

use std::time::Duration;

use market::venue::{
    ExpireReason, Fill, OpenOrder, OrderFate, RejectReason, RequestKind, VenueReport,
};
use market::{ClientOrderId, Nanos, Price, Qty, Usd};

use super::{Context, Desk, STALE_RETRY};
use crate::carry::{CarriedDesk, Meanwhile};
use crate::mutants::{self, Mutant};
use crate::orders::{Event, Next, Order, State};
use crate::output::{AlertKind, AlertLevel, Note};
use crate::snapshot::Counters;

/// After the venue said that we send too much.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(1);

impl Desk {
    /// Takes in a report.
    pub(crate) fn report(&mut self, ctx: &mut Context<'_>, report: &VenueReport) {
        match report {
            VenueReport::Ack { client_id, venue_id } => {
                if let Some(order) = self.orders.get_mut(*client_id) {
                    order.venue_id = Some(*venue_id);
                }
                self.lives(ctx, *client_id);
                self.event(ctx, *client_id, Event::Ack);
            }
            VenueReport::Reject { client_id, request, reason } => {
                self.rejected(ctx, *client_id, *request, *reason);
            }
            VenueReport::Fill(fill) => self.filled(ctx, fill),
            VenueReport::Amended { client_id, price, qty } => {
                self.lives(ctx, *client_id);
                ctx.breaker.success();
                // Late news of an amendment before the one under way settles nothing about that.
                if self.takes_terms(ctx.now, *client_id, *price, *qty) {
                    self.event(ctx, *client_id, Event::Amended);
                }
            }
            VenueReport::Canceled { client_id, filled } => {
                self.ended(ctx, *client_id, *filled, Event::Canceled);
            }
            VenueReport::Expired { client_id, filled, reason } => {
                if *reason == ExpireReason::Venue {
                    let message = format!("{client_id} was ended by the venue; check the account");
                    ctx.alert(AlertLevel::Warning, AlertKind::Anomaly, message);
                }
                self.ended(ctx, *client_id, *filled, Event::Expired);
            }
            VenueReport::InDoubt { client_id, .. } => self.doubt(ctx, *client_id),
            VenueReport::Order { client_id, fate, fills } => {
                fills.iter().for_each(|fill| self.filled(ctx, fill));
                self.fate(ctx, *client_id, fate);
            }
            VenueReport::Account(state) => self.account_report(ctx, state),
            // A question without an answer is asked again when its time is up.
            VenueReport::QueryFailed => {}
            VenueReport::Funding { amount } => {
                self.ledger.funding(*amount);
                ctx.note(Note::Funding { instrument: self.config.instrument.id, amount: *amount });
            }
            VenueReport::Transfer { amount } => self.transfer(*amount),
            VenueReport::DeadManArmed { until } => {
                // Never believed longer than what was asked for.
                let asked = self.dead_man.asked.unwrap_or(ctx.now);
                self.dead_man.until = Some((asked + self.config.dead_man_countdown).min(*until));
            }
            VenueReport::DeadManFailed => self.dead_man_failed(ctx),
            VenueReport::StreamUp => {
                self.stream_up = true;
                self.account.doubt();
            }
            VenueReport::StreamDown if mutants::is(Mutant::IgnoreStreamDown) => {}
            VenueReport::StreamDown => {
                self.stream_up = false;
                self.account.doubt();
            }
            VenueReport::Resync => self.distrust(ctx.now),
            VenueReport::Forced { what } => self.forced(ctx, *what),
            VenueReport::Obstacle { what, holds: true } => {
                if !self.obstacles.contains(what) && !self.obstacles.is_full() {
                    self.obstacles.push(*what);
                }
            }
            VenueReport::Obstacle { what, holds: false } => {
                self.obstacles.retain(|held| held != what);
            }
        }
        self.stirred = true;
    }

    /// Applies an event to an order and deals with what follows from its new state.
    pub(super) fn event(&mut self, ctx: &mut Context<'_>, client_id: ClientOrderId, event: Event) {
        let Some(order) = self.orders.get_mut(client_id) else {
            // Ours by name, but of an earlier session or forgotten: the account tells.
            if matches!(event, Event::Ack | Event::FoundOpen | Event::Amended) {
                self.anomaly(ctx, &format!("unknown order {client_id} lives at the venue"));
            }
            return;
        };
        let (before, timeout) = (order.state, self.config.ack_timeout);
        let (after, anomaly) = match before.on(ctx.now, event) {
            Next::Stay => (before, false),
            Next::To(state) => (state, false),
            Next::Anomaly(state) => (state, true),
        };
        order.state = after;
        if before != after {
            order.heard = ctx.now;
        }
        order.ask_at = match after {
            State::PendingNew { sent_at }
            | State::PendingAmend { sent_at }
            | State::PendingCancel { sent_at } => Some(sent_at + timeout),
            State::InDoubt { .. } if before == after => order.ask_at,
            State::InDoubt { not_found: 0, .. } => Some(ctx.now),
            State::InDoubt { .. } => Some(ctx.now + timeout),
            State::Live if order.booked < order.filled => Some(ctx.now + timeout),
            State::Live | State::Done(_) => None,
        };
        if matches!(after, State::InDoubt { .. }) && order.amending.is_some() {
            // An answer to this amendment may come late; it must not be taken for one to the next.
            order.fixed = true;
        }
        if !after.is_exposed() {
            order.amending = None;
        }
        let instrument = self.config.instrument.id;
        if let State::Done(outcome) = after
            && before.is_exposed()
        {
            self.counters.ended[Counters::slot(outcome)] += 1;
            ctx.note(Note::Ended { instrument, client_id, outcome });
        }
        self.orders.settle(client_id);
        if anomaly {
            self.anomaly(ctx, &format!("{client_id}: {event:?} in state {}", before.name()));
        }
    }

    /// The venue has the order, whichever report said so first.
    pub(super) fn lives(&mut self, ctx: &mut Context<'_>, client_id: ClientOrderId) {
        let instrument = self.config.instrument.id;
        if let Some(order) = self.orders.get_mut(client_id)
            && !order.acked
        {
            order.acked = true;
            let latency = ctx.now.since(order.created);
            self.counters.accepted += 1;
            ctx.breaker.success();
            ctx.note(Note::Acked { instrument, client_id, latency });
        }
    }

    fn rejected(
        &mut self,
        ctx: &mut Context<'_>,
        client_id: ClientOrderId,
        request: RequestKind,
        reason: RejectReason,
    ) {
        let instrument = self.config.instrument.id;
        let known = self.orders.get_mut(client_id).is_some_and(|order| order.state.is_exposed());
        if known && request == RequestKind::Place {
            if reason == RejectReason::WouldTake {
                self.counters.post_only_rejected += 1;
            } else {
                self.counters.rejected += 1;
            }
        }
        ctx.note(Note::Rejected { instrument, client_id, request, reason });
        if is_failure(request, reason) {
            ctx.breaker.failure(ctx.now, "venue rejects");
        }
        let pause = match reason {
            RejectReason::RateLimit => self.config.requote.min_interval.max(RATE_LIMIT_PAUSE),
            RejectReason::WouldTake
            | RejectReason::WouldNotFill
            | RejectReason::ReduceOnly
            | RejectReason::Margin
            | RejectReason::Filter
            | RejectReason::PriceBand
            | RejectReason::TooManyOrders
            | RejectReason::DuplicateId
            | RejectReason::UnknownOrder
            | RejectReason::NoChange
            | RejectReason::Unavailable
            | RejectReason::Other => self.config.requote.min_interval,
        };
        if request != RequestKind::Cancel
            && let Some(order) = self.orders.get_mut(client_id)
        {
            self.hold_until[order.side.index()] = ctx.now + pause;
        }
        if request == RequestKind::Amend
            && reason != RejectReason::UnknownOrder
            && let Some(order) = self.orders.get_mut(client_id)
        {
            (order.amending, order.fixed) = (None, true);
        }
        if mutants::is(Mutant::CancelGranted) && request == RequestKind::Cancel {
            return self.event(ctx, client_id, Event::Canceled);
        }
        self.event(ctx, client_id, Event::Reject(request, reason));
    }

    /// Books a fill once, whatever state its order is in.
    pub(super) fn filled(&mut self, ctx: &mut Context<'_>, fill: &Fill) {
        if mutants::is(Mutant::ForgetLateFill) && !self.expects(fill) {
            return;
        }
        let mid = self.mid();
        let spec = &self.config.instrument;
        if !self.ledger.fill(spec, fill, mid) {
            return;
        }
        let paid = spec.notional(fill.price, fill.qty) * fill.side.sign();
        let edge =
            mid.map_or(Usd::ZERO, |mid| spec.value_at(mid, fill.qty.signed(fill.side)) - paid);
        let instrument = spec.id;
        let side = fill.side.index();
        self.counters.fills[side] += 1;
        self.counters.filled_qty[side] += fill.qty;
        self.counters.filled_value[side] += paid * fill.side.sign();
        ctx.note(Note::Filled { instrument, fill: *fill, position: self.ledger.position(), edge });

        let order = fill.client_id.and_then(|client_id| self.orders.get_mut(client_id));
        let Some(order) = order else {
            if let Some(later) = fill.client_id.filter(|id| id.session > ctx.session)
                && !self.takes_later
            {
                self.intruder(ctx, later, "traded");
            }
            let earlier = fill.client_id.is_some_and(|id| id.session != ctx.session);
            let (level, whose) = match earlier {
                true => (AlertLevel::Info, "an order of an earlier session"),
                false => (AlertLevel::Warning, "an order that is not ours"),
            };
            let message = format!(
                "{}: fill {} of {whose} changed the position",
                self.config.instrument.symbol(),
                fill.trade_id.0,
            );
            ctx.alert(level, AlertKind::ForeignOrder, message);
            return;
        };
        if order.booked.is_zero() {
            self.counters.orders_filled += 1;
        }
        order.booked += fill.qty;
        order.filled = order.filled.max(fill.cumulative).max(order.booked);
        let whole = order.amending.map_or(order.qty, |(_, qty)| qty.max(order.qty));
        let (client_id, over) = (order.client_id, order.booked > whole);
        let event = if order.booked >= whole { Event::Filled } else { Event::PartlyFilled };
        self.lives(ctx, client_id);
        ctx.breaker.success();
        self.event(ctx, client_id, event);
        if over {
            self.anomaly(ctx, &format!("{client_id} filled beyond its quantity"));
        }
    }

    /// Whether a fill is of an order that we believe lives.
    fn expects(&mut self, fill: &Fill) -> bool {
        let order = fill.client_id.and_then(|client_id| self.orders.get_mut(client_id));
        order.is_some_and(|order| order.state.is_exposed())
    }

    /// Books what an order's status tells without a fill.
    fn book_from_status(&mut self, client_id: ClientOrderId) {
        let last = self.ledger.last_trade().unwrap_or_default();
        let Some(order) = self.orders.get_mut(client_id) else { return };
        let missing = order.filled.saturating_sub(order.booked);
        if missing.is_zero() {
            return;
        }
        order.booked = order.filled;
        let fill = Fill {
            trade_id: market::TradeId(last.0 + 1),
            client_id: Some(client_id),
            venue_id: order.venue_id.unwrap_or(market::VenueOrderId(0)),
            side: order.side,
            price: order.price,
            qty: missing,
            cumulative: order.filled,
            maker: true,
            fee: Usd::ZERO,
            ts_event: Nanos::ZERO,
        };
        self.ledger.fill(&self.config.instrument, &fill, None);
    }

    /// Notes the terms in force. Returns whether they settle everything under way: an amendment that
    /// was not heard of yet may still arrive, and must count until it has.
    fn takes_terms(
        &mut self,
        now: Nanos,
        client_id: ClientOrderId,
        price: Price,
        qty: Qty,
    ) -> bool {
        let Some(order) = self.orders.get_mut(client_id) else { return true };
        if (order.price, order.qty) != (price, qty) {
            (order.price, order.qty, order.heard) = (price, qty, now);
        }
        let settled = order.amending.is_none_or(|terms| terms == (price, qty));
        if settled {
            order.amending = None;
        }
        settled
    }

    /// The venue ended an order; if it knows of fills that we do not, we ask before believing.
    fn ended(
        &mut self,
        ctx: &mut Context<'_>,
        client_id: ClientOrderId,
        filled: Qty,
        event: Event,
    ) {
        let mut event = event;
        if let Some(order) = self.orders.get_mut(client_id) {
            order.filled = order.filled.max(filled);
            if order.booked < order.filled {
                event = Event::EndedShort;
            }
        }
        if mutants::is(Mutant::PositionFromStatus) {
            self.book_from_status(client_id);
        }
        self.event(ctx, client_id, event);
    }

    pub(super) fn doubt(&mut self, ctx: &mut Context<'_>, client_id: ClientOrderId) {
        if mutants::is(Mutant::DoubtIsNo) {
            return self.event(ctx, client_id, Event::Canceled);
        }
        let exposed = |order: &&mut Order| order.state.is_exposed();
        if self.orders.get_mut(client_id).as_ref().is_some_and(exposed) {
            self.counters.in_doubt += 1;
            ctx.breaker.failure(ctx.now, "orders in doubt");
            ctx.note(Note::InDoubt { instrument: self.config.instrument.id, client_id });
        }
        self.event(ctx, client_id, Event::Doubt);
    }

    fn fate(&mut self, ctx: &mut Context<'_>, client_id: ClientOrderId, fate: &OrderFate) {
        match fate {
            OrderFate::Open(open) => {
                let Some(order) = self.orders.get_mut(client_id) else {
                    return self.event(ctx, client_id, Event::FoundOpen);
                };
                order.venue_id = Some(open.venue_id);
                order.filled = order.filled.max(open.filled);
                let in_doubt = matches!(order.state, State::InDoubt { .. });
                if order.heard > order.asked || (order.heard == order.asked && !in_doubt) {
                    // From before what we have heard or asked since: its terms may be old.
                    return self.lives(ctx, client_id);
                }
                let changed = order.state == State::Live
                    && order.amending.is_none()
                    && (order.price, order.qty) != (open.price, open.qty);
                if let State::InDoubt { .. } = order.state {
                    // Asked because of the doubt: an amendment that has not happened by now will not,
                    // once it is too old for the venue to accept.
                    let expired = order.changed + self.config.ack_timeout;
                    if ctx.now >= expired {
                        order.amending = None;
                    } else {
                        order.ask_at = Some(expired);
                    }
                }
                self.lives(ctx, client_id);
                if changed {
                    self.changed_by_others(ctx, open);
                }
                if self.takes_terms(ctx.now, client_id, open.price, open.qty) {
                    self.event(ctx, client_id, Event::FoundOpen);
                }
            }
            OrderFate::Closed { filled, outcome } => {
                let event = Event::FoundClosed(*outcome);
                self.ended(ctx, client_id, *filled, event);
                if let Some(order) = self.orders.get_mut(client_id)
                    && matches!(order.state, State::InDoubt { .. })
                {
                    order.ask_at = Some(ctx.now + self.config.ack_timeout);
                }
            }
            OrderFate::NotFound => self.event(ctx, client_id, Event::NotFound),
        }
    }

    pub(super) fn transfer(&mut self, amount: Usd) {
        self.ledger.transfer(amount);
        self.transferred += amount;
    }

    /// An order of ours has terms that we never asked for; converging puts it right.
    fn changed_by_others(&self, ctx: &mut Context<'_>, open: &OpenOrder) {
        let spec = &self.config.instrument;
        let message = format!(
            "{}: order {} is {} {} @ {} at the venue, which we never asked for: somebody changed it",
            spec.symbol(),
            open.venue_id.0,
            open.side,
            spec.qty_text(open.qty),
            spec.price_text(open.price),
        );
        ctx.alert(AlertLevel::Warning, AlertKind::ForeignOrder, message);
    }

    /// Goes on where an earlier session stood. Returns false, and changes nothing, when that was another
    /// instrument or the account is known already.
    pub(crate) fn restore(&mut self, carried: &CarriedDesk, meanwhile: Meanwhile) -> bool {
        let same = carried.symbol == self.config.instrument.symbol();
        // Books that cannot be are worse than none.
        let sound = carried.position.is_zero() == carried.cost.is_zero()
            && carried.cost.raw().signum() == i128::from(carried.position.raw().signum());
        if !same || !sound || self.opened {
            return false;
        }
        let held = (carried.position, carried.cost);
        self.ledger.resume(&self.config.instrument, held, carried.agreed, &carried.booked);
        self.account.agreed = carried.agreed;
        self.wallet = Some(carried.wallet);
        (self.opened, self.drift) = (true, carried.drift);
        self.ledger.funding(meanwhile.funding);
        self.transfer(meanwhile.transfers);
        true
    }

    /// What a restart must not forget; `None` before the account is known.
    pub(crate) fn carry(&self) -> Option<CarriedDesk> {
        let wallet = self.wallet.filter(|_| self.opened)?;
        let (position, cost, agreed, booked) = self.ledger.settled();
        Some(CarriedDesk {
            symbol: self.config.instrument.symbol().to_owned(),
            position,
            cost,
            agreed,
            booked,
            wallet: wallet + self.ledger.cash(),
            drift: self.drift,
        })
    }

    /// Nonsense from the venue: count it, tell, and reconcile before quoting again.
    pub(super) fn anomaly(&mut self, ctx: &mut Context<'_>, what: &str) {
        self.counters.anomalies += 1;
        self.distrust(ctx.now);
        ctx.note(Note::Anomaly { instrument: self.config.instrument.id });
        let message = format!("{}: {what}; reconciling", self.config.instrument.symbol());
        ctx.alert(AlertLevel::Error, AlertKind::Anomaly, message);
    }

    /// The account must be compared. However often this happens, questions keep their distance.
    pub(super) fn distrust(&mut self, now: Nanos) {
        self.account.doubt();
        let soonest = self.account.last_asked.map_or(now, |at| at + STALE_RETRY);
        self.account.due = soonest.max(now);
    }

    fn dead_man_failed(&mut self, ctx: &mut Context<'_>) {
        self.dead_man.until = None;
        ctx.breaker.failure(ctx.now, "dead-man's switch not armed");
        let symbol = self.config.instrument.symbol();
        let message = format!("{symbol}: the dead-man's switch could not be armed; not quoting");
        ctx.alert(AlertLevel::Critical, AlertKind::DeadMan, message);
    }
}

/// Whether a venue's no counts towards the breaker, or is the normal course of trading.
fn is_failure(request: RequestKind, reason: RejectReason) -> bool {
    match reason {
        // Sending too much is answered by a pause, also where our own budget said no.
        RejectReason::WouldTake
        | RejectReason::WouldNotFill
        | RejectReason::NoChange
        | RejectReason::RateLimit => false,
        RejectReason::UnknownOrder => request == RequestKind::Place,
        RejectReason::ReduceOnly
        | RejectReason::Margin
        | RejectReason::Filter
        | RejectReason::PriceBand
        | RejectReason::TooManyOrders
        | RejectReason::DuplicateId
        | RejectReason::Unavailable
        | RejectReason::Other => true,
    }
}
