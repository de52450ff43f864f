//! The rules of the venue: what it accepts, how it matches, what it tells each account.
//!
//! Shared by the simulated and the recorded market, which differ only in [`Liquidity`].

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::venue::{
    AccountState, Amend, ExpireReason, Fill, NewOrder, OpenOrder, OrderKind, Outcome, RejectReason,
    RequestKind, TimeInForce, VenueCommand, VenueReport,
};
use market::{
    ClientOrderId, Decimal, FinePrice, Instrument, Nanos, Position, Price, Qty, Rate, Side, Trade,
    TradeId, Usd, VenueOrderId,
};

use crate::config::{AccountId, Fees, RateLimits};
use crate::orders::{Account, Order, State};

/// What an order can trade with.
pub(crate) trait Liquidity {
    /// Whether orders can be accepted at all.
    fn is_open(&self) -> bool;
    /// Best price on a side, orders of accounts included.
    fn best(&self, side: Side) -> Option<Price>;
    /// What a taker could get up to `limit`, counted up to `want`, its own orders left out.
    fn takeable(&self, taker: AccountId, side: Side, limit: Price, want: Qty) -> Qty;
    /// The next trade of a taker within `limit`, executed; or its own order in the way, removed.
    fn take(&mut self, taker: AccountId, side: Side, limit: Price, want: Qty) -> Option<Match>;
    /// Puts an order at the tail of its queue; returns its place.
    fn rest(&mut self, owner: AccountId, order: &Order) -> u64;
    /// Takes a quantity off a resting order, which leaves when nothing is left.
    fn shrink(&mut self, place: u64, id: VenueOrderId, by: Qty);
}

/// What a taker met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// A trade.
    Trade {
        /// Who rested there, and with which order.
        maker: Option<(AccountId, VenueOrderId)>,
        /// At the maker's price.
        price: Price,
        /// How much.
        qty: Qty,
    },
    /// An order of the taker itself, now out of the book: self-trade prevention EXPIRE_MAKER.
    Own(VenueOrderId),
}

/// Who takes, and with which order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub(crate) account: AccountId,
    pub(crate) order: VenueOrderId,
    pub(crate) side: Side,
}

/// A report on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) account: AccountId,
    pub(crate) report: VenueReport,
    /// Whether it is news on the user stream rather than the answer to a request.
    pub(crate) stream: bool,
}

/// Terms on which everybody trades.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) instrument: Instrument,
    pub(crate) leverage: u32,
    pub(crate) fees: Fees,
    pub(crate) rate_limits: RateLimits,
}

/// Accounts and rules.
#[derive(Clone, Debug)]
pub(crate) struct Venue {
    pub(crate) terms: Terms,
    /// The margin price; zero until known.
    pub(crate) mark: FinePrice,
    /// Ascending by id; few.
    accounts: Vec<(AccountId, Account)>,
    /// Sum of the positions of everybody without a ledger.
    pub(crate) crowd: Position,
    next_order: i64,
    next_trade: i64,
    /// Reports to be sent, drained by the machine around.
    pub(crate) reports: Vec<Outgoing>,
    /// Public prints to be published, drained by the machine around.
    pub(crate) prints: Vec<Trade>,
}

/// An order that passed the gate.
struct Admitted {
    limit: Price,
    qty: Qty,
}

impl Venue {
    pub(crate) fn new(terms: Terms, mark: FinePrice, balance: Usd) -> Self {
        Self {
            terms,
            mark,
            accounts: vec![(AccountId::TRADER, Account::new(balance))],
            crowd: Position::ZERO,
            next_order: 1,
            next_trade: 1,
            reports: Vec::new(),
            prints: Vec::new(),
        }
    }

    /// Opens a further account, unless it exists.
    pub(crate) fn open_account(&mut self, id: AccountId, balance: Usd) {
        if let Err(index) = self.accounts.binary_search_by_key(&id, |(id, _)| *id) {
            self.accounts.insert(index, (id, Account::new(balance)));
        }
    }

