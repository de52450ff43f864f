//! The rules of the venue: what it accepts, how it matches, what it tells each account.
//!
//! Shared by the simulated and the recorded market, which differ only in [`Liquidity`].

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::venue::{
    AccountState, Amend, ExpireReason, NewOrder, Outcome, RejectReason, RequestKind, TimeInForce,
    VenueCommand, VenueReport,
};
use market::{
    ClientOrderId, FinePrice, Instrument, Nanos, Position, Price, Qty, Rate, Side, Trade, TradeId,
    Usd, VenueOrderId,
};

use crate::config::{AccountId, Fees, RateLimits};
use crate::gate::would_take;
use crate::orders::{Account, Order, State};
use crate::truth::Standing;

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
    /// The account right after it, when everything is kept.
    pub(crate) after: Option<Standing>,
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
    pub(crate) accounts: Vec<(AccountId, Account)>,
    /// Sum of the positions of everybody without a ledger.
    pub(crate) crowd: Position,
    next_order: i64,
    pub(crate) next_trade: i64,
    /// Reports to be sent, drained by the machine around.
    pub(crate) reports: Vec<Outgoing>,
    /// Public prints to be published, drained by the machine around.
    pub(crate) prints: Vec<Trade>,
    /// Whether reports of every account are kept, with the account's standing after each.
    pub(crate) keeps_all: bool,
}

impl Venue {
    pub(crate) fn new(terms: Terms, mark: FinePrice, balance: Usd) -> Self {
        let leverage = terms.leverage;
        Self {
            terms,
            mark,
            accounts: vec![(AccountId::TRADER, Account::new(balance, leverage))],
            crowd: Position::ZERO,
            next_order: 1,
            next_trade: 1,
            reports: Vec::new(),
            prints: Vec::new(),
            keeps_all: false,
        }
    }

    /// Opens a further account, unless it exists.
    pub(crate) fn open_account(&mut self, id: AccountId, balance: Usd) {
        if let Err(index) = self.accounts.binary_search_by_key(&id, |(id, _)| *id) {
            let mut account = Account::new(balance, self.terms.leverage);
            if self.keeps_all {
                account.forget_ended();
            }
            self.accounts.insert(index, (id, account));
        }
    }

    /// From now on every report of every account is kept, and in turn nothing that is over.
    pub(crate) fn keep_all(&mut self) {
        self.keeps_all = true;
        for (_, account) in &mut self.accounts {
            account.forget_ended();
        }
    }

    pub(crate) fn account(&self, id: AccountId) -> &Account {
        let index = self.accounts.binary_search_by_key(&id, |(id, _)| *id);
        &self.accounts[index.expect("an account that was opened")].1
    }

    pub(crate) fn account_mut(&mut self, id: AccountId) -> &mut Account {
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
    ///
    /// # Panics
    /// When the command is about another instrument: a bug of the caller.
    pub(crate) fn execute<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        command: &VenueCommand,
    ) {
        let own = self.terms.instrument.id;
        assert!(command.instrument() == own, "{command:?} on the venue of {own:?}");
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
            VenueCommand::QueryAccount { since, query, .. } => {
                let state = self.account_state(account, *since, *query);
                self.reply(account, VenueReport::Account(state));
            }
        }
    }

    fn account_state(&self, id: AccountId, since: Option<TradeId>, query: u32) -> AccountState {
        let account = self.account(id);
        AccountState {
            query,
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

    /// Binance 6.7: new total quantity, tail of the queue, sometimes the end of the order.
    fn amend<L: Liquidity>(&mut self, book: &mut L, now: Nanos, id: AccountId, amend: &Amend) {
        let client_id = amend.client_id;
        let order = match self.check_amend(book, now, id, amend) {
            Ok(order) => order,
            Err(reason) => return self.reject(id, client_id, RequestKind::Amend, reason),
        };
        let takes = order.tif == TimeInForce::PostOnly && would_take(book, order.side, amend.price);
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

    pub(crate) fn cancel_all<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        id: AccountId,
        stream: bool,
    ) {
        let open: Vec<_> = self.account(id).open_orders().map(|order| order.venue_id).collect();
        for order in open {
            self.withdraw(book, now, id, order, stream);
        }
    }

    pub(crate) fn withdraw<L: Liquidity>(
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
        let (name, filled) = self.account_mut(id).end(now, order, Outcome::Canceled);
        if let Some(client_id) = name {
            self.say(id, VenueReport::Canceled { client_id, filled }, stream);
        }
    }

    pub(crate) fn expire(
        &mut self,
        now: Nanos,
        id: AccountId,
        order: VenueOrderId,
        reason: ExpireReason,
    ) {
        if !id.has_ledger() {
            return;
        }
        let (name, filled) = self.account_mut(id).end(now, order, Outcome::Expired);
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
        self.say(account, report, false);
    }

    pub(crate) fn news(&mut self, account: AccountId, report: VenueReport) {
        self.say(account, report, true);
    }

    fn say(&mut self, account: AccountId, report: VenueReport, stream: bool) {
        let after = self.keeps_all.then(|| self.standing(account));
        self.reports.push(Outgoing { account, report, stream, after });
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
