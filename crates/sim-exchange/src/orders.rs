//! One account as the venue keeps it: ledger, orders open and ended, fills, counters, dead-man.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::venue::{Fill, NewOrder, OpenOrder, OrderFate, OrderKind, Outcome, TimeInForce};
use market::{ClientOrderId, Nanos, Position, Price, Qty, Side, TradeId, Usd, VenueOrderId};

use crate::account::Ledger;
use crate::config::RateLimits;

/// Ended orders kept for queries; the oldest are forgotten beyond that.
const ENDED_MAX: usize = 100_000;
/// Fills kept for queries.
const FILLS_MAX: usize = 500_000;
/// A query does not find orders that ended without a fill longer ago than this (Binance -2013).
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3 * 86_400);

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// Accepted and being matched right now.
    Taking,
    /// In the book, at this place of it.
    Resting(u64),
    /// Over.
    Ended(Outcome, Nanos),
}

/// An order of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    /// Name given by the owner; `None` when placed by hand or by the venue.
    pub(crate) client_id: Option<ClientOrderId>,
    pub(crate) venue_id: VenueOrderId,
    pub(crate) side: Side,
    /// Limit; for market orders the worst price the venue allows.
    pub(crate) price: Price,
    /// Only limit orders rest, so market orders count as immediate-or-cancel.
    pub(crate) tif: TimeInForce,
    pub(crate) qty: Qty,
    pub(crate) filled: Qty,
    pub(crate) reduce_only: bool,
    pub(crate) state: State,
    fills: Vec<TradeId>,
}

impl Order {
    pub(crate) fn new(venue_id: VenueOrderId, order: &NewOrder, limit: Price) -> Self {
        Self {
            client_id: Some(order.client_id),
            venue_id,
            side: order.side,
            price: limit,
            tif: match order.kind {
                OrderKind::Limit { tif, .. } => tif,
                OrderKind::Market => TimeInForce::Ioc,
            },
            qty: order.qty,
            filled: Qty::ZERO,
            reduce_only: order.reduce_only,
            state: State::Taking,
            fills: Vec::new(),
        }
    }

    pub(crate) fn left(&self) -> Qty {
        self.qty.saturating_sub(self.filled)
    }

    /// An order that rested before the venue was closed and opened again.
    pub(crate) fn again(order: &crate::reopen::Rested) -> Self {
        Self {
            client_id: Some(order.client_id),
            venue_id: order.venue_id,
            side: order.side,
            price: order.price,
            tif: order.tif,
            qty: order.qty,
            filled: order.filled,
            reduce_only: order.reduce_only,
            state: State::Taking,
            fills: Vec::new(),
        }
    }

    fn as_open(&self) -> OpenOrder {
        OpenOrder {
            client_id: self.client_id,
            venue_id: self.venue_id,
            side: self.side,
            price: self.price,
            qty: self.qty,
            filled: self.filled,
            reduce_only: self.reduce_only,
        }
    }
}

/// An account with everything the venue knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) ledger: Ledger,
    pub(crate) dead_man: Option<Nanos>,
    /// Initial margin is notional divided by this.
    pub(crate) leverage: u32,
    open: BTreeMap<VenueOrderId, Order>,
    ended: BTreeMap<VenueOrderId, Order>,
    names: BTreeMap<ClientOrderId, VenueOrderId>,
    fills: VecDeque<Fill>,
    windows: [(u64, u32); 2],
    /// Whether orders and fills that are over are kept for queries.
    remembers: bool,
}

impl Account {
    pub(crate) fn new(wallet: Usd, leverage: u32) -> Self {
        Self {
            ledger: Ledger::new(wallet),
            dead_man: None,
            leverage,
            open: BTreeMap::new(),
            ended: BTreeMap::new(),
            names: BTreeMap::new(),
            fills: VecDeque::new(),
            windows: [(0, 0); 2],
            remembers: true,
        }
    }

    /// From now on what is over is not kept: somebody in front answers the queries.
    pub(crate) fn forget_ended(&mut self) {
        self.remembers = false;
        self.ended.clear();
        self.fills.clear();
    }

    /// Counts a placement or amendment; false, and not counted, when a window is full.
    pub(crate) fn count_order(&mut self, now: Nanos, limits: &RateLimits) -> bool {
        const SECOND: u64 = 1_000_000_000;
        let rules = [(10 * SECOND, limits.per_10s), (60 * SECOND, limits.per_minute)];
        for ((window, used), (length, _)) in self.windows.iter_mut().zip(rules) {
            let current = now.0 / length;
            if *window != current {
                (*window, *used) = (current, 0);
            }
        }
        let within = self.windows.iter().zip(rules).all(|((_, used), (_, limit))| *used < limit);
        for (_, used) in self.windows.iter_mut().filter(|_| within) {
            *used += 1;
        }
        within
    }