    pub(crate) fn account(&self, id: AccountId) -> &Account {
        let index = self.accounts.binary_search_by_key(&id, |(id, _)| *id);
        &self.accounts[index.expect("an account that was opened")].1
    }

    fn account_mut(&mut self, id: AccountId) -> &mut Account {
        let index = self.accounts.binary_search_by_key(&id, |(id, _)| *id);
        &mut self.accounts[index.expect("an account that was opened")].1
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        self.accounts.iter().map(|(id, account)| (*id, account))
    }

    /// A number for the next order.
    pub(crate) fn order_id(&mut self) -> VenueOrderId {
        self.next_order += 1;
        VenueOrderId(self.next_order - 1)
    }

    /// Does what an account asks and queues what there is to say about it.
    pub(crate) fn execute<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        command: &VenueCommand,
    ) {
        match command {
            VenueCommand::Place(order) => self.place(book, now, account, order),
            VenueCommand::Amend(amend) => self.amend(book, now, account, amend),
            VenueCommand::Cancel { client_id, .. } => self.cancel(book, now, account, *client_id),
            VenueCommand::CancelAll { .. } => self.cancel_all(book, now, account, false),
            VenueCommand::ArmDeadMan { countdown, .. } => self.arm(now, account, *countdown),
            VenueCommand::QueryOrder { client_id, .. } => {
                let (fate, fills) = self.account(account).fate(now, *client_id);
                self.reply(account, VenueReport::Order { client_id: *client_id, fate, fills });
            }
            VenueCommand::QueryAccount { since, .. } => {
                let state = self.account_state(account, *since);
                self.reply(account, VenueReport::Account(state));
            }
        }
    }

    fn account_state(&self, id: AccountId, since: Option<TradeId>) -> AccountState {
        let account = self.account(id);
        AccountState {
            position: account.ledger.position,
            entry: account.ledger.entry(&self.terms.instrument),
            wallet: account.ledger.wallet,
            open_orders: account.open_list(),
            fills: account.fills_after(since),
            last_trade: account.last_trade(),
        }
    }

    fn place<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        order: &NewOrder,
    ) {
        let client_id = order.client_id;
        let admitted = match self.admit(book, now, account, order) {
            Ok(admitted) => admitted,
            Err(reason) => return self.reject(account, client_id, RequestKind::Place, reason),
        };
        let venue_id = self.order_id();
        self.account_mut(account).insert(Order::new(venue_id, order, admitted.limit));
        self.reply(account, VenueReport::Ack { client_id, venue_id });
        self.enter(book, now, account, venue_id, admitted.qty);
    }

    /// The gate for new orders: one guard, one reason, in the order in which Binance checks.
    fn admit<L: Liquidity>(
        &mut self,
        book: &L,
        now: Nanos,
        id: AccountId,
        order: &NewOrder,
    ) -> Result<Admitted, RejectReason> {
        let limits = self.terms.rate_limits;
        if !self.account_mut(id).count_order(now, &limits) {
            return Err(RejectReason::RateLimit); // -1015
        }
        let account = self.account(id);
        let rules = self.terms.instrument.rules();
        if account.open_order(order.client_id).is_some() {
            return Err(RejectReason::DuplicateId); // -4116
        }
        if !book.is_open() {
            return Err(RejectReason::Unavailable); // 503
        }
        let market = matches!(order.kind, OrderKind::Market);
        let limit = match order.kind {
            OrderKind::Limit { price, .. } => price,
            OrderKind::Market => self.worst_price(book, order.side),
        };
        self.check_filters(order.side, limit, order.qty, order.reduce_only, market)?;
        let mut qty = order.qty;
        if order.reduce_only {
            let free = self.reducible(id, order.side, Qty::ZERO);
            if free.is_zero() || (!market && qty > free) {
                return Err(RejectReason::ReduceOnly); // -2022
            }
            qty = qty.min(free);
        }
        if account.open_count() >= rules.max_orders as usize {
            return Err(RejectReason::TooManyOrders); // -4045 MAX_NUM_ORDERS
        }
        if !order.reduce_only && !self.has_margin(id, order.side, limit, order.qty, market) {
            return Err(RejectReason::Margin); // -2019
        }
        let tif = match order.kind {
            OrderKind::Limit { tif, .. } => tif,
            OrderKind::Market => TimeInForce::Ioc,
        };
        if tif == TimeInForce::PostOnly && would_take(book, order.side, limit) {
            return Err(RejectReason::WouldTake); // -5022
        }
        if tif == TimeInForce::Fok && book.takeable(id, order.side, limit, qty) < qty {
            return Err(RejectReason::WouldNotFill); // -5021
        }
        Ok(Admitted { limit, qty })
    }

    /// Price, quantity and notional filters (-1111, -4003, -4005, -4164, -4016, -4024).
    fn check_filters(
        &self,
        side: Side,
        limit: Price,
        qty: Qty,
        reduce_only: bool,
        market: bool,
    ) -> Result<(), RejectReason> {
        let instrument = &self.terms.instrument;
        let rules = instrument.rules();
        let lots = |value: Decimal| instrument.qty_at_most(value);
        let max = if market { rules.market_max_qty } else { rules.max_qty };
        if limit <= Price::ZERO || qty.is_zero() {
            return Err(RejectReason::Filter);
        }
        if qty < lots(rules.min_qty) || qty > lots(max) {
            return Err(RejectReason::Filter);
        }
        let min_notional = Usd::from_decimal(rules.min_notional);
        let notional = if market && !self.mark.is_zero() {
            instrument.value_at(self.mark, qty.signed(Side::Buy))
        } else {
            instrument.notional(limit, qty)
        };
        if !reduce_only && notional < min_notional {
            return Err(RejectReason::Filter);
        }
        if !market && self.band(side).is_some_and(|edge| side.is_better(limit, edge)) {
            return Err(RejectReason::PriceBand);
        }
        Ok(())
    }

    /// The most aggressive limit a side may have: `PERCENT_PRICE` around mark.
    fn band(&self, side: Side) -> Option<Price> {
        let instrument = &self.terms.instrument;
        let rules = instrument.rules();
        let share = |factor: Decimal| {
            let edge = i128::from(self.mark.raw()) * i128::from(factor.units());
            FinePrice::new(i64::try_from(edge / i128::from(Decimal::SCALE)).unwrap_or(i64::MAX))
        };
        (!self.mark.is_zero()).then(|| match side {
            Side::Buy => instrument.price_at_or_below(share(rules.band_up)),
            Side::Sell => instrument.price_at_or_above(share(rules.band_down)),
        })
    }

    /// How far a market order may walk: to the price band, or anywhere while mark is unknown.
    fn worst_price<L: Liquidity>(&self, book: &L, side: Side) -> Price {
        let anywhere = book.best(side.opposite()).map_or(Price::new(1), |best| match side {
            Side::Buy => Price::new(best.raw().saturating_mul(2)),
            Side::Sell => Price::new(1),
        });
        self.band(side).unwrap_or(anywhere)
    }

    /// What a further reduce-only order of a side may have: the position less what rests already.
    fn reducible(&self, id: AccountId, side: Side, besides: Qty) -> Qty {
        let account = self.account(id);
        let resting = account.resting(side, true).saturating_sub(besides);
        account.ledger.position.reducible_by(side).saturating_sub(resting)
    }

    /// Whether initial margin suffices if everything on this side filled.
    fn has_margin(&self, id: AccountId, side: Side, limit: Price, extra: Qty, market: bool) -> bool {
        let instrument = &self.terms.instrument;
        let account = self.account(id);
        let worst = account.worst(side, extra);
        if worst.abs() <= account.ledger.position.abs() {
            return true;
        }
        let fine = instrument.fine(limit);
        let price = if market && !self.mark.is_zero() { self.mark } else { fine.max(self.mark) };
        let equity = account.ledger.wallet + account.ledger.unrealized(instrument, self.mark_or(fine));
        instrument.value_at(price, worst).abs() <= equity * i64::from(self.terms.leverage)
    }

    fn mark_or(&self, fallback: FinePrice) -> FinePrice {
        if self.mark.is_zero() { fallback } else { self.mark }
    }

    /// Matches an accepted order up to `qty` and rests or ends what is left.
    fn enter<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        id: VenueOrderId,
        qty: Qty,
    ) {
        let order = self.account(account).order(id).expect("just accepted");
        let (side, limit, tif, capped) = (order.side, order.price, order.tif, qty < order.left());
        self.sweep(book, now, Taker { account, order: id, side }, limit, qty);
        let Some(order) = self.account(account).order(id) else {
            return; // filled
        };
        match tif {
            TimeInForce::Gtc | TimeInForce::PostOnly => {
                let place = book.rest(account, order);
                self.rests(account, id, place);
                self.trim_reduce_only(book, now, account);
            }
            TimeInForce::Ioc | TimeInForce::Fok => {
                let full = order.filled >= qty;
                let reason = if capped && full {
                    ExpireReason::ReduceOnly
                } else {
                    ExpireReason::Unfilled
                };
                self.expire(now, account, id, reason);
            }
        }
    }

    fn rests(&mut self, account: AccountId, id: VenueOrderId, place: u64) {
        if let Some(order) = self.account_mut(account).order_mut(id) {
            order.state = State::Resting(place);
        }
    }

    /// Trades a taker up to `limit` and `qty`; returns what was executed.
    pub(crate) fn sweep<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        taker: Taker,
        limit: Price,
        qty: Qty,
    ) -> Qty {
        let mut left = qty;
        while !left.is_zero() {
            match book.take(taker.account, taker.side, limit, left) {
                None => break,
                Some(Match::Own(id)) => {
                    self.expire(now, taker.account, id, ExpireReason::SelfTrade);
                }
                Some(Match::Trade { maker, price, qty }) => {
                    left -= qty;
                    self.trade(book, now, taker, maker, price, qty);
                }
            }
        }
        qty - left
    }

    fn trade<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        taker: Taker,
        maker: Option<(AccountId, VenueOrderId)>,
        price: Price,
        qty: Qty,
    ) {
        let trade = TradeId(self.next_trade);
        self.next_trade += 1;
        self.prints.push(Trade { id: trade.0, price, qty, aggressor: taker.side });
        let fill = |side: Side, maker: bool| Execution { trade, side, price, qty, maker };
        if let Some((account, order)) = maker {
            self.book_fill(now, account, order, fill(taker.side.opposite(), true));
            self.trim_reduce_only(book, now, account);
        }
        self.book_fill(now, taker.account, taker.order, fill(taker.side, false));
        self.trim_reduce_only(book, now, taker.account);
    }

    /// A resting order of an account trades without a counterparty of ours: recorded markets.
    pub(crate) fn fill_resting<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        order: VenueOrderId,
        qty: Qty,
    ) {
        let Some((side, price)) = self.account(account).order(order).map(|o| (o.side, o.price))
        else {
            return;
        };
        let trade = TradeId(self.next_trade);
        self.next_trade += 1;
        self.book_fill(now, account, order, Execution { trade, side, price, qty, maker: true });
        self.trim_reduce_only(book, now, account);
    }

    /// A fill that belongs to no order of the account's own: liquidation, ADL, placed by hand.
    pub(crate) fn foreign_fill<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        side: Side,
        price: Price,
        qty: Qty,
    ) {
        let (trade, order) = (TradeId(self.next_trade), self.order_id());
        self.next_trade += 1;
        self.crowd += qty.signed(side.opposite());
        self.book_fill(now, account, order, Execution { trade, side, price, qty, maker: false });
        self.trim_reduce_only(book, now, account);
    }

    fn book_fill(&mut self, now: Nanos, id: AccountId, order: VenueOrderId, trade: Execution) {
        if !id.has_ledger() {
            self.crowd += trade.qty.signed(trade.side);
            return;
        }
        let fees = self.terms.fees;
        let rate: Rate = if trade.maker { fees.maker } else { fees.taker };
        let index = self.accounts.binary_search_by_key(&id, |(id, _)| *id);
        let account = &mut self.accounts[index.expect("an account that was opened")].1;
        let instrument = &self.terms.instrument;
        let fee = account.ledger.fill(instrument, trade.side, trade.price, trade.qty, rate);
        let mut fill = Fill {
            trade_id: trade.trade,
            client_id: None,
            venue_id: order,
            side: trade.side,
            price: trade.price,
            qty: trade.qty,
            cumulative: trade.qty,
            maker: trade.maker,
            fee,
            ts_event: now,
        };
        let mut full = false;
        if let Some(order) = account.order_mut(order) {
            order.filled += trade.qty;
            (fill.client_id, fill.cumulative) = (order.client_id, order.filled);
            full = order.left().is_zero();
        }
        account.note_fill(order, fill);
        if full {
            account.end(now, order, Outcome::Filled);
        }
        self.news(id, VenueReport::Fill(fill));
    }

    /// Shrinks or expires resting reduce-only orders, newest first, to what the position allows.
    fn trim_reduce_only<L: Liquidity>(&mut self, book: &mut L, now: Nanos, id: AccountId) {
        if !id.has_ledger() {
            return;
        }
        for side in Side::BOTH {
            let account = self.account(id);
            let room = account.ledger.position.reducible_by(side);
            let mut excess = account.resting(side, true).saturating_sub(room);
            while !excess.is_zero() {
                let resting = self.account(id).open_orders().filter_map(|order| match order.state {
                    State::Resting(place) if order.reduce_only && order.side == side => {
                        Some((order.venue_id, place, order.left(), order.client_id, order.price))
                    }
                    _ => None,
                });
                let Some((order, place, left, client_id, price)) = resting.last() else {
                    break; // the rest is an order being matched right now
                };
                let by = left.min(excess);
                excess -= by;
                book.shrink(place, order, by);
                if by == left {
                    self.expire(now, id, order, ExpireReason::ReduceOnly);
                } else if let Some(order) = self.account_mut(id).order_mut(order) {
                    order.qty -= by;
                    let qty = order.qty;
                    if let Some(client_id) = client_id {
                        self.news(id, VenueReport::Amended { client_id, price, qty });
                    }
                }
            }
        }
    }

    /// Binance 6.7: new total quantity, tail of the queue, sometimes the end of the order.
    fn amend<L: Liquidity>(&mut self, book: &mut L, now: Nanos, id: AccountId, amend: &Amend) {
        let client_id = amend.client_id;
        let order = match self.check_amend(now, id, amend) {
            Ok(order) => order,
            Err(reason) => return self.reject(id, client_id, RequestKind::Amend, reason),
        };
        let takes = order.tif == TimeInForce::PostOnly
            && would_take(book, order.side, amend.price);
        if amend.qty <= order.filled || takes {
            return self.withdraw(book, now, id, order.venue_id, false);
        }
        let State::Resting(place) = order.state else {
            return self.reject(id, client_id, RequestKind::Amend, RejectReason::Other);
        };
        book.shrink(place, order.venue_id, order.left());
        if let Some(live) = self.account_mut(id).order_mut(order.venue_id) {
            (live.price, live.qty, live.state) = (amend.price, amend.qty, State::Taking);
        }
        self.reply(id, VenueReport::Amended { client_id, price: amend.price, qty: amend.qty });
        self.enter(book, now, id, order.venue_id, amend.qty - order.filled);
    }

    fn check_amend(
        &mut self,
        now: Nanos,
        id: AccountId,
        amend: &Amend,
    ) -> Result<Order, RejectReason> {
        let limits = self.terms.rate_limits;
        if !self.account_mut(id).count_order(now, &limits) {
            return Err(RejectReason::RateLimit); // -1015
        }
        let Some(order) = self.account(id).open_order(amend.client_id) else {
            return Err(RejectReason::UnknownOrder); // -2013
        };
        if order.side != amend.side {
            return Err(RejectReason::Other);
        }
        if order.price == amend.price && order.qty == amend.qty {
            return Err(RejectReason::NoChange); // -5027
        }
        if amend.qty <= order.filled && !amend.qty.is_zero() {
            return Ok(order.clone()); // ends the order, whatever the filters say
        }
        let left = amend.qty.saturating_sub(order.filled);
        self.check_filters(order.side, amend.price, left, order.reduce_only, false)?;
        if order.reduce_only && left > self.reducible(id, order.side, order.left()) {
            return Err(RejectReason::ReduceOnly); // -2022
        }
        let more = left.saturating_sub(order.left());
        let grows = !order.reduce_only && (left > order.left() || amend.price > order.price);
        if grows && !self.has_margin(id, order.side, amend.price, more, false) {
            return Err(RejectReason::Margin); // -2019
        }
        Ok(order.clone())
    }

    fn cancel<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        id: AccountId,
        client_id: ClientOrderId,
    ) {
        match self.account(id).open_order(client_id).map(|order| order.venue_id) {
            Some(order) => self.withdraw(book, now, id, order, false),
            None => {
                // -2011: gone, or never there.
                self.reject(id, client_id, RequestKind::Cancel, RejectReason::UnknownOrder);
            }
        }
    }

    fn cancel_all<L: Liquidity>(&mut self, book: &mut L, now: Nanos, id: AccountId, stream: bool) {
        let open: Vec<_> = self.account(id).open_orders().map(|order| order.venue_id).collect();
        for order in open {
            self.withdraw(book, now, id, order, stream);
        }
    }

    fn withdraw<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        id: AccountId,
        order: VenueOrderId,
        stream: bool,
    ) {
        let Some(open) = self.account(id).order(order) else {
            return;
        };
        if let State::Resting(place) = open.state {
            book.shrink(place, order, open.left());
        }
        let ended = self.account_mut(id).end(now, order, Outcome::Canceled);
        let (name, filled) = (ended.client_id, ended.filled);
        if let Some(client_id) = name {
            let report = VenueReport::Canceled { client_id, filled };
            self.reports.push(Outgoing { account: id, report, stream });
        }
    }

    fn expire(&mut self, now: Nanos, id: AccountId, order: VenueOrderId, reason: ExpireReason) {
        if !id.has_ledger() {
            return;
        }
        let order = self.account_mut(id).end(now, order, Outcome::Expired);
        let (name, filled) = (order.client_id, order.filled);
        if let Some(client_id) = name {
            self.news(id, VenueReport::Expired { client_id, filled, reason });
        }
    }

    fn arm(&mut self, now: Nanos, id: AccountId, countdown: Duration) {
        let due = (!countdown.is_zero()).then_some(now + countdown);
        self.account_mut(id).dead_man = due;
        self.reply(id, VenueReport::DeadManArmed { until: due.unwrap_or(Nanos::MAX) });
    }

    /// When the first dead-man's switch goes off.
    pub(crate) fn dead_man_due(&self) -> Option<Nanos> {
        self.accounts.iter().filter_map(|(_, account)| account.dead_man).min()
    }

    /// Lets the dead-man's switches that are due go off: once, not again.
    pub(crate) fn fire_dead_men<L: Liquidity>(&mut self, book: &mut L, now: Nanos) {
        for index in 0..self.accounts.len() {
            let (id, account) = &mut self.accounts[index];
            if account.dead_man.is_some_and(|due| due <= now) {
                account.dead_man = None;
                let id = *id;
                self.cancel_all(book, now, id, true);
            }
        }
    }

    /// Pays funding to or by every account with a position.
    pub(crate) fn pay_funding(&mut self, rate: Rate) {
        let mark = self.mark;
        for index in 0..self.accounts.len() {
            let (id, account) = &mut self.accounts[index];
            if !account.ledger.position.is_zero() {
                let amount = account.ledger.pay_funding(&self.terms.instrument, mark, rate);
                let id = *id;
                self.news(id, VenueReport::Funding { amount });
            }
        }
    }

    /// Deposits to or withdraws from an account.
    pub(crate) fn transfer(&mut self, id: AccountId, amount: Usd) {
        self.account_mut(id).ledger.wallet += amount;
        self.news(id, VenueReport::Transfer { amount });
    }

    fn reject(
        &mut self,
        account: AccountId,
        client_id: ClientOrderId,
        request: RequestKind,
        reason: RejectReason,
    ) {
        self.reply(account, VenueReport::Reject { client_id, request, reason });
    }

    fn reply(&mut self, account: AccountId, report: VenueReport) {
        self.reports.push(Outgoing { account, report, stream: false });
    }

    fn news(&mut self, account: AccountId, report: VenueReport) {
        self.reports.push(Outgoing { account, report, stream: true });
    }

    /// Feeds everything that decides future behaviour into a hasher.
    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        (self.mark, self.crowd, self.next_order, self.next_trade).hash(hasher);
        for (id, account) in &self.accounts {
            id.hash(hasher);
            account.hash_into(hasher);
        }
    }

    pub(crate) fn assert_invariants(&self) {
        for (_, account) in &self.accounts {
            account.assert_invariants();
        }
    }
}

