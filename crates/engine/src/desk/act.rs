//! From target to requests.

use arrayvec::ArrayVec;
use market::venue::{Amend, NewOrder, OrderKind, RequestKind, TimeInForce};
use market::{BookStatus, ClientOrderId, Nanos, Price, Qty, Side, Ticks};
use quoting::{Quote, Quotes, Strategy};

use super::{Context, Desk};
use crate::mutants::{self, Mutant};
use crate::orders::converge::{Action, Target, plan};
use crate::orders::{Event, Order, State};
use crate::output::{Note, Output};
use crate::risk::gate::Context as GateContext;
use crate::risk::{Approved, Mode, Refusal};

/// The order in which a plan is carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Cancel,
    MoveAway,
    MoveCloser,
    Place,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Cancel, Self::MoveAway, Self::MoveCloser, Self::Place];

    const fn of(action: &Action) -> Self {
        match action {
            Action::Cancel(_) => Self::Cancel,
            Action::Amend { away: true, .. } => Self::MoveAway,
            Action::Amend { away: false, .. } => Self::MoveCloser,
            Action::Place(_) => Self::Place,
        }
    }
}

impl Desk {
    /// Whether nothing of ours can trade any more.
    pub(crate) fn is_flat(&self) -> bool {
        self.orders.is_flat()
    }

    /// Makes live orders equal the target: cancels first, so that nothing of ours is in the way.
    pub(super) fn converge(&mut self, ctx: &mut Context<'_>) {
        if mutants::is(Mutant::HaltKeepsQuotes) && self.mode == Mode::Halted {
            self.target = Quotes::NONE;
            return;
        }
        self.escalate(ctx);
        self.trim(ctx);
        let target = self.restrained(ctx);
        if target != self.target {
            self.counters.quotes += 1;
            ctx.note(Note::Quoted { instrument: self.config.instrument.id });
            self.target = target;
        }
        let (tolerance, slack) = self.tolerance(ctx.now);
        let reduce_only = self.mode != Mode::Quoting;
        let plans = Side::BOTH.map(|side| {
            let quotes = self.target.side(side);
            let target = Target { side, quotes, reduce_only, tolerance, slack };
            plan(ctx.now, &target, self.orders.live(), &self.config.requote)
        });
        let later = plans.iter().filter_map(|(_, later)| *later);
        self.later = later.chain(self.later).min();
        // Cancels and moves away first, so that nothing of ours is in the way of what follows.
        for stage in Stage::ALL {
            for side in self.reducing_first() {
                let (actions, _) = &plans[side.index()];
                for action in actions.iter().filter(|action| Stage::of(action) == stage) {
                    self.perform(ctx, side, *action, reduce_only);
                }
            }
        }
        self.take(ctx);
    }

    /// The side that reduces the position comes first: a limit met on the way must not cost the exit.
    fn reducing_first(&self) -> [Side; 2] {
        match self.ledger.position().side() {
            Some(held) => [held.opposite(), held],
            None => Side::BOTH,
        }
    }

    fn perform(&mut self, ctx: &mut Context<'_>, side: Side, action: Action, reduce_only: bool) {
        match action {
            Action::Cancel(client_id) => {
                let order = self.orders.get_mut(client_id);
                let is_taking = order.is_some_and(|order| order.fleeting);
                if !(is_taking && self.flattening.is_some()) {
                    self.cancel(ctx, client_id);
                }
            }
            Action::Amend { client_id, price, qty, away } => {
                let held = !away && ctx.now < self.hold_until[side.index()];
                if !held && !self.amend(ctx, client_id, price, qty) && away {
                    // What may not move away may not stay either.
                    self.cancel(ctx, client_id);
                }
            }
            Action::Place(quote) => {
                self.place(ctx, side, quote, TimeInForce::PostOnly, reduce_only);
            }
        }
    }

    /// The strategy's wish as far as the mode allows it, or what flattening wants.
    fn restrained(&mut self, ctx: &mut Context<'_>) -> Quotes {
        if self.flattening.is_some() {
            return self.flatten_passively(ctx);
        }
        let position = self.ledger.position();
        let mut quotes = Quotes::NONE;
        let restrained = self.mode.restrain(&self.wanted, position);
        for side in Side::BOTH {
            let mut left = match self.mode {
                Mode::Quoting => Qty::new(u64::MAX),
                Mode::ReduceOnly | Mode::Halted => position.reducible_by(side),
            };
            for quote in restrained.side(side) {
                let qty = quote.qty.min(left);
                left = left.saturating_sub(qty);
                quotes.push(side, Quote { price: quote.price, qty });
            }
        }
        quotes
    }

    /// The most that one order may be, at a price.
    pub(super) fn order_most(&self, price: Price) -> Qty {
        let limits = &self.config.limits;
        let lot = self.config.instrument.notional(price, Qty::new(1)).raw();
        let lots = limits.max_order_value.raw() / lot.max(1);
        limits.max_order_qty.min(Qty::new(u64::try_from(lots).unwrap_or(u64::MAX)))
    }

