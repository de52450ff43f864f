//! A desk on a bench: a short script in, what the engine asked for out.
//!
//! One command a line; orders are named by side and rung (`bid`, `ask`, `bid2`), best live one first
//! unless a number follows. See [`Rig::run`] for the commands.

use std::fmt::Write as _;
use std::time::Duration;

use engine::config::{
    BreakerConfig, DeskConfig, EngineConfig, Flatten, Limits, LossLimits, Requote,
};
use engine::{Control, Engine, Input, Note, Output};
use market::venue::{
    AccountState, Fill, NewOrder, Obstacle, OpenOrder, OrderFate, OrderKind, Outcome, RejectReason,
    RequestKind, VenueCommand, VenueReport,
};
use market::{
    ClientOrderId, Decimal, DepthSnapshot, FinePrice, Instrument, InstrumentId, Level, MarkUpdate,
    MarketEvent, MarketKind, Nanos, Position, Qty, Rate, Side, TradeId, Usd, VenueOrderId,
};
use proptest::test_runner::Config as ProptestConfig;
use quoting::{BasicMmConfig, Estimator, StrategyConfig, VolatilityConfig};

/// 2026-01-05 00:00:00 UTC, so that days are easy to reckon with.
pub(crate) const START: Nanos = Nanos(1_767_571_200_000_000_000);

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn usd(text: &str) -> Usd {
    Usd::from_decimal(decimal(text))
}

pub(crate) fn instrument() -> Instrument {
    Instrument::known(InstrumentId(0), "ETHUSDC").unwrap()
}

/// So many cases, unless `PROPTEST_CASES` says otherwise; the seed of a failure is printed, nothing
/// is written to disk.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let standard = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { standard.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..standard }
}

/// One rung per side, 10 bp wide, 0.01 ETH a rung, at most 0.05 ETH.
pub(crate) fn config() -> EngineConfig {
    let strategy = BasicMmConfig {
        base_spread: 0.001,
        base_size: Qty::new(10),
        max_inventory: Qty::new(50),
        skew_factor: 0.3,
        levels: 1,
        level_spacing: 0.0005,
        min_spread: 0.0,
        max_spread: 0.05,
        fee_edge: 0.0,
        volatility: VolatilityConfig {
            estimator: Estimator::Ewma,
            grid: Duration::from_secs(1),
            half_life: Duration::from_secs(30),
            bar: Duration::from_secs(10),
            bars: 30,
            warmup: Duration::from_secs(10),
            floor: 1e-5,
            cap: 1e-3,
        },
        dynamic_spread: None,
    };
    let desk = DeskConfig {
        instrument: instrument(),
        strategy: StrategyConfig::BasicMm(strategy),
        maker_fee: Rate::ZERO,
        taker_fee: Rate::from_decimal(decimal("0.0004")),
        requote: Requote {
            on_event: true,
            interval: Duration::from_secs(5),
            min_interval: Duration::from_millis(250),
            price_tolerance: 0.1,
            size_tolerance: 0.25,
            amend: true,
        },
        limits: Limits {
            max_position: Qty::new(100),
            max_order_value: usd("1000"),
            max_order_qty: Qty::new(100),
            price_collar: Rate::from_decimal(decimal("0.02")),
            max_orders_per_second: 20,
            max_orders_per_minute: 600,
            max_open_orders: 40,
            max_book_age: Duration::from_secs(2),
        },
        flatten: Flatten {
            patience: Duration::from_secs(5),
            slippage: Rate::from_decimal(decimal("0.002")),
        },
        ack_timeout: Duration::from_secs(2),
        dead_man_countdown: Duration::from_secs(30),
        reconcile_interval: Duration::from_secs(30),
        dead_man_refresh: Duration::from_secs(10),
    };
    EngineConfig {
        session: 1,
        loss: LossLimits { daily_loss: usd("100"), drawdown: Rate::from_decimal(decimal("0.03")) },
        breaker: BreakerConfig { threshold: 5, timeout: Duration::from_secs(300) },
        desks: vec![desk],
    }
}

