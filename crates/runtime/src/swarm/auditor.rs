//! Knows only the venue's truth, and says when a rule is broken.
//!
//! What counts as broken is in [`RULES`]. Everything is judged when it happens at the venue; of an order
//! it is also known when it left the trader, and what had reached the trader by then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use binance::server::AccountEvent;
use engine::carry::Meanwhile;
use engine::config::EngineConfig;
use market::venue::{NewOrder, OrderKind, VenueCommand, VenueReport};
use market::{ClientOrderId, Nanos, Position, Price, Qty, Side, Usd};

use super::network::Made;

/// What the auditor checks, with the name under which it is counted and a sentence.
pub const RULES: [(&str, &str); 16] = [
    ("exposure", "position plus resting orders of a side never exceed risk.max_position"),
    ("order_rate", "places and amendments that leave within a second and a minute"),
    ("dead_man", "no order is sent unless the dead-man's switch at the venue runs"),
    ("orphans", "no order outlives a dead trader by more than the dead-man's countdown"),
    ("self_trade", "no order crosses one of our own"),
    ("halted", "after a halt nothing but reduce-only orders leave, whatever happens"),
    ("withdrawn", "after a halt or pause everything is gone within bounded time"),
    ("stale_book", "no order is priced from a book older than risk.max_book_age"),
    ("gapped_book", "no order is priced from a book that misses an update"),
    ("stream_down", "no order leaves while the user stream is known to be gone"),
    ("unique_names", "no order name is sent twice"),
    ("daily_loss", "beyond the daily loss limit nothing but reduce-only orders leave that day"),
    ("agreement", "after calm: the same position, orders and money on both sides"),
    ("recovery", "after calm: it quotes again by itself unless an operator must act"),
    ("disk", "torn files are known as such, journals replay identically up to the cut"),
    ("sound", "no assertion of ours fails"),
];

/// Which rule, by its place in [`RULES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Rule {
    Exposure,
    OrderRate,
    DeadMan,
    Orphans,
    SelfTrade,
    Halted,
    Withdrawn,
    StaleBook,
    GappedBook,
    StreamDown,
    UniqueNames,
    DailyLoss,
    Agreement,
    Recovery,
    Disk,
    Sound,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Nanos,
    /// Name of the rule.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

/// After a limit was lowered or somebody else traded, so much time is allowed to put it right: the
/// dead-man's countdown, its refresh, and the time in which doubt keeps it from being armed.
const SETTLE: Duration = Duration::from_secs(75);
/// A request to arm the switch that was under way when the trader died counts from its arrival, which
/// the venue allows within `recvWindow`; clocks may be wrong by as much again.
const UNDER_WAY: Duration = Duration::from_secs(8);
/// A loss counts as known to the trader when it has stood for so long.
const LOSS_KNOWN: Duration = SETTLE;
/// The trader's clock may be ahead by this much, and its day change earlier.
const AHEAD_MAX: Duration = Duration::from_secs(6);

/// Whose order it is and what is known of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A trader of ours.
    Trader(Made),
    /// Somebody else on the account.
    Hand,
}

#[derive(Clone, Copy, Debug)]
struct Resting {
    side: Side,
    price: Price,
    qty: Qty,
    filled: Qty,
    reduce_only: bool,
    /// Life of the trader that placed it; `None` for somebody else's.
    life: Option<u32>,
}

impl Resting {
    fn left(&self) -> Qty {
        self.qty.saturating_sub(self.filled)
    }
}

/// A limit that was in force, and until when; `None` while it is.
#[derive(Clone, Copy, Debug)]
struct Limits {
    max_position: Qty,
    second: u32,
    minute: u32,
    until: Option<Nanos>,
}

/// A cash flow that is no trade.
#[derive(Clone, Copy, Debug)]
struct Cash {
    at: Nanos,
    funding: bool,
    amount: Usd,
}