    /// Price differences that are noise, in ticks: for moves away from the market, and for moves
    /// closer. As the order rate nears its limit more of the latter counts as noise; cancels and
    /// moves away are never put off.
    #[expect(clippy::float_arithmetic, reason = "displays and tolerances; no money")]
    fn tolerance(&mut self, now: Nanos) -> (Ticks, Ticks) {
        let (_, minute) = self.gate.rates(now);
        let limit = u64::from(self.config.limits.max_orders_per_minute.max(1));
        let calm = match u64::from(minute) * 100 / limit {
            0..50 => 1.0,
            50..75 => 2.0,
            _ => 4.0,
        };
        let half_spread =
            self.strategy.diagnostics().half_spread / self.config.instrument.tick_f64();
        let noise = half_spread * self.config.requote.price_tolerance;
        let ticks = |ticks: f64| Ticks::new(if ticks.is_finite() { ticks as i64 } else { 0 });
        (ticks(noise), ticks((noise * calm).min(half_spread)))
    }

    /// Resting orders that the position limit does not allow any more (it was lowered, or somebody
    /// else traded on the account) go, the farthest first.
    fn trim(&mut self, ctx: &mut Context<'_>) {
        let limit = self.config.limits.max_position;
        for side in Side::BOTH {
            let held = self.ledger.position();
            // What is being canceled already counts as gone, or each step would cancel one more.
            let staying = |order: &&Order| {
                order.side == side && !matches!(order.state, State::PendingCancel { .. })
            };
            let mut working: Qty =
                self.orders.live().iter().filter(staying).map(Order::exposed).sum();
            let over = |working: Qty| {
                let worst = held + working.signed(side);
                worst.side() == Some(side) && worst.abs() > limit
            };
            let mut going: ArrayVec<ClientOrderId, 16> = ArrayVec::new();
            while over(working) && !going.is_full() {
                let candidates = self.orders.live().iter().filter(|order| {
                    order.side == side
                        && order.state == State::Live
                        && !going.contains(&order.client_id)
                });
                let farthest = candidates.reduce(|worst, order| {
                    if side.is_better(worst.price, order.price) { order } else { worst }
                });
                let Some(order) = farthest else { break };
                working = working.saturating_sub(order.exposed());
                going.push(order.client_id);
            }
            for client_id in going {
                self.cancel(ctx, client_id);
            }
        }
    }

    pub(super) fn place(
        &mut self,
        ctx: &mut Context<'_>,
        side: Side,
        quote: Quote,
        tif: TimeInForce,
        reduce_only: bool,
    ) {
        if ctx.now < self.hold_until[side.index()] || self.is_in_own_way(side, quote.price) {
            return;
        }
        let instrument = self.config.instrument.id;
        let sequence = ctx.sequence.checked_add(1);
        let Some(sequence) = sequence else { return };
        let client_id = ClientOrderId { session: ctx.session, sequence };
        let kind = OrderKind::Limit { price: quote.price, tif };
        let order = NewOrder { instrument, client_id, side, qty: quote.qty, kind, reduce_only };
        let context = self.gate_context(ctx.now, side, None);
        let Some(approved) = self
            .allowed(ctx, side, |desk| desk.gate.place(&desk.config.instrument, &context, order))
        else {
            return;
        };
        *ctx.sequence = sequence;
        self.orders.insert(Order {
            client_id,
            venue_id: None,
            side,
            price: quote.price,
            qty: quote.qty,
            amending: None,
            filled: Qty::ZERO,
            booked: Qty::ZERO,
            reduce_only,
            state: State::PendingNew { sent_at: ctx.now },
            created: ctx.now,
            changed: ctx.now,
            heard: ctx.now,
            asked: Nanos::ZERO,
            fleeting: tif == TimeInForce::Ioc,
            acked: false,
            fixed: false,
            ask_at: Some(ctx.now + self.config.ack_timeout),
        });
        self.counters.placed += 1;
        self.send(ctx, approved, client_id, RequestKind::Place);
    }

    /// Whether the amendment left.
    fn amend(
        &mut self,
        ctx: &mut Context<'_>,
        client_id: ClientOrderId,
        price: Price,
        qty: Qty,
    ) -> bool {
        let Some(order) = self.orders.get_mut(client_id) else { return false };
        // Booked, not filled: a fill whose report is missing is not in the position yet.
        let (side, booked, reduce_only) = (order.side, order.booked, order.reduce_only);
        if self.is_in_own_way(side, price) {
            return false;
        }
        let amend = Amend { instrument: self.config.instrument.id, client_id, side, price, qty };
        let context = self.gate_context(ctx.now, side, Some(client_id));
        let approved = self.allowed(ctx, side, |desk| {
            desk.gate.amend(&desk.config.instrument, &context, amend, booked, reduce_only)
        });
        let Some(approved) = approved else { return false };
        if let Some(order) = self.orders.get_mut(client_id) {
            (order.amending, order.changed) = (Some((price, qty)), ctx.now);
        }
        self.counters.amended += 1;
        self.event(ctx, client_id, Event::AmendSent);
        self.send(ctx, approved, client_id, RequestKind::Amend);
        true
    }

