//! One instrument's slice: book, strategy, orders and ledger.
//!
//! [`Desk`] takes facts in here ([`Desk::market`]) and in [`reports`], compares the venue's account
//! with its own in [`reconcile`], keeps its timers in [`timers`], and turns the target into requests in [`act`]. What it may do is decided above it, by the engine.

mod act;
mod flatten;
mod reconcile;
mod reports;
mod timers;
mod view;

use std::time::Duration;

use arrayvec::ArrayVec;
use market::venue::{Obstacle, OpenOrder};
use market::{
    Book, BookStatus, FinePrice, Instrument, MarketEvent, MarketKind, Nanos, Position, Rate, Side,
    TradeId, Usd,
};
use quoting::{AnyStrategy, Fees, Quotes, Strategy, View};

use crate::config::DeskConfig;
use crate::ledger::Ledger;
use crate::mutants::{self, Mutant};
use crate::orders::Orders;
use crate::output::{Alert, AlertKind, AlertLevel, Note, Output};
use crate::risk::{Breaker, Gate, Mode, Standstill};
use crate::snapshot::Counters;

/// Room for book levels per side before the book allocates again.
const BOOK_CAPACITY: usize = 8_192;
/// Requests cannot be expected to be answered sooner.
const ACK_TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// A mark price older than this is not believed; the venue sends one every second.
const MARK_AGE_MAX: Duration = Duration::from_secs(10);
/// Between an answer that says nothing about now and the next question.
const STALE_RETRY: Duration = Duration::from_millis(500);
/// Reasons for not quoting that can hold at once.
pub(crate) type Standstills = ArrayVec<Standstill, 24>;

/// What a desk borrows from the engine while it works.
pub(crate) struct Context<'a> {
    pub(crate) now: Nanos,
    pub(crate) session: u32,
    pub(crate) sequence: &'a mut u32,
    pub(crate) breaker: &'a mut Breaker,
    pub(crate) out: &'a mut Vec<Output>,
}

impl Context<'_> {
    pub(crate) fn note(&mut self, note: Note) {
        self.out.push(Output::Note(note));
    }

    pub(crate) fn alert(&mut self, level: AlertLevel, kind: AlertKind, message: String) {
        self.out.push(Output::Alert(Alert { level, kind, message }));
    }
}

/// How well the venue's view of our account is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Account {
    /// Confirmed since the start and since the last doubt.
    known: bool,
    /// A question is under way since then; its number is `query`.
    asked: Option<Nanos>,
    /// Number of the last question. Answers to earlier ones are old news.
    query: u32,
    /// When the last question was asked, answered or not.
    last_asked: Option<Nanos>,
    /// What the venue's wallet had more than ours at the last comparison, if it differed.
    wallet_off: Option<Usd>,
    /// Our position and the venue's at the last comparison, if they differed.
    position_off: Option<(Position, Position)>,
    /// When to ask again: at once in doubt, else after a while.
    due: Nanos,
    /// The last of our trades contained in a position that both sides agreed on: whatever came later
    /// is asked for again, so that no lost report stays lost.
    agreed: Option<TradeId>,
}

impl Account {
    /// Something is not as it should be: ask at once, and do not quote before the answer.
    fn doubt(&mut self) {
        (self.known, self.asked, self.due) = (false, None, Nanos::ZERO);
    }
}

/// The venue-side switch that cancels everything when we go silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct DeadMan {
    until: Option<Nanos>,
    asked: Option<Nanos>,
}

/// A position being worked down by command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flattening {
    since: Nanos,
    /// When a person is told that it does not get on.
    tell_at: Nanos,
    /// When the next taking order may be sent.
    take_at: Nanos,
}