/// The auditor's books of one account.
#[derive(Debug)]
pub(super) struct Auditor {
    orders: BTreeMap<ClientOrderId, Resting>,
    pub(super) position: Position,
    pub(super) wallet: Usd,
    pub(super) fills: u64,
    /// The order that is being carried out, until the venue has said yes.
    incoming: Option<(ClientOrderId, Resting)>,
    pub(super) origin: Origin,
    limits: VecDeque<Limits>,
    /// What others did to the position, and orders that came from a dead trader.
    foreign: VecDeque<(Nanos, Side, Qty)>,
    /// When the venue would cancel everything.
    armed_until: Nanos,
    countdown: Duration,
    life: u32,
    /// When the trader died, if it is dead.
    died: Option<Nanos>,
    /// Since when it must not place anything that enlarges.
    halted: Option<Nanos>,
    /// Since when nothing should rest.
    withdrawing: Option<Nanos>,
    sent: VecDeque<Nanos>,
    /// Names of orders sent in this life.
    names: BTreeSet<ClientOrderId>,
    clock_jumped: Nanos,
    cash: Vec<Cash>,
    loss: Loss,
    pub(super) violation: Option<Violation>,
    pub(super) checks: [u64; RULES.len()],
}

/// The day's loss as the venue sees it.
#[derive(Clone, Copy, Debug, Default)]
struct Loss {
    limit: Usd,
    day: u64,
    /// Wallet and open profit at the beginning of the day; transfers are added.
    start: Option<Usd>,
    /// The largest loss of the day.
    worst: Usd,
    /// Taken out in all: what the trader is not told of it counts as lost, to be on the safe side.
    withdrawn: Usd,
    /// Beyond the limit without a break since then.
    beyond: Option<Nanos>,
    /// When it had been so for long enough to be known.
    known: Option<Nanos>,
}

impl Auditor {
    pub(super) fn new(config: &EngineConfig, wallet: Usd) -> Self {
        let mut auditor = Self {
            orders: BTreeMap::new(),
            position: Position::ZERO,
            wallet,
            fills: 0,
            incoming: None,
            origin: Origin::Hand,
            limits: VecDeque::new(),
            foreign: VecDeque::new(),
            armed_until: Nanos::ZERO,
            countdown: config.desks[0].dead_man_countdown,
            life: config.session,
            died: None,
            halted: None,
            withdrawing: None,
            sent: VecDeque::new(),
            names: BTreeSet::new(),
            clock_jumped: Nanos::ZERO,
            cash: Vec::new(),
            loss: Loss { limit: config.loss.daily_loss, ..Loss::default() },
            violation: None,
            checks: [0; RULES.len()],
        };
        auditor.configured(Nanos::ZERO, config);
        auditor
    }

    fn check(&mut self, rule: Rule, now: Nanos, holds: bool, what: impl FnOnce(&Self) -> String) {
        self.checks[rule as usize] += 1;
        if !holds && self.violation.is_none() {
            let (rule, _) = RULES[rule as usize];
            self.violation = Some(Violation { at: now, rule, what: what(self) });
        }
    }

    /// Notes what somebody else has found out.
    pub(super) fn judge(&mut self, rule: Rule, now: Nanos, found: Result<(), String>) {
        let what = found.err();
        self.check(rule, now, what.is_none(), |_| what.unwrap_or_default());
    }

    /// From now on the trader has these limits.
    pub(super) fn configured(&mut self, now: Nanos, config: &EngineConfig) {
        let limits = &config.desks[0].limits;
        if let Some(last) = self.limits.back_mut() {
            last.until = Some(now);
        }
        self.limits.push_back(Limits {
            max_position: limits.max_position,
            second: limits.max_orders_per_second,
            minute: limits.max_orders_per_minute,
            until: None,
        });
        self.loss.limit = config.loss.daily_loss;
        let recent = |limits: &Limits| limits.until.is_none_or(|until| now.since(until) <= SETTLE);
        self.limits.retain(recent);
    }

    /// A trader begins; what it must obey of earlier ones goes on.
    pub(super) fn born(&mut self, life: u32) {
        (self.life, self.died) = (life, None);
        self.sent.clear();
        self.names.clear();
        if self.halted.is_none() {
            self.withdrawing = None;
        }
    }