    /// Whether an order of ours on the other side must move first; its confirmation wakes us.
    fn is_in_own_way(&self, side: Side, price: Price) -> bool {
        let own = self.orders.best(side.opposite());
        own.is_some_and(|own| side.crosses(price, own)) && !mutants::is(Mutant::CrossItself)
    }

    fn cancel(&mut self, ctx: &mut Context<'_>, client_id: ClientOrderId) {
        let approved = self.gate.cancel(self.config.instrument.id, client_id);
        self.counters.canceled += 1;
        if mutants::is(Mutant::DropCancel) {
            return self.event(ctx, client_id, Event::Canceled);
        }
        self.event(ctx, client_id, Event::CancelSent);
        self.send(ctx, approved, client_id, RequestKind::Cancel);
    }

    fn send(
        &mut self,
        ctx: &mut Context<'_>,
        approved: Approved,
        client_id: ClientOrderId,
        request: RequestKind,
    ) {
        ctx.out.push(Output::Venue(approved));
        ctx.note(Note::Sent { instrument: self.config.instrument.id, client_id, request });
    }

    /// Runs a gate check; a refusal is told, counted and followed by a pause on that side.
    fn allowed(
        &mut self,
        ctx: &mut Context<'_>,
        side: Side,
        check: impl FnOnce(&mut Self) -> Result<Approved, Refusal>,
    ) -> Option<Approved> {
        match check(self) {
            Ok(approved) => Some(approved),
            Err(refusal) => {
                self.counters.refused += 1;
                self.hold_until[side.index()] = ctx.now + self.config.requote.min_interval;
                ctx.note(Note::Refused { instrument: self.config.instrument.id, refusal });
                None
            }
        }
    }

    /// Lots of a side that might still fill.
    fn working(&self, side: Side, except: Option<ClientOrderId>) -> Qty {
        if mutants::is(Mutant::IgnoreInFlight) {
            let live = self.orders.live().iter().filter(|order| {
                order.side == side && order.state == State::Live && Some(order.client_id) != except
            });
            return live.map(Order::exposed).sum();
        }
        self.orders.exposed(side, except)
    }

    fn gate_context(&self, now: Nanos, side: Side, except: Option<ClientOrderId>) -> GateContext {
        let usable = self.book_status(now) == BookStatus::Synced;
        GateContext {
            now,
            mode: self.mode,
            mid: if usable { self.mid() } else { None },
            mark: self.believed_mark(now),
            position: self.ledger.position(),
            working: self.working(side, except),
            own_opposite: self.orders.best(side.opposite()),
            open_orders: self.orders.count(),
        }
    }

    /// Whether orders live that must not: while flattening, those that could enlarge the position.
    fn must_withdraw(&self) -> bool {
        let flattens = self.flattening.is_some();
        let must_go = |order: &Order| !(flattens && order.reduce_only);
        self.mode == Mode::Halted && self.orders.live().iter().any(must_go)
    }

    /// Everything must go, whoever asked for it. Where canceling one by one has not worked in time,
    /// it is done again, and everything is canceled at once unless others trade on the account.
    fn escalate(&mut self, ctx: &mut Context<'_>) {
        let since = self.withdrawing.unwrap_or(ctx.now);
        self.withdrawing = self.must_withdraw().then_some(since);
        let patient = self.flattening.is_some_and(|flattening| ctx.now < flattening.take_at);
        if self.mode != Mode::Halted || patient || self.orders.is_flat() {
            self.escalate_at = None;
            return;
        }
        let timeout = self.config.ack_timeout;
        let at = *self.escalate_at.get_or_insert(ctx.now + timeout * 2);
        if ctx.now < at {
            return;
        }
        self.escalate_at = Some(ctx.now + timeout);
        if self.foreign.is_empty() {
            let cancel_all = self.gate.cancel_all(self.config.instrument.id);
            ctx.out.push(Output::Venue(cancel_all));
        }
        let stuck: ArrayVec<(ClientOrderId, State), 16> = self
            .orders
            .live()
            .iter()
            .take(16)
            .map(|order| (order.client_id, order.state))
            .collect();
        for (client_id, state) in stuck {
            if matches!(state, State::InDoubt { .. }) {
                // Canceled blindly; the questions about it go on.
                let approved = self.gate.cancel(self.config.instrument.id, client_id);
                self.counters.canceled += 1;
                self.send(ctx, approved, client_id, RequestKind::Cancel);
            } else {
                self.cancel(ctx, client_id);
            }
        }
    }
}
