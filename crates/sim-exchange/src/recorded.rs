//! The same venue over recorded market data: our orders join a queue that nobody else sees.
//!
//! Queue position is estimated without luck (risk-averse): cancels never move us ahead, only trades
//! do, and the level shrinking below our place. The recording cannot react to us, so what we take
//! stays displayed; keep sizes far below the levels'.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::venue::{VenueCommand, VenueReport};
use market::{
    Book, BookStatus, DepthSnapshot, FinePrice, MarketEvent, MarketKind, Nanos, Price, Qty, Rate,
    Side, Trade, VenueOrderId,
};
use siphasher::sip::SipHasher13;

use crate::SimOutput;
use crate::config::{AccountId, RecordedConfig};
use crate::latency::Wire;
use crate::orders::Order;
use crate::truth::{AccountEvent, Truth};
use crate::turn::{self, Deadline};
use crate::venue::{Liquidity, Match, Outgoing, Terms, Venue};

/// An order of ours and how much rests before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Queued {
    owner: AccountId,
    id: VenueOrderId,
    side: Side,
    price: Price,
    left: Qty,
    front: Qty,
}

/// A recorded book with our orders in it, in order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordedBook {
    book: Book,
    orders: Vec<Queued>,
    /// Already taken from the displayed levels by the order being matched.
    taken: Option<(Price, Qty)>,
}

impl RecordedBook {
    fn best_of_ours(&self, side: Side) -> Option<Queued> {
        let better = |a: Queued, b: &Queued| if side.is_better(b.price, a.price) { *b } else { a };
        self.orders.iter().filter(|o| o.side == side).copied().reduce(|a, b| better(a, &b))
    }

    /// Displayed level a taker of `side` meets next, less what it took there already.
    fn next_level(&self, side: Side) -> Option<(Price, Qty)> {
        self.book.levels(side.opposite()).find_map(|level| match self.taken {
            Some((price, qty)) if level.price == price => {
                let left = level.qty.saturating_sub(qty);
                (!left.is_zero()).then_some((price, left))
            }
            Some((price, _)) if side.opposite().is_better(level.price, price) => None,
            _ => Some((level.price, level.qty)),
        })
    }

    /// A trade by an aggressor: who of ours it fills, and by how much.
    fn trade(&mut self, trade: &Trade, filled: &mut Vec<(VenueOrderId, Qty)>) {
        let side = trade.aggressor.opposite();
        let mut ours = Qty::ZERO;
        for order in self.orders.iter_mut().filter(|order| order.side == side) {
            if side.is_better(order.price, trade.price) {
                filled.push((order.id, order.left)); // traded through us
            } else if order.price == trade.price {
                let beyond = trade.qty.saturating_sub(order.front + ours);
                order.front = order.front.saturating_sub(trade.qty);
                let qty = beyond.min(order.left);
                ours += qty;
                if !qty.is_zero() {
                    filled.push((order.id, qty));
                }
            }
        }
    }

    /// Depth changed: nobody before us who is no longer there, and nobody across us.
    fn depth(&mut self, filled: &mut Vec<(VenueOrderId, Qty)>) {
        for order in &mut self.orders {
            let displayed = self.book.qty_at(order.side, order.price);
            order.front = order.front.min(displayed);
            let across = self.book.best(order.side.opposite());
            if across.is_some_and(|best| order.side.crosses(order.price, best.price)) {
                filled.push((order.id, order.left));
            }
        }
    }
}

impl Liquidity for RecordedBook {
    fn is_open(&self) -> bool {
        self.book.status(Nanos::ZERO, Duration::MAX) == BookStatus::Synced
    }