    pub(super) fn died(&mut self, now: Nanos) {
        self.died.get_or_insert(now);
        self.withdrawing = None;
    }

    /// Our clock has been set ahead: what the trader takes for a minute is less.
    pub(super) fn clock_jumped(&mut self, now: Nanos) {
        self.clock_jumped = now;
    }

    /// Quotes are to be withdrawn; with `halted`, nothing may be opened until further notice.
    pub(super) fn stopped(&mut self, now: Nanos, halted: bool) {
        self.withdrawing.get_or_insert(now);
        if halted {
            self.halted.get_or_insert(now);
        }
    }

    pub(super) fn resumed(&mut self, clear_halt: bool) {
        if clear_halt {
            self.halted = None;
        }
        if self.halted.is_none() {
            self.withdrawing = None;
        }
    }

    fn limit(&self, now: Nanos, of: impl Fn(&Limits) -> u64) -> u64 {
        let recent = self
            .limits
            .iter()
            .filter(|limits| limits.until.is_none_or(|until| now.since(until) <= SETTLE));
        recent.map(of).max().unwrap_or(0)
    }

    /// An order or an amendment leaves the trader.
    pub(super) fn leaves(&mut self, now: Nanos, name: Option<ClientOrderId>) {
        if let Some(name) = name {
            let new = self.names.insert(name);
            self.check(Rule::UniqueNames, now, new, |_| format!("{name} is sent again"));
        }
        while self.sent.front().is_some_and(|at| now.since(*at) >= Duration::from_secs(60)) {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        let minute = self.sent.len() as u64;
        let recent = self.sent.iter().rev().take_while(|at| now.since(**at) < SECOND);
        let second = recent.count() as u64;
        let jumped = now.since(self.clock_jumped) < Duration::from_secs(60);
        let slack = if jumped { 2 } else { 1 };
        let allowed = [
            self.limit(now, |limits| u64::from(limits.second)) * slack,
            self.limit(now, |limits| u64::from(limits.minute)) * slack,
        ];
        let holds = second <= allowed[0] && minute <= allowed[1];
        self.check(Rule::OrderRate, now, holds, |_| {
            format!("{second} in a second, {minute} in a minute; allowed are {allowed:?}")
        });
    }

    /// A command of the account is about to be carried out.
    pub(super) fn on_command(&mut self, now: Nanos, command: &VenueCommand) {
        match command {
            VenueCommand::Place(order) => self.on_place(now, order),
            VenueCommand::Amend(amend) => {
                let Some(order) = self.orders.get(&amend.client_id).copied() else { return };
                if let (Origin::Trader(made), Some(_)) = (self.origin, order.life) {
                    let order = Resting { price: amend.price, qty: amend.qty, ..order };
                    self.judge_sent(now, made, &order, "amendment");
                    self.judge_crossing(now, &order);
                }
            }
            VenueCommand::ArmDeadMan { countdown, .. } => {
                let until = if countdown.is_zero() { Nanos::ZERO } else { now + *countdown };
                self.armed_until = until;
            }
            VenueCommand::Cancel { .. }
            | VenueCommand::CancelAll { .. }
            | VenueCommand::QueryOrder { .. }
            | VenueCommand::QueryAccount { .. } => {}
        }
    }

    fn on_place(&mut self, now: Nanos, order: &NewOrder) {
        let OrderKind::Limit { price, .. } = order.kind else { return };
        let (filled, life) = match self.origin {
            Origin::Trader(made) => (Qty::ZERO, Some(made.life)),
            Origin::Hand => (Qty::ZERO, None),
        };
        let resting = Resting {
            side: order.side,
            price,
            qty: order.qty,
            filled,
            reduce_only: order.reduce_only,
            life,
        };
        if let Origin::Trader(made) = self.origin {
            self.judge_sent(now, made, &resting, "order");
            self.judge_crossing(now, &resting);
            if made.life != self.life || self.died.is_some() {
                self.foreign.push_back((now, order.side, order.qty));
            }
        }
        self.incoming = Some((order.client_id, resting));
    }

    /// Whether an order should have been sent when it was.
    fn judge_sent(&mut self, now: Nanos, made: Made, order: &Resting, what: &str) {
        let told = |order: &Resting| {
            let Resting { side, price, qty, .. } = order;
            format!("{what} {side} {} @ {} left at {}", qty.raw(), price.raw(), made.at)
        };
        if order.reduce_only {
            return;
        }
        let halted = self.halted.is_none_or(|since| made.at <= since);
        self.check(Rule::Halted, now, halted, |auditor| {
            format!("{}, halted since {:?}", told(order), auditor.halted)
        });
        let armed = made.at <= self.armed_until;
        self.check(Rule::DeadMan, now, armed, |auditor| {
            format!("{}, the switch ran until {}", told(order), auditor.armed_until)
        });
        let forbids = made.forbids;
        let stale = [
            (Rule::StaleBook, forbids.stale_book, "the book was stale"),
            (Rule::GappedBook, forbids.gapped_book, "the book missed an update"),
            (Rule::StreamDown, forbids.deaf, "the user stream was gone"),
        ];
        for (rule, broken, why) in stale {
            self.check(rule, now, !broken, |_| format!("{}: {why}", told(order)));
        }
        let loss = self.loss;
        let allowed = (made.at + AHEAD_MAX).utc_day() != loss.day
            || loss.known.is_none_or(|since| made.at <= since);
        self.check(Rule::DailyLoss, now, allowed, |_| {
            format!(
                "{}, the day's loss is beyond {} since {:?}",
                told(order),
                loss.limit,
                loss.known
            )
        });
    }

    fn judge_crossing(&mut self, now: Nanos, order: &Resting) {
        let own = self.orders.values().find(|own| {
            own.side != order.side
                && own.life == order.life
                && order.side.crosses(order.price, own.price)
        });
        let own = own.copied();
        self.check(Rule::SelfTrade, now, own.is_none(), |_| {
            format!("{order:?} crosses our own {own:?}")
        });
    }

    /// The venue said something to the account.
    pub(super) fn on_event(&mut self, event: &AccountEvent) {
        let now = event.at;
        match &event.report {
            VenueReport::Ack { client_id, .. } => {
                if let Some((name, order)) = self.incoming.take_if(|(name, _)| name == client_id) {
                    self.orders.insert(name, order);
                }
            }
            VenueReport::Fill(fill) => {
                self.fills += 1;
                let own = fill.client_id.and_then(|id| self.orders.get_mut(&id));
                let ours = own.as_ref().is_some_and(|order| order.life.is_some());
                if let Some(order) = own {
                    order.filled = fill.cumulative;
                }
                if !ours {
                    self.foreign.push_back((now, fill.side, fill.qty));
                }
                self.orders.retain(|_, order| !order.left().is_zero());
            }
            VenueReport::Amended { client_id, price, qty } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    (order.price, order.qty) = (*price, *qty);
                }
            }
            VenueReport::Canceled { client_id, .. } | VenueReport::Expired { client_id, .. } => {
                self.orders.remove(client_id);
            }
            VenueReport::Transfer { amount } => {
                self.loss.start = self.loss.start.map(|start| start + *amount);
                self.loss.withdrawn += (-*amount).max(Usd::ZERO);
                self.cash.push(Cash { at: now, funding: false, amount: *amount });
            }
            VenueReport::Funding { amount } => {
                self.cash.push(Cash { at: now, funding: true, amount: *amount });
            }
            VenueReport::Reject { .. }
            | VenueReport::InDoubt { .. }
            | VenueReport::Order { .. }
            | VenueReport::Account(_)
            | VenueReport::QueryFailed
            | VenueReport::DeadManArmed { .. }
            | VenueReport::DeadManFailed
            | VenueReport::StreamUp
            | VenueReport::StreamDown
            | VenueReport::Resync
            | VenueReport::Obstacle { .. }
            | VenueReport::Forced { .. } => {}
        }
        (self.position, self.wallet) = (event.after.position, event.after.wallet);
    }

    /// After everything that one command caused has been told.
    pub(super) fn settled(&mut self, now: Nanos) {
        self.incoming = None;
        for side in Side::BOTH {
            self.judge_exposure(now, side);
        }
    }

    fn judge_exposure(&mut self, now: Nanos, side: Side) {
        while self.foreign.front().is_some_and(|(at, ..)| now.since(*at) > SETTLE) {
            self.foreign.pop_front();
        }
        let ours = self.orders.values().filter(|order| order.side == side && order.life.is_some());
        let resting: Qty = ours.map(Resting::left).sum();
        if resting.is_zero() {
            return;
        }
        let held = self.position.raw() * side.sign();
        let exposure = held + resting.raw().cast_signed();
        let others = self.foreign.iter().filter(|(_, by, _)| *by == side);
        let others: u64 = others.map(|(.., qty)| qty.raw()).sum();
        let limit = self.limit(now, |limits| limits.max_position.raw()).cast_signed();
        let allowed = limit.max(held) + others.cast_signed();
        self.check(Rule::Exposure, now, exposure <= allowed, |auditor| {
            format!(
                "{side}: position {held} and {} resting, allowed are {limit} and {others} by others; \
                 {:?}",
                resting.raw(),
                auditor.orders
            )
        });
    }

    /// Looks at what changes by time alone; `equity` is what the account is worth now.
    pub(super) fn on_time(&mut self, now: Nanos, equity: Option<Usd>) {
        let resting = self.orders.values().any(|order| order.life.is_some());
        if let Some(died) = self.died {
            let late = now.since(died) > self.countdown + UNDER_WAY;
            self.check(Rule::Orphans, now, !(late && resting), |auditor| {
                format!("the trader died at {died}; {:?}", auditor.orders)
            });
        }
        if let Some(since) = self.withdrawing {
            let opening = self.orders.values().any(|o| o.life.is_some() && !o.reduce_only);
            let late = now.since(since) > SETTLE;
            self.check(Rule::Withdrawn, now, !(late && opening), |auditor| {
                format!("to be withdrawn since {since}: {:?}", auditor.orders)
            });
        }
        if let Some(equity) = equity {
            self.watch_loss(now, equity);
        }
    }

    fn watch_loss(&mut self, now: Nanos, equity: Usd) {
        let loss = &mut self.loss;
        let day = now.utc_day();
        if loss.day != day || loss.start.is_none() {
            let withdrawn = loss.withdrawn;
            *loss =
                Loss { limit: loss.limit, day, start: Some(equity), withdrawn, ..Loss::default() };
        }
        let Some(start) = loss.start else { return };
        // What the trader values differently: the price of its own last look, and of what is pending.
        loss.worst = loss.worst.max(start - equity);
        let beyond = start - equity > loss.limit + Usd::new(loss.limit.raw() / 4);
        loss.beyond = if beyond { loss.beyond.or(Some(now)) } else { None };
        if loss.beyond.is_some_and(|since| now.since(since) > LOSS_KNOWN) {
            loss.known.get_or_insert(now);
        }
    }

    /// Cash that moved after a moment, as the venue's list of income tells it.
    pub(super) fn meanwhile(&self, since: Nanos) -> Meanwhile {
        let mut sum = Meanwhile::default();
        for cash in self.cash.iter().filter(|cash| cash.at > since) {
            let what = if cash.funding { &mut sum.funding } else { &mut sum.transfers };
            *what += cash.amount;
        }
        sum
    }

    /// Orders that rest for the trader.
    pub(super) fn resting(&self) -> usize {
        self.orders.values().filter(|order| order.life.is_some()).count()
    }

    /// Whether an operator has halted it.
    pub(super) fn is_halted(&self) -> bool {
        self.halted.is_some()
    }

    /// Whether the day's loss was so near its limit that the trader may have found it beyond, by its own
    /// prices.
    pub(super) fn may_have_lost(&self) -> bool {
        self.loss.worst + self.loss.withdrawn
            >= self.loss.limit - Usd::new(self.loss.limit.raw() / 4)
    }
}

const SECOND: Duration = Duration::from_secs(1);