/// One instrument's book, strategy, orders and ledger.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    config: DeskConfig,
    book: Book,
    strategy: AnyStrategy,
    orders: Orders,
    ledger: Ledger,
    gate: Gate,
    account: Account,
    opened: bool,
    /// Wallet at the first account report.
    wallet: Option<Usd>,
    sole: bool,
    /// Deposits less withdrawals that the engine has not heard of yet.
    transferred: Usd,
    drift: bool,
    /// Something has happened after which only an operator lets trading go on.
    halts: bool,
    /// An operator has said that orders of sessions later than ours are ours too.
    takes_later: bool,
    stream_up: bool,
    /// What stands in the way at the venue, each once.
    obstacles: ArrayVec<Obstacle, { Obstacle::ALL.len() }>,
    foreign: Vec<OpenOrder>,
    dead_man: DeadMan,
    /// The venue's mark price and when it came.
    mark: Option<(FinePrice, Nanos)>,
    funding_rate: Rate,
    next_funding: Nanos,
    /// What the strategy wants, whatever the mode.
    wanted: Quotes,
    /// What should rest, after the mode restrained it.
    target: Quotes,
    /// Something the strategy looks at has changed since it decided last.
    stirred: bool,
    decided: Option<Nanos>,
    /// Position at the last decision: a fill is a reason to decide anew.
    decided_for: Position,
    /// Per side: no new order and no move closer before this, after a refusal or rejection.
    hold_until: [Nanos; 2],
    /// When a change that was put off is due.
    later: Option<Nanos>,
    flattening: Option<Flattening>,
    /// When canceling one by one gives way to canceling everything.
    escalate_at: Option<Nanos>,
    /// Since when everything must go and does not.
    withdrawing: Option<Nanos>,
    mode: Mode,
    standstill: Standstills,
    counters: Counters,
}

impl Desk {
    /// `sole` says that no other desk shares the account, so that the wallet is ours to check.
    pub(crate) fn new(mut config: DeskConfig, sole: bool) -> Self {
        config.ack_timeout = config.ack_timeout.max(ACK_TIMEOUT_MIN);
        Self {
            book: Book::with_capacity(BOOK_CAPACITY),
            strategy: AnyStrategy::new(&config.strategy, &config.instrument),
            orders: Orders::default(),
            ledger: Ledger::default(),
            gate: Gate::new(config.limits.clone()),
            account: Account::default(),
            opened: false,
            wallet: None,
            sole,
            transferred: Usd::ZERO,
            drift: false,
            halts: false,
            takes_later: false,
            stream_up: false,
            obstacles: ArrayVec::new(),
            foreign: Vec::new(),
            dead_man: DeadMan::default(),
            mark: None,
            funding_rate: Rate::ZERO,
            next_funding: Nanos::ZERO,
            wanted: Quotes::NONE,
            target: Quotes::NONE,
            stirred: false,
            decided: None,
            decided_for: Position::ZERO,
            hold_until: [Nanos::ZERO; 2],
            later: None,
            flattening: None,
            escalate_at: None,
            withdrawing: None,
            mode: Mode::Halted,
            standstill: Standstills::new(),
            counters: Counters::default(),
            config,
        }
    }

    /// New parameters and limits; the instrument stays.
    pub(crate) fn configure(&mut self, config: DeskConfig) {
        assert_eq!(
            config.instrument, self.config.instrument,
            "an instrument cannot be reconfigured"
        );
        self.gate.configure(config.limits.clone());
        if config.strategy != self.config.strategy {
            self.strategy.reconfigure(&config.strategy);
        }
        self.config = config;
        self.stirred = true;
    }

    pub(crate) fn instrument(&self) -> &Instrument {
        &self.config.instrument
    }

    /// Takes in a market fact.
    pub(crate) fn market(&mut self, now: Nanos, event: &MarketEvent) {
        match &event.kind {
            MarketKind::Snapshot(snapshot) => self.book.apply_snapshot(now, snapshot),
            MarketKind::Diff(diff) => self.book.apply_diff(now, diff),
            MarketKind::Ticker(ticker) => self.book.apply_ticker(now, *ticker),
            MarketKind::Trade(trade) => self.strategy.trade(now, trade),
            MarketKind::Mark(update) if update.mark > FinePrice::ZERO => {
                self.mark = Some((update.mark, now));
                self.funding_rate = update.funding_rate;
                self.next_funding = update.next_funding;
            }
            // No price at all is a fault of the data; the last good one ages.
            MarketKind::Mark(_) => {}
            MarketKind::FeedUp => {}
            MarketKind::FeedDown => self.book.feed_down(),
        }
        self.stirred = true;
    }