struct Execution {
    trade: TradeId,
    side: Side,
    price: Price,
    qty: Qty,
    maker: bool,
}

fn would_take<L: Liquidity>(book: &L, side: Side, limit: Price) -> bool {
    book.best(side.opposite()).is_some_and(|best| side.crosses(limit, best))
}

/// What the venue knows about an account at this instant, without any delay: for auditors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Signed holding.
    pub position: Position,
    /// Average entry price; zero when flat.
    pub entry: FinePrice,
    /// Wallet balance, unrealized PnL not included.
    pub wallet: Usd,
    /// What the position would realize at mark.
    pub unrealized: Usd,
    /// Realized PnL so far, fees and funding not included.
    pub realized: Usd,
    /// Fees paid so far.
    pub fees: Usd,
    /// Funding received so far.
    pub funding: Usd,
    /// Sum of the notionals of all fills.
    pub turnover: Usd,
    /// Number of fills.
    pub fills: u64,
    /// The account's last trade.
    pub last_trade: Option<TradeId>,
    /// Every open order.
    pub open_orders: Vec<OpenOrder>,
    /// When the dead-man's switch goes off; `None` when not armed.
    pub dead_man: Option<Nanos>,
    /// The venue's margin price.
    pub mark: FinePrice,
}

impl Venue {
    /// The truth about an account.
    pub(crate) fn truth(&self, id: AccountId) -> Truth {
        let account = self.account(id);
        let ledger = &account.ledger;
        Truth {
            position: ledger.position,
            entry: ledger.entry(&self.terms.instrument),
            wallet: ledger.wallet,
            unrealized: ledger.unrealized(&self.terms.instrument, self.mark),
            realized: ledger.realized,
            fees: ledger.fees,
            funding: ledger.funding,
            turnover: ledger.turnover,
            fills: ledger.fills,
            last_trade: account.last_trade(),
            open_orders: account.open_list(),
            dead_man: account.dead_man,
            mark: self.mark,
        }
    }
}