    pub(crate) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.values()
    }

    pub(crate) fn open_list(&self) -> Vec<OpenOrder> {
        self.open.values().map(Order::as_open).collect()
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn open_order(&self, client_id: ClientOrderId) -> Option<&Order> {
        self.names.get(&client_id).and_then(|id| self.open.get(id))
    }

    pub(crate) fn order(&self, id: VenueOrderId) -> Option<&Order> {
        self.open.get(&id)
    }

    pub(crate) fn order_mut(&mut self, id: VenueOrderId) -> Option<&mut Order> {
        self.open.get_mut(&id)
    }

    /// Takes in a new order.
    pub(crate) fn insert(&mut self, order: Order) {
        if let Some(name) = order.client_id {
            self.names.insert(name, order.venue_id);
        }
        self.open.insert(order.venue_id, order);
    }

    /// Ends an order; returns its owner's name for it and what was filled.
    ///
    /// # Panics
    /// When it is not open: a bug of the caller.
    pub(crate) fn end(
        &mut self,
        now: Nanos,
        id: VenueOrderId,
        outcome: Outcome,
    ) -> (Option<ClientOrderId>, Qty) {
        let mut order = self.open.remove(&id).expect("only open orders end");
        order.state = State::Ended(outcome, now);
        let last = (order.client_id, order.filled);
        if !self.remembers {
            if let Some(name) = order.client_id
                && self.names.get(&name) == Some(&id)
            {
                self.names.remove(&name);
            }
            return last;
        }
        if self.ended.len() >= ENDED_MAX
            && let Some((_, oldest)) = self.ended.pop_first()
            && let Some(name) = oldest.client_id
            && self.names.get(&name) == Some(&oldest.venue_id)
        {
            self.names.remove(&name);
        }
        self.ended.insert(id, order);
        last
    }

    /// Notes a fill of an open order.
    pub(crate) fn note_fill(&mut self, id: VenueOrderId, fill: Fill) {
        if !self.remembers {
            return;
        }
        if let Some(order) = self.open.get_mut(&id) {
            order.fills.push(fill.trade_id);
        }
        if self.fills.len() >= FILLS_MAX {
            self.fills.pop_front();
        }
        self.fills.push_back(fill);
    }

    /// Quantity of resting orders of a side, either those that may only reduce or the others.
    pub(crate) fn resting(&self, side: Side, reduce_only: bool) -> Qty {
        let rests = |o: &Order| matches!(o.state, State::Resting(_));
        let matching = |o: &&Order| o.side == side && o.reduce_only == reduce_only && rests(o);
        self.open.values().filter(matching).map(Order::left).sum()
    }

    /// The position if every order that may enlarge it on `side` filled, `extra` included.
    pub(crate) fn worst(&self, side: Side, extra: Qty) -> Position {
        self.ledger.position + (self.resting(side, false) + extra).signed(side)
    }

    /// What became of an order, and its fills.
    pub(crate) fn fate(&self, now: Nanos, client_id: ClientOrderId) -> (OrderFate, Vec<Fill>) {
        let id = self.names.get(&client_id);
        let order = id.and_then(|id| self.open.get(id).or_else(|| self.ended.get(id)));
        let Some(order) = order else {
            return (OrderFate::NotFound, Vec::new());
        };
        let fills = order.fills.iter().filter_map(|&id| self.fill(id)).collect();
        match order.state {
            State::Ended(_, at) if order.filled.is_zero() && now.since(at) > FORGOTTEN_AFTER => {
                (OrderFate::NotFound, Vec::new())
            }
            State::Ended(outcome, _) => {
                (OrderFate::Closed { filled: order.filled, outcome }, fills)
            }
            State::Taking | State::Resting(_) => (OrderFate::Open(order.as_open()), fills),
        }
    }

    /// Fills after this one, ascending.
    pub(crate) fn fills_after(&self, since: Option<TradeId>) -> Vec<Fill> {
        let Some(since) = since else {
            return Vec::new();
        };
        let from = self.fills.partition_point(|fill| fill.trade_id <= since);
        self.fills.range(from..).copied().collect()
    }

    pub(crate) fn last_trade(&self) -> Option<TradeId> {
        self.fills.back().map(|fill| fill.trade_id)
    }

    fn fill(&self, id: TradeId) -> Option<Fill> {
        let index = self.fills.binary_search_by_key(&id, |fill| fill.trade_id).ok()?;
        self.fills.get(index).copied()
    }

    /// Feeds everything that decides future behaviour into a hasher.
    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        self.ledger.hash(hasher);
        (self.dead_man, self.windows).hash(hasher);
        self.open.hash(hasher);
        // Ended orders and fills only answer queries and only grow: their ends tell them apart.
        self.ended.last_key_value().hash(hasher);
        (self.ended.len(), self.fills.len(), self.fills.back()).hash(hasher);
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// When an order is overfilled or a reduce-only order could enlarge: a bug of ours.
    pub(crate) fn assert_invariants(&self) {
        for order in self.open.values() {
            assert!(order.filled < order.qty, "{:?} is open but full", order.venue_id);
            assert!(matches!(order.state, State::Resting(_)), "{:?} in between", order.venue_id);
        }
        for side in Side::BOTH {
            let room = self.ledger.position.reducible_by(side);
            assert!(self.resting(side, true) <= room, "reduce-only {side} orders exceed position");
        }
    }
}