    /// Whether the book may be used.
    pub(crate) fn book_status(&self, now: Nanos) -> BookStatus {
        let age = match mutants::is(Mutant::QuoteStaleBook) {
            true => Duration::MAX,
            false => self.config.limits.max_book_age,
        };
        let status = self.book.status(now, age);
        let broken = matches!(status, BookStatus::Gapped | BookStatus::Empty);
        match broken && mutants::is(Mutant::QuoteGappedBook) && self.mid().is_some() {
            true => BookStatus::Synced,
            false => status,
        }
    }

    /// Middle of the touch, whatever the book's status.
    fn mid(&self) -> Option<FinePrice> {
        let (bid, ask) = self.book.touch()?;
        (bid.price < ask.price).then(|| self.config.instrument.mid(bid.price, ask.price))
    }

    /// The mark price while it is fresh and within a tenth of the mid; otherwise it is not believed.
    fn believed_mark(&self, now: Nanos) -> Option<FinePrice> {
        let (mark, _) = self.mark.filter(|(_, at)| now.since(*at) <= MARK_AGE_MAX)?;
        let near = self
            .mid()
            .is_none_or(|mid| i128::from((mark - mid).raw()).abs() * 10 <= i128::from(mid.raw()));
        near.then_some(mark)
    }

    /// What the position is valued at: mark, else mid, else the last mark, else its own entry.
    fn valuation(&self, now: Nanos) -> FinePrice {
        let last = || self.mark.map(|(mark, _)| mark);
        let entry = || self.ledger.entry(&self.config.instrument);
        self.believed_mark(now).or(self.mid()).or_else(last).unwrap_or_else(entry)
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn unrealized(&self, now: Nanos) -> Usd {
        self.ledger.unrealized(&self.config.instrument, self.valuation(now))
    }

    /// Deposits less withdrawals since the last call.
    pub(crate) fn take_transfers(&mut self) -> Usd {
        std::mem::take(&mut self.transferred)
    }

    /// Wallet at the first account report; `None` before it.
    pub(crate) fn wallet(&self) -> Option<Usd> {
        self.wallet
    }

    /// Everything of this desk's own that stands in the way of quoting.
    pub(crate) fn standstills(&self, now: Nanos, reasons: &mut Standstills) {
        let mut add = |holds: bool, reason: Standstill| {
            if holds {
                reasons.push(reason);
            }
        };
        let book = self.book_status(now);
        let position = self.ledger.position();
        add(self.drift, Standstill::Drift);
        for obstacle in &self.obstacles {
            add(true, Standstill::Venue(*obstacle));
        }
        add(!self.stream_up, Standstill::StreamDown);
        add(!self.account.known, Standstill::PositionUnknown);
        add(book != BookStatus::Synced, Standstill::Book(book));
        let armed = self.dead_man.until.is_some_and(|until| until > now);
        let armed = armed || mutants::is(Mutant::AssumeArmed);
        add(!armed, Standstill::DeadManUnarmed);
        add(position.abs() > self.config.limits.max_position, Standstill::PositionLimit);
        let diagnostics = self.strategy.diagnostics();
        add(!diagnostics.warm, Standstill::Warmup);
        add(diagnostics.too_small, Standstill::BelowMinimum);
    }

    /// Whether the position is beyond its hard limit.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.ledger.position().abs() > self.config.limits.max_position
    }

