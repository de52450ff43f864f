//! The simulated exchange: book, accounts, crowd and wire as one machine.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::venue::{VenueCommand, VenueReport};
use market::{FinePrice, MarketEvent, MarketKind, Nanos, Position, Price, Qty, Side, Usd};
use siphasher::sip::SipHasher13;

use crate::SimOutput;
use crate::book::OrderBook;
use crate::config::{AccountId, SimConfig};
use crate::crowd::Crowd;
use crate::faults::Faults;
use crate::latency::Wire;
use crate::mark::MarkModel;
use crate::publish::Publisher;
use crate::truth::{AccountEvent, Truth};
use crate::turn::{self, Deadline};
use crate::venue::{Liquidity, Outgoing, Taker, Terms, Venue};

/// A hand reaching into the market, for tests. Acts at the instant of the last step; what follows
/// comes out of the next one.
#[derive(Clone, Debug)]
pub enum Injection {
    /// Somebody takes up to this price; the rest expires.
    Trade {
        /// Side of the taker.
        aggressor: Side,
        /// Worst price.
        price: Price,
        /// At most this much.
        qty: Qty,
    },
    /// Fair value jumps here.
    FairValue(FinePrice),
    /// The crowd stops (true) or goes on. Its orders stay.
    Freeze(bool),
    /// Other faults from now on, except for outages of the user stream, which are fixed at birth.
    Faults(Faults),
    /// The trader's account trades by an order that is not the trader's: liquidation, ADL, by hand.
    ForeignFill {
        /// Side of the account.
        side: Side,
        /// Price.
        price: Price,
        /// Quantity.
        qty: Qty,
    },
    /// Deposit or withdrawal on the trader's account.
    Transfer(Usd),
    /// Mark and index become this.
    Mark(FinePrice),
}

/// A whole market seen by one trader.
#[derive(Clone, Debug)]
pub struct SimExchange {
    pub(crate) now: Nanos,
    balance: Usd,
    opening: Option<Nanos>,
    pub(crate) venue: Venue,
    pub(crate) book: OrderBook,
    crowd: Crowd,
    mark: MarkModel,
    publisher: Publisher,
    pub(crate) wire: Wire,
    /// Arrived while nobody stepped.
    pub(crate) ready: Vec<SimOutput>,
    /// Reports of every account, when they are kept.
    pub(crate) events: Vec<AccountEvent>,
}

impl SimExchange {
    /// An exchange that opens at `config.start` with its crowd already quoting.
    pub fn new(config: SimConfig) -> Self {
        Self::with(config, |_, _| {})
    }

    /// The same, with a book that `prepare` may fill before the crowd comes.
    pub(crate) fn with(
        config: SimConfig,
        prepare: impl FnOnce(&mut Venue, &mut OrderBook),
    ) -> Self {
        let price = FinePrice::from_decimal(config.start_price);
        let terms = Terms {
            instrument: config.instrument.clone(),
            leverage: config.leverage,
            fees: config.fees,
            rate_limits: config.rate_limits,
        };
        let mut machine = Self {
            now: Nanos::ZERO,
            balance: config.balance,
            opening: Some(config.start),
            venue: Venue::new(terms, price, config.balance),
            book: OrderBook::default(),
            crowd: Crowd::new(&config.crowd, &config.instrument, config.seed, config.start, price),
            mark: MarkModel::new(config.start, price, config.funding_interval),
            publisher: Publisher::new(config.diff_interval),
            wire: Wire::new(config.seed, config.latency, config.faults),
            ready: Vec::new(),
            events: Vec::new(),
        };
        prepare(&mut machine.venue, &mut machine.book);
        machine.crowd.seed_book(config.start, &mut machine.venue, &mut machine.book);
        machine.publisher.diff(&mut machine.book);
        machine
    }

    /// Lets everything happen that is due up to and including `now`, each event at its own time,
    /// then sends `commands`; what reaches the trader by `now` is appended to `out`.
    ///
    /// # Panics
    /// When time runs backwards: a bug of the caller.
    pub fn step(&mut self, now: Nanos, commands: &[VenueCommand], out: &mut Vec<SimOutput>) {
        assert!(self.now <= now, "time ran backwards");
        out.append(&mut self.ready);
        self.run(now, out);
        for command in commands {
            self.wire.submit(now, command);
        }
        if !commands.is_empty() {
            self.run(now, out);
        }
    }