/// What the rig knows of an order the engine sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) order: NewOrder,
    pub(crate) filled: Qty,
    pub(crate) open: bool,
}

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) now: Nanos,
    pub(crate) sent: Vec<Sent>,
    pub(crate) last: Vec<Output>,
    trades: i64,
    updates: u64,
    position: Position,
    /// Number of the last question about the account.
    pub(crate) query: u32,
    /// While time passes, routine questions about the account are answered, not logged.
    routine: Option<bool>,
    log: String,
}

impl Rig {
    pub(crate) fn new(config: EngineConfig) -> Self {
        Self {
            engine: Engine::new(config),
            now: START,
            sent: Vec::new(),
            last: Vec::new(),
            trades: 0,
            updates: 0,
            position: Position::ZERO,
            query: 0,
            routine: None,
            log: String::new(),
        }
    }

    /// A rig with a running engine: stream up, account known and flat, book around 2600.
    pub(crate) fn quoting(config: EngineConfig) -> Self {
        let mut rig = Self::new(config);
        rig.script("start\nbook 2599.99 2600.01\nack all");
        rig
    }

    /// Runs a script and returns what was logged by it.
    pub(crate) fn script(&mut self, script: &str) -> String {
        self.log.clear();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            let words: Vec<&str> = line.split_whitespace().collect();
            self.run(&words);
        }
        std::mem::take(&mut self.log)
    }

    fn run(&mut self, words: &[&str]) {
        match words {
            ["start"] => self.start("0"),
            ["start", position] => self.start(position),
            ["book", bid, ask] => self.book(bid, ask),
            ["mark", price] => self.mark(price),
            ["feed", "down"] => self.market(MarketKind::FeedDown),
            ["stream", "down"] => self.report(VenueReport::StreamDown),
            ["resync"] => self.report(VenueReport::Resync),
            ["obstacle", name, state] => self.obstacle(name, *state == "on"),
            ["stream", "up"] => self.report(VenueReport::StreamUp),
            ["armed"] => self.armed(),
            ["account", position] => self.account(position),
            ["ack", "all"] => self.ack_all(),
            ["ack", name] => {
                let id = self.named(name);
                self.ack(id);
            }
            ["fill", name, qty] => self.fill(name, qty),
            ["canceled", name] => self.canceled(name),
            ["reject", name, reason] => self.reject(name, RequestKind::Place, reason),
            ["reject", "cancel", name, reason] => self.reject(name, RequestKind::Cancel, reason),
            ["reject", "amend", name, reason] => self.reject(name, RequestKind::Amend, reason),
            ["doubt", name] => {
                let client_id = self.named(name);
                let request = RequestKind::Place;
                self.report(VenueReport::InDoubt { client_id, request });
            }
            ["found", name, what] => self.found(name, what),
            ["amended", name] => self.amended(name),
            ["pause"] => self.control(Control::Pause),
            ["resume"] => self.control(Control::Resume { clear_halt: false }),
            ["resume", "clear"] => self.control(Control::Resume { clear_halt: true }),
            ["halt"] => self.control(Control::Halt),
            ["flatten"] => self.control(Control::Flatten),
            ["shutdown"] => self.control(Control::Shutdown),
            ["breaker", "reset"] => self.control(Control::ResetBreaker),
            ["advance", span] => self.advance(span),
            ["state"] => self.state(),
            other => panic!("unknown command {other:?}"),
        }
    }

    fn start(&mut self, position: &str) {
        self.report(VenueReport::StreamUp);
        self.account(position);
        self.armed();
    }

    fn armed(&mut self) {
        let until = self.now + Duration::from_secs(30);
        self.report(VenueReport::DeadManArmed { until });
    }

    fn book(&mut self, bid: &str, ask: &str) {
        self.updates += 1;
        let spec = instrument();
        let ladder = |best: &str, side: Side| {
            let best = spec.price(decimal(best)).unwrap();
            let rung =
                |i| Level { price: side.away(best, market::Ticks::new(i)), qty: Qty::new(5_000) };
            (0..10).map(rung).collect()
        };
        self.market(MarketKind::Snapshot(DepthSnapshot {
            last_id: self.updates,
            bids: ladder(bid, Side::Buy),
            asks: ladder(ask, Side::Sell),
        }));
    }

    fn mark(&mut self, price: &str) {
        let mark = FinePrice::from_decimal(decimal(price));
        let (funding_rate, next_funding) = (Rate::ZERO, START + Duration::from_secs(28_800));
        self.market(MarketKind::Mark(MarkUpdate { mark, index: mark, funding_rate, next_funding }));
    }

    pub(crate) fn market(&mut self, kind: MarketKind) {
        let event = MarketEvent { instrument: InstrumentId(0), ts_event: self.now, kind };
        self.input(Input::Market(event));
    }

    pub(crate) fn report(&mut self, report: VenueReport) {
        self.input(Input::Venue(InstrumentId(0), report));
    }

    fn obstacle(&mut self, name: &str, holds: bool) {
        let what = Obstacle::ALL.into_iter().find(|what| what.name() == name).unwrap();
        self.report(VenueReport::Obstacle { what, holds });
    }

    pub(crate) fn control(&mut self, control: Control) {
        self.input(Input::Control(control));
    }

    fn account(&mut self, position: &str) {
        let position = Position::new(decimal(position).units() / 100_000);
        self.position = position;
        let last_trade = (self.trades > 0).then_some(TradeId(self.trades));
        let open = |sent: &Sent| OpenOrder {
            client_id: Some(sent.order.client_id),
            venue_id: VenueOrderId(i64::from(sent.order.client_id.sequence)),
            side: sent.order.side,
            price: limit(&sent.order),
            qty: sent.order.qty,
            filled: sent.filled,
            reduce_only: sent.order.reduce_only,
        };
        let open_orders = self.sent.iter().filter(|sent| sent.open).map(open).collect();
        let pnl = self.engine.snapshot().pnl;
        let cash = pnl.realized - pnl.fees + pnl.funding + pnl.transfers;
        self.report(VenueReport::Account(AccountState {
            query: self.query,
            position,
            entry: FinePrice::from_decimal(decimal("2600")),
            wallet: usd("5000") + cash,
            open_orders,
            fills: Vec::new(),
            last_trade,
        }));
    }

    fn ack_all(&mut self) {
        for client_id in self.sent.iter().map(|sent| sent.order.client_id).collect::<Vec<_>>() {
            self.ack(client_id);
        }
    }

    fn ack(&mut self, client_id: ClientOrderId) {
        let venue_id = VenueOrderId(i64::from(client_id.sequence));
        self.report(VenueReport::Ack { client_id, venue_id });
    }

    /// `bid` is the best open buy, `bid2` the next, `#7` the order with that number.
    pub(crate) fn named(&self, name: &str) -> ClientOrderId {
        if let Some(number) = name.strip_prefix("no") {
            return ClientOrderId { session: 1, sequence: number.parse().unwrap() };
        }
        let side = if name.starts_with("bid") { Side::Buy } else { Side::Sell };
        let rank: usize = name[3..].parse().unwrap_or(1);
        let mut open: Vec<&Sent> =
            self.sent.iter().filter(|sent| sent.open && sent.order.side == side).collect();
        open.sort_by_key(|sent| (limit(&sent.order) - market::Price::ZERO).raw() * -side.sign());
        open.get(rank - 1).unwrap_or_else(|| panic!("no {name} among {open:?}")).order.client_id
    }

    fn sent_mut(&mut self, client_id: ClientOrderId) -> &mut Sent {
        self.sent.iter_mut().find(|sent| sent.order.client_id == client_id).unwrap()
    }

    fn fill(&mut self, name: &str, qty: &str) {
        let client_id = self.named(name);
        let qty = instrument().qty(decimal(qty)).unwrap();
        let fill = self.make_fill(client_id, qty);
        self.report(VenueReport::Fill(fill));
    }

    pub(crate) fn make_fill(&mut self, client_id: ClientOrderId, qty: Qty) -> Fill {
        self.trades += 1;
        let side = self.sent_mut(client_id).order.side;
        self.position += qty.signed(side);
        let (trade_id, ts_event) = (TradeId(self.trades), self.now);
        let sent = self.sent_mut(client_id);
        sent.filled += qty;
        sent.open = sent.filled < sent.order.qty;
        Fill {
            trade_id,
            client_id: Some(client_id),
            venue_id: VenueOrderId(i64::from(client_id.sequence)),
            side: sent.order.side,
            price: limit(&sent.order),
            qty,
            cumulative: sent.filled,
            maker: true,
            fee: Usd::ZERO,
            ts_event,
        }
    }

    fn canceled(&mut self, name: &str) {
        let client_id = self.named(name);
        let sent = self.sent_mut(client_id);
        sent.open = false;
        let filled = sent.filled;
        self.report(VenueReport::Canceled { client_id, filled });
    }

    fn reject(&mut self, name: &str, request: RequestKind, reason: &str) {
        let client_id = self.named(name);
        let reason = match reason {
            "would_take" => RejectReason::WouldTake,
            "margin" => RejectReason::Margin,
            "unknown" => RejectReason::UnknownOrder,
            other => panic!("unknown reason {other}"),
        };
        if request == RequestKind::Place {
            self.sent_mut(client_id).open = false;
        }
        self.report(VenueReport::Reject { client_id, request, reason });
    }

    fn amended(&mut self, name: &str) {
        let client_id = self.named(name);
        let order = self.sent_mut(client_id).order;
        let (price, qty) = (limit(&order), order.qty);
        self.report(VenueReport::Amended { client_id, price, qty });
    }

    fn found(&mut self, name: &str, what: &str) {
        let client_id = self.named(name);
        let sent = *self.sent_mut(client_id);
        let fate = match what {
            "open" => OrderFate::Open(OpenOrder {
                client_id: Some(client_id),
                venue_id: VenueOrderId(i64::from(client_id.sequence)),
                side: sent.order.side,
                price: limit(&sent.order),
                qty: sent.order.qty,
                filled: sent.filled,
                reduce_only: sent.order.reduce_only,
            }),
            "canceled" => OrderFate::Closed { filled: sent.filled, outcome: Outcome::Canceled },
            "filled" => OrderFate::Closed { filled: sent.order.qty, outcome: Outcome::Filled },
            "nothing" => OrderFate::NotFound,
            other => panic!("unknown fate {other}"),
        };
        let mut fills = Vec::new();
        if what == "filled" {
            let rest = sent.order.qty.saturating_sub(sent.filled);
            fills.push(self.make_fill(client_id, rest));
        }
        self.sent_mut(client_id).open = what == "open";
        self.report(VenueReport::Order { client_id, fate, fills });
    }

    /// Steps through every deadline of the span, as a driver would.
    pub(crate) fn advance(&mut self, span: &str) {
        let (number, unit) = span.split_at(span.trim_end_matches(char::is_alphabetic).len());
        let number: u64 = number.parse().unwrap();
        let end = self.now
            + match unit {
                "ms" => Duration::from_millis(number),
                "s" => Duration::from_secs(number),
                "m" => Duration::from_secs(60 * number),
                "h" => Duration::from_secs(3600 * number),
                other => panic!("unknown unit {other}"),
            };
        self.routine = Some(false);
        while let Some(at) = self.engine.next_deadline().filter(|&at| at <= end) {
            self.now = at.max(self.now);
            self.step(&[]);
            if self.routine == Some(true) {
                self.routine = Some(false);
                let position = instrument().position_decimal(self.position).to_string();
                self.account(&position);
            }
        }
        self.now = end;
        self.step(&[]);
        self.routine = None;
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.step(&[input]);
    }

    /// One step; logs requests and alerts, and keeps track of what was sent.
    pub(crate) fn step(&mut self, batch: &[Input]) {
        let mut out = Vec::new();
        self.engine.step(self.now, batch, &mut out);
        for output in &out {
            match output {
                Output::Venue(approved) => self.command(approved.command()),
                Output::Alert(alert) => {
                    writeln!(self.log, "alert    {:?}: {}", alert.level, alert.message).unwrap();
                }
                Output::Note(Note::Refused { refusal, .. }) => {
                    writeln!(self.log, "refused  {}", refusal.name()).unwrap();
                }
                Output::Note(Note::Breaker { to, .. }) => {
                    writeln!(self.log, "breaker  {}", to.name()).unwrap();
                }
                Output::Note(_) => {}
            }
        }
        self.last = out;
    }

    fn command(&mut self, command: &VenueCommand) {
        let spec = instrument();
        match command {
            VenueCommand::Place(order) => {
                let price = limit(order);
                let reduce = if order.reduce_only { " reduce-only" } else { "" };
                writeln!(
                    self.log,
                    "place    {} {} @ {}{reduce}",
                    order.side,
                    spec.qty_text(order.qty),
                    spec.price_text(price)
                )
                .unwrap();
                self.sent.push(Sent { order: *order, filled: Qty::ZERO, open: true });
            }
            VenueCommand::Amend(amend) => {
                let (qty, price) = (spec.qty_text(amend.qty), spec.price_text(amend.price));
                writeln!(self.log, "amend    {} to {qty} @ {price}", amend.side).unwrap();
                let sent = self.sent_mut(amend.client_id);
                sent.order.qty = amend.qty;
                if let OrderKind::Limit { price, .. } = &mut sent.order.kind {
                    *price = amend.price;
                }
            }
            VenueCommand::Cancel { client_id, .. } => {
                let sent = self.sent.iter().find(|sent| sent.order.client_id == *client_id);
                let what = match sent.map(|sent| sent.order) {
                    Some(order) => format!("{} @ {}", order.side, spec.price_text(limit(&order))),
                    // Taken over from another session.
                    None => client_id.to_string(),
                };
                writeln!(self.log, "cancel   {what}").unwrap();
            }
            VenueCommand::CancelAll { .. } => writeln!(self.log, "cancel   all").unwrap(),
            VenueCommand::ArmDeadMan { .. } => {}
            VenueCommand::QueryOrder { client_id, .. } => {
                writeln!(self.log, "query    order {}", client_id.sequence).unwrap();
            }
            VenueCommand::QueryAccount { query, .. } if self.routine.is_some() => {
                self.query = *query;
                self.routine = Some(true);
            }
            VenueCommand::QueryAccount { query, .. } => {
                self.query = *query;
                writeln!(self.log, "query    account").unwrap();
            }
        }
    }

    /// Logs mode, position and live orders.
    fn state(&mut self) {
        let spec = instrument();
        let snapshot = self.engine.snapshot();
        let desk = &snapshot.desks[0];
        let why: Vec<&str> = desk.standstill.iter().map(|why| why.name()).collect();
        let mode = desk.mode.name();
        writeln!(self.log, "mode     {mode} {}", why.join(" ")).unwrap();
        writeln!(self.log, "position {}", spec.position_decimal(desk.position)).unwrap();
        for order in &desk.orders {
            let (qty, price) = (spec.qty_text(order.qty), spec.price_text(order.price));
            let filled = spec.qty_text(order.filled);
            writeln!(
                self.log,
                "order    {} {qty} @ {price} {} filled {filled}",
                order.side, order.state
            )
            .unwrap();
        }
    }
}

pub(crate) fn limit(order: &NewOrder) -> market::Price {
    match order.kind {
        OrderKind::Limit { price, .. } => price,
        OrderKind::Market => panic!("market order"),
    }
}