    /// Sets the mode that the engine has decided, and tells when it changed.
    pub(crate) fn set_mode(&mut self, ctx: &mut Context<'_>, mode: Mode, standstill: Standstills) {
        if mode != self.mode {
            let because = standstill.iter().min().copied();
            let (from, instrument) = (self.mode, self.config.instrument.id);
            ctx.note(Note::Mode { instrument, from, to: mode, because });
            if from == Mode::Quoting {
                self.tell_why(ctx, because);
            }
            self.mode = mode;
        }
        let news = |why| standstill.contains(&why) && !self.standstill.contains(&why);
        if news(Standstill::BelowMinimum) {
            let symbol = self.instrument().symbol();
            let message = format!(
                "{symbol}: base_size is below the venue's smallest order; nothing can be quoted"
            );
            ctx.alert(AlertLevel::Error, AlertKind::Configuration, message);
        }
        self.standstill = standstill;
    }

    fn tell_why(&self, ctx: &mut Context<'_>, because: Option<Standstill>) {
        let symbol = self.instrument().symbol();
        let (level, kind) = match because {
            Some(Standstill::Book(_)) => (AlertLevel::Warning, AlertKind::MarketData),
            Some(Standstill::StreamDown | Standstill::PositionUnknown) => {
                (AlertLevel::Error, AlertKind::UserStream)
            }
            Some(Standstill::Venue(_)) => (AlertLevel::Critical, AlertKind::Venue),
            Some(Standstill::DeadManUnarmed) => (AlertLevel::Critical, AlertKind::DeadMan),
            Some(Standstill::PositionLimit) => (AlertLevel::Error, AlertKind::PositionLimit),
            Some(
                Standstill::Shutdown
                | Standstill::OperatorHalt
                | Standstill::Drawdown
                | Standstill::DailyLoss
                | Standstill::BreakerOpen
                | Standstill::Drift
                | Standstill::Paused
                | Standstill::Warmup
                | Standstill::BelowMinimum,
            )
            | None => return,
        };
        let reason = because.map_or("", Standstill::name);
        ctx.alert(level, kind, format!("{symbol}: quotes withdrawn: {reason}"));
    }

    /// Lets the strategy look and decide, then brings orders closer to the target.
    pub(crate) fn decide(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.now;
        let usable = self.book_status(now) == BookStatus::Synced;
        let due = self.decided.is_none_or(|at| now.since(at) >= self.config.requote.interval)
            || self.decided_for != self.ledger.position();
        if usable && (self.stirred || due) {
            let view = View {
                now,
                instrument: &self.config.instrument,
                book: &self.book,
                position: self.ledger.position(),
                fees: Fees {
                    maker: self.config.maker_fee.decimal().to_f64(),
                    taker: self.config.taker_fee.decimal().to_f64(),
                },
            };
            self.strategy.observe(&view);
            if due || self.config.requote.on_event {
                self.wanted = self.strategy.quote(&view);
                self.decided = Some(now);
                self.decided_for = view.position;
            }
            self.stirred = false;
        }
        self.converge(ctx);
    }

    /// Feeds everything that decides future behaviour into a hasher.
    pub(crate) fn hash_into(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        self.book.hash_into(hasher);
        self.strategy.hash_into(hasher);
        self.orders.hash_into(hasher);
        self.ledger.hash(hasher);
        self.gate.hash_into(hasher);
        (self.account, self.opened, self.wallet, self.drift, self.stream_up).hash(hasher);
        (self.transferred, self.halts, self.takes_later).hash(hasher);
        self.obstacles.hash(hasher);
        self.foreign.hash(hasher);
        (&self.foreign, self.dead_man, self.mark).hash(hasher);
        (self.funding_rate, self.next_funding).hash(hasher);
        (&self.wanted, &self.target, self.stirred, self.decided, self.decided_for).hash(hasher);
        (self.hold_until, self.later, self.flattening, self.escalate_at, self.mode).hash(hasher);
        self.withdrawing.hash(hasher);
        self.counters.hash(hasher);
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// On a bug of ours.
    pub(crate) fn assert_invariants(&self) {
        self.ledger.assert_invariants();
        if self.mode == Mode::Halted && self.flattening.is_none() {
            assert!(self.target.is_empty(), "halted with a target");
        }
        for side in Side::BOTH {
            assert!(self.target.side(side).len() <= quoting::MAX_RUNGS);
        }
        if cfg!(debug_assertions) {
            self.book.assert_invariants();
        }
    }
}