    fn best(&self, side: Side) -> Option<Price> {
        let displayed = self.book.best(side).map(|level| level.price);
        let ours = self.best_of_ours(side).map(|order| order.price);
        match (displayed, ours) {
            (Some(a), Some(b)) => Some(if side.is_better(b, a) { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    fn takeable(&self, _taker: AccountId, side: Side, limit: Price, want: Qty) -> Qty {
        let levels = self.book.levels(side.opposite());
        let within = levels.take_while(|level| side.crosses(limit, level.price));
        let mut sum = Qty::ZERO;
        for level in within {
            sum += level.qty;
            if sum >= want {
                break;
            }
        }
        sum.min(want)
    }

    fn take(&mut self, taker: AccountId, side: Side, limit: Price, want: Qty) -> Option<Match> {
        let level = self.next_level(side).filter(|&(price, _)| side.crosses(limit, price));
        let reach = level.map_or(limit, |(price, _)| price);
        if let Some(order) = self.best_of_ours(side.opposite())
            && side.crosses(reach, order.price)
        {
            if order.owner == taker {
                self.orders.retain(|own| own.id != order.id);
                return Some(Match::Own(order.id));
            }
            let qty = want.min(order.left);
            Liquidity::shrink(self, 0, order.id, qty);
            let maker = Some((order.owner, order.id));
            return Some(Match::Trade { maker, price: order.price, qty });
        }
        let (price, left) = level?;
        let qty = want.min(left);
        let before = self.taken.filter(|&(at, _)| at == price).map_or(Qty::ZERO, |(_, qty)| qty);
        self.taken = Some((price, before + qty));
        Some(Match::Trade { maker: None, price, qty })
    }

    fn rest(&mut self, owner: AccountId, order: &Order) -> u64 {
        let (side, price) = (order.side, order.price);
        let front = self.book.qty_at(side, price);
        let id = order.venue_id;
        self.orders.push(Queued { owner, id, side, price, left: order.left(), front });
        0
    }

    fn shrink(&mut self, _place: u64, id: VenueOrderId, by: Qty) {
        for order in self.orders.iter_mut().filter(|order| order.id == id) {
            order.left = order.left.saturating_sub(by);
        }
        self.orders.retain(|order| !order.left.is_zero());
    }
}

/// Recorded market data with one trader's orders in it.
#[derive(Clone, Debug)]
pub struct RecordedMarket {
    pub(crate) now: Nanos,
    opening: Option<Nanos>,
    pub(crate) venue: Venue,
    pub(crate) book: RecordedBook,
    /// Recorded events that have not happened yet.
    pending: VecDeque<(Nanos, MarketEvent)>,
    funding: Option<(Nanos, Rate)>,
    wire: Wire,
    /// Reports of every account, when they are kept.
    pub(crate) events: Vec<AccountEvent>,
}

impl RecordedMarket {
    /// A venue that opens at `config.start`, its book empty until the recording brings a snapshot.
    pub fn new(config: RecordedConfig) -> Self {
        let terms = Terms {
            instrument: config.instrument,
            leverage: config.leverage,
            fees: config.fees,
            rate_limits: config.rate_limits,
        };
        Self {
            now: Nanos::ZERO,
            opening: Some(config.start),
            venue: Venue::new(terms, FinePrice::ZERO, config.balance),
            book: RecordedBook::default(),
            pending: VecDeque::new(),
            funding: None,
            wire: Wire::new(config.seed, config.latency, config.faults),
            events: Vec::new(),
        }
    }

    /// Takes in recorded events, lets everything happen that is due up to and including `now`,
    /// each event at its own time, then sends `commands`; what reaches the trader by `now` is
    /// appended to `out`.
    ///
    /// An event happens at its `ts_event`, or at the time of the one before it if that is later.
    /// Events may be handed over ahead of time; they wait.
    ///
    /// # Panics
    /// When time runs backwards: a bug of the caller.
    pub fn step(
        &mut self,
        now: Nanos,
        market: &[MarketEvent],
        commands: &[VenueCommand],
        out: &mut Vec<SimOutput>,
    ) {
        assert!(self.now <= now, "time ran backwards");
        for event in market {
            let before = self.pending.back().map_or(self.now, |&(at, _)| at);
            self.pending.push_back((event.ts_event.max(before), event.clone()));
        }
        self.run(now, out);
        for command in commands {
            self.wire.submit(now, command);
        }
        if !commands.is_empty() {
            self.run(now, out);
        }
    }

    /// When to step even if nothing is commanded or recorded.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.next().map(|(at, _)| at)
    }

    /// Equal hashes mean equal futures under equal commands and recordings.
    pub fn state_hash(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        (self.now, self.opening, self.funding).hash(&mut hasher);
        self.venue.hash_into(&mut hasher);
        self.book.book.hash_into(&mut hasher);
        self.book.orders.hash(&mut hasher);
        hasher.write(format!("{:?}", self.pending).as_bytes());
        self.wire.hash_into(&mut hasher);
        hasher.finish()
    }

    /// What the venue knows about the trader's account at this instant, without delay or fault.
    pub fn truth(&self) -> Truth {
        self.venue.truth(AccountId::TRADER)
    }

    /// Estimated quantity before each open order, in order of arrival: for reports and tests.
    pub fn queue_ahead(&self) -> Vec<(VenueOrderId, Qty)> {
        self.book.orders.iter().map(|order| (order.id, order.front)).collect()
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// When it does not: a bug of ours.
    pub fn assert_invariants(&self) {
        self.venue.assert_invariants();
        self.book.book.assert_invariants();
        let open: usize = self.venue.accounts().map(|(_, account)| account.open_count()).sum();
        assert!(self.book.orders.len() == open, "queue and account disagree");
    }

    fn next(&self) -> Option<(Nanos, Deadline)> {
        let candidates = [
            (self.opening, Deadline::Open),
            (self.funding.map(|(at, _)| at), Deadline::Funding),
            (self.pending.front().map(|&(at, _)| at), Deadline::Market),
            (self.venue.dead_man_due(), Deadline::DeadMan),
            (self.wire.next_command(), Deadline::Command),
            (self.wire.next_stream_edge(), Deadline::StreamEdge),
            (self.wire.repair_due(), Deadline::Repair),
            (self.wire.next_delivery(), Deadline::Deliver),
        ];
        turn::earliest(&candidates)
    }

    fn run(&mut self, now: Nanos, out: &mut Vec<SimOutput>) {
        while let Some((at, deadline)) = self.next().filter(|&(at, _)| at <= now) {
            self.now = self.now.max(at);
            self.happen(self.now, deadline, out);
            self.settle(self.now);
        }
        self.now = now;
    }

    /// Sends out what the last event caused.
    pub(crate) fn settle(&mut self, now: Nanos) {
        for outgoing in self.venue.reports.drain(..) {
            match outgoing.after {
                Some(after) => {
                    let Outgoing { account, report, .. } = outgoing;
                    self.events.push(AccountEvent { account, at: now, report, after });
                }
                None if outgoing.account == AccountId::TRADER => {
                    self.wire.report(now, outgoing.report, outgoing.stream);
                }
                None => {}
            }
        }
        self.venue.prints.clear(); // the recording knows nothing of our trades
    }

    /// A command that acts at once, between two recorded events.
    pub(crate) fn act(&mut self, account: AccountId, now: Nanos, command: &VenueCommand) {
        self.book.taken = None;
        self.venue.execute(&mut self.book, now, account, command);
        self.book.taken = None;
        self.settle(now);
    }

    /// Best price of a side, orders of accounts included.
    pub fn best(&self, side: Side) -> Option<Price> {
        Liquidity::best(&self.book, side)
    }

    fn happen(&mut self, now: Nanos, deadline: Deadline, out: &mut Vec<SimOutput>) {
        match deadline {
            Deadline::Open => {
                self.opening = None;
                self.wire.send(now, VenueReport::StreamUp, Duration::ZERO);
            }
            Deadline::Funding => {
                if let Some((_, rate)) = self.funding.take() {
                    self.venue.pay_funding(rate);
                }
            }
            Deadline::Market => {
                if let Some((_, event)) = self.pending.pop_front() {
                    self.absorb(now, &event);
                    self.wire.publish(now, event);
                }
            }
            Deadline::DeadMan => self.venue.fire_dead_men(&mut self.book, now),
            Deadline::Command => {
                if let Some(command) = self.wire.pop_command() {
                    self.book.taken = None;
                    turn::execute(&mut self.wire, &mut self.venue, &mut self.book, now, &command);
                    self.book.taken = None;
                }
            }
            Deadline::StreamEdge => self.wire.pass_stream_edge(now),
            Deadline::Repair => self.repair(now),
            Deadline::Deliver => self.wire.deliver(now, out),
            Deadline::Crowd | Deadline::Mark | Deadline::Ticker | Deadline::Diff => {
                unreachable!("a recording brings these itself")
            }
        }
    }

    /// The feed comes back with the book as it is by now; while the recording itself has no whole
    /// book, it only goes down, and the recording brings it back.
    fn repair(&mut self, now: Nanos) {
        self.wire.repaired();
        let levels = |side| self.book.book.levels(side).collect();
        let snapshot = MarketKind::Snapshot(DepthSnapshot {
            last_id: self.book.book.last_id(),
            bids: levels(Side::Buy),
            asks: levels(Side::Sell),
        });
        let kinds = [MarketKind::FeedDown, MarketKind::FeedUp, snapshot];
        let count = if self.has_whole_book() { kinds.len() } else { 1 };
        let instrument = self.venue.terms.instrument.id;
        for kind in kinds.into_iter().take(count) {
            self.wire.publish(now, MarketEvent { instrument, ts_event: now, kind });
        }
    }

    fn absorb(&mut self, now: Nanos, event: &MarketEvent) {
        let mut filled = Vec::new();
        match &event.kind {
            MarketKind::Snapshot(snapshot) => {
                self.book.book.apply_snapshot(now, snapshot);
                self.usable_depth(&mut filled);
            }
            MarketKind::Diff(diff) => {
                self.book.book.apply_diff(now, diff);
                self.usable_depth(&mut filled);
            }
            MarketKind::Ticker(ticker) => {
                self.book.book.apply_ticker(now, *ticker);
                self.usable_depth(&mut filled);
            }
            MarketKind::Trade(trade) => self.book.trade(trade, &mut filled),
            MarketKind::Mark(update) => {
                self.venue.mark = update.mark;
                if update.next_funding > now {
                    self.funding = Some((update.next_funding, update.funding_rate));
                }
            }
            MarketKind::FeedUp => {}
            MarketKind::FeedDown => self.book.book.feed_down(),
        }
        for (id, qty) in filled {
            self.fill(now, id, qty);
        }
    }

    /// Depth says something about our orders only while the chain is whole. A crossed book does:
    /// the other side has reached us without a print.
    fn usable_depth(&mut self, filled: &mut Vec<(VenueOrderId, Qty)>) {
        if self.has_whole_book() {
            self.book.depth(filled);
        }
    }

    fn has_whole_book(&self) -> bool {
        match self.book.book.status(Nanos::ZERO, Duration::MAX) {
            BookStatus::Synced | BookStatus::Crossed | BookStatus::OneSided => true,
            BookStatus::Empty | BookStatus::Gapped | BookStatus::Stale => false,
        }
    }

    fn fill(&mut self, now: Nanos, id: VenueOrderId, qty: Qty) {
        // An earlier fill of the same event may have shrunk or ended a reduce-only order.
        let Some(queued) = self.book.orders.iter().find(|order| order.id == id).copied() else {
            return;
        };
        let qty = qty.min(queued.left);
        self.book.shrink(0, id, qty);
        self.venue.fill_resting(&mut self.book, now, queued.owner, id, qty);
    }
}