    /// When to step even if nothing is commanded.
    pub fn next_deadline(&self) -> Option<Nanos> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        self.next().map(|(at, _)| at)
    }

    /// A command by another account, without any delay or fault; opens the account with the
    /// trader's first balance if it is new. Returns what the venue says to that account at once;
    /// what it would say later is not kept, [`SimExchange::truth_of`] tells.
    ///
    /// # Panics
    /// When the account belongs to the crowd or time runs backwards.
    pub fn command_as(
        &mut self,
        account: AccountId,
        now: Nanos,
        command: &VenueCommand,
    ) -> Vec<VenueReport> {
        assert!(account.has_ledger(), "{account:?} belongs to the crowd");
        assert!(self.now <= now, "time ran backwards");
        let mut out = std::mem::take(&mut self.ready);
        self.run(now, &mut out);
        self.venue.open_account(account, self.balance);
        self.venue.execute(&mut self.book, now, account, command);
        let own = self.venue.reports.extract_if(.., |outgoing| outgoing.account == account);
        let answers = own.map(|outgoing| outgoing.report).collect();
        self.settle(now);
        self.run(now, &mut out);
        self.ready = out;
        answers
    }

    /// Reaches into the market.
    pub fn inject(&mut self, injection: Injection) {
        let now = self.now;
        match injection {
            Injection::Trade { aggressor, price, qty } => {
                let order = self.venue.order_id();
                let taker = Taker { account: AccountId::CROWD, order, side: aggressor };
                self.venue.sweep(&mut self.book, now, taker, price, qty);
            }
            Injection::FairValue(price) => self.crowd.set_fair(now, price),
            Injection::Freeze(frozen) => self.crowd.freeze(now, frozen),
            Injection::Faults(faults) => self.wire.set_faults(faults),
            Injection::ForeignFill { side, price, qty } => {
                let trader = AccountId::TRADER;
                self.venue.foreign_fill(&mut self.book, now, trader, side, price, qty);
            }
            Injection::Transfer(amount) => self.venue.transfer(AccountId::TRADER, amount),
            Injection::Mark(price) => {
                self.mark.set(price);
                self.venue.mark = price;
            }
        }
        self.settle(now);
    }

    /// Equal hashes mean equal futures under equal commands.
    pub fn state_hash(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        (self.now, self.opening).hash(&mut hasher);
        hasher.write(format!("{:?}", self.ready).as_bytes());
        self.venue.hash_into(&mut hasher);
        self.book.hash_into(&mut hasher);
        self.crowd.hash_into(&mut hasher);
        self.mark.hash_into(&mut hasher);
        self.publisher.hash_into(&mut hasher);
        self.wire.hash_into(&mut hasher);
        hasher.finish()
    }

    /// What the venue knows about the trader's account at this instant, without delay or fault.
    pub fn truth(&self) -> Truth {
        self.venue.truth(AccountId::TRADER)
    }

    /// The same for another account that has traded.
    ///
    /// # Panics
    /// When the account was never opened by [`SimExchange::command_as`].
    pub fn truth_of(&self, account: AccountId) -> Truth {
        self.venue.truth(account)
    }

    /// Every position there is: accounts with a ledger, then the crowd as a whole. Sums to zero.
    pub fn positions(&self) -> Vec<Position> {
        let accounts = self.venue.accounts().map(|(_, account)| account.ledger.position);
        accounts.chain([self.venue.crowd]).collect()
    }

    /// The hidden fair value at this instant, for auditors; no participant but the informed sees it.
    pub fn fair_value(&self) -> FinePrice {
        self.crowd.fair(self.now)
    }

    /// The order book as it is at this instant.
    pub fn book(&self) -> &OrderBook {
        &self.book
    }

    /// Book updates so far, for measurements: an order joined, left, shrank or traded.
    pub fn events(&self) -> u64 {
        self.book.changes()
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// When it does not: a bug of ours.
    pub fn assert_invariants(&self) {
        self.book.assert_invariants();
        self.venue.assert_invariants();
        let sum: Position = self.positions().into_iter().sum();
        assert!(sum.is_zero(), "positions sum to {sum:?}");
    }

    /// The next thing to happen. Ties are broken by the order of the list.
    fn next(&self) -> Option<(Nanos, Deadline)> {
        let opened = self.opening.is_none();
        let candidates = [
            (self.opening, Deadline::Open),
            (opened.then_some(self.mark.funding_due), Deadline::Funding),
            (self.crowd.next_wake(), Deadline::Crowd),
            (self.venue.dead_man_due(), Deadline::DeadMan),
            (self.wire.next_command(), Deadline::Command),
            (opened.then_some(self.mark.update_due), Deadline::Mark),
            (self.wire.next_stream_edge(), Deadline::StreamEdge),
            (self.publisher.ticker_due, Deadline::Ticker),
            (self.publisher.diff_due, Deadline::Diff),
            (self.wire.repair_due(), Deadline::Repair),
            (self.wire.next_delivery(), Deadline::Deliver),
        ];
        turn::earliest(&candidates)
    }

    pub(crate) fn run(&mut self, now: Nanos, out: &mut Vec<SimOutput>) {
        while let Some((at, deadline)) = self.next().filter(|&(at, _)| at <= now) {
            self.now = self.now.max(at);
            self.happen(self.now, deadline, out);
            self.settle(self.now);
        }
        self.now = now;
    }

    fn happen(&mut self, now: Nanos, deadline: Deadline, out: &mut Vec<SimOutput>) {
        match deadline {
            Deadline::Open => {
                self.opening = None;
                self.wire.send(now, VenueReport::StreamUp, Duration::ZERO);
                self.publish(now, MarketKind::FeedUp);
                self.publish(now, Publisher::snapshot(&self.book));
            }
            Deadline::Funding => {
                let rate = self.mark.settle(now);
                self.venue.pay_funding(rate);
            }
            Deadline::Crowd => self.crowd.wake(now, &mut self.venue, &mut self.book),
            Deadline::DeadMan => self.venue.fire_dead_men(&mut self.book, now),
            Deadline::Command => {
                if let Some(command) = self.wire.pop_command() {
                    turn::execute(&mut self.wire, &mut self.venue, &mut self.book, now, &command);
                }
            }
            Deadline::Mark => {
                let update = self.mark.update(now, self.mid());
                self.venue.mark = self.mark.mark();
                self.publish(now, MarketKind::Mark(update));
            }
            Deadline::StreamEdge => self.wire.pass_stream_edge(now),
            Deadline::Ticker => {
                if let Some(ticker) = self.publisher.ticker(&self.book) {
                    self.publish(now, ticker);
                }
            }
            Deadline::Diff => {
                let diff = self.publisher.diff(&mut self.book);
                self.publish(now, diff);
            }
            Deadline::Repair => {
                self.wire.repaired();
                self.publish(now, MarketKind::FeedDown);
                self.publish(now, MarketKind::FeedUp);
                self.publish(now, Publisher::snapshot(&self.book));
            }
            Deadline::Deliver => self.wire.deliver(now, out),
            Deadline::Market => unreachable!("no recorded events in a simulated market"),
        }
    }

    /// Sends out what the last event caused.
    pub(crate) fn settle(&mut self, now: Nanos) {
        for outgoing in self.venue.reports.drain(..) {
            if let Some(after) = outgoing.after {
                let Outgoing { account, report, .. } = outgoing;
                self.events.push(AccountEvent { account, at: now, report, after });
            } else if outgoing.account == AccountId::TRADER {
                self.wire.report(now, outgoing.report, outgoing.stream);
            }
        }
        let instrument = &self.venue.terms.instrument;
        for print in self.venue.prints.drain(..) {
            self.mark.note_trade(instrument.fine(print.price));
            let kind = MarketKind::Trade(print);
            self.wire.publish(now, MarketEvent { instrument: instrument.id, ts_event: now, kind });
        }
        if self.opening.is_none() {
            self.publisher.notice(now, &self.book);
        }
    }

    fn publish(&mut self, now: Nanos, kind: MarketKind) {
        let instrument = self.venue.terms.instrument.id;
        self.wire.publish(now, MarketEvent { instrument, ts_event: now, kind });
    }

    fn mid(&self) -> Option<FinePrice> {
        let bid = Liquidity::best(&self.book, Side::Buy)?;
        let ask = Liquidity::best(&self.book, Side::Sell)?;
        Some(self.venue.terms.instrument.mid(bid, ask))
    }
}
