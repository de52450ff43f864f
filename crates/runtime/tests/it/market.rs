//! The engine and a simulated exchange, stepped through simulated time.

use std::time::Duration;

use engine::config::{
    BreakerConfig, DeskConfig, EngineConfig, Flatten, Limits, LossLimits, Requote,
};
use engine::snapshot::DeskView;
use engine::{Alert, Control, Engine, Input, Note, Output};
use market::venue::{NewOrder, OrderKind, TimeInForce, VenueCommand, VenueReport};
use market::{
    ClientOrderId, Decimal, Instrument, InstrumentId, Nanos, Position, Price, Qty, Rate, Side, Usd,
};
use quoting::{BasicMmConfig, Estimator, StrategyConfig, VolatilityConfig};
use sim_exchange::{
    AccountId, CrowdConfig, Injection, Latency, SimConfig, SimExchange, SimOutput, Truth,
};

/// 2026-01-05 00:00:00 UTC.
pub(crate) const START: Nanos = Nanos(1_767_571_200_000_000_000);
pub(crate) const ETH: InstrumentId = InstrumentId(0);

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn instrument() -> Instrument {
    Instrument::known(ETH, "ETHUSDC").unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    instrument().price(decimal(text)).unwrap()
}

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn strategy(config: &mut EngineConfig) -> &mut BasicMmConfig {
    match &mut config.desks[0].strategy {
        StrategyConfig::BasicMm(config) => config,
    }
}

/// Quotes 10 bp around the mid, 0.1 ETH a rung, at most 0.5 ETH.
pub(crate) fn engine_config() -> EngineConfig {
    let strategy = BasicMmConfig {
        base_spread: 0.001,
        base_size: Qty::new(100),
        max_inventory: Qty::new(500),
        skew_factor: 0.5,
        levels: 1,
        level_spacing: 0.0002,
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
            interval: Duration::from_secs(1),
            min_interval: millis(250),
            price_tolerance: 0.1,
            size_tolerance: 0.25,
            amend: true,
        },
        limits: Limits {
            max_position: Qty::new(1_000),
            max_order_value: Usd::from_decimal(decimal("5000")),
            max_order_qty: Qty::new(1_000),
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
        loss: LossLimits {
            daily_loss: Usd::from_decimal(decimal("500")),
            drawdown: Rate::from_decimal(decimal("0.2")),
        },
        breaker: BreakerConfig { threshold: 5, timeout: Duration::from_secs(30) },
        desks: vec![desk],
    }
}

/// An exchange without a crowd: liquidity comes from the test.
pub(crate) fn quiet() -> SimConfig {
    SimConfig {
        balance: Usd::from_decimal(decimal("1000000")),
        crowd: CrowdConfig::none(),
        latency: Latency::constant(millis(2), millis(5), millis(5)),
        ..SimConfig::new(instrument(), 1, START)
    }
}

/// An exchange full of life.
pub(crate) fn lively(seed: u64) -> SimConfig {
    SimConfig { latency: quiet().latency, ..SimConfig::new(instrument(), seed, START) }
}

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) exchange: SimExchange,
    pub(crate) now: Nanos,
    /// Everything the engine said, with its time.
    pub(crate) said: Vec<(Nanos, Output)>,
    inbox: Vec<Input>,
    others: u32,
}

impl Bench {
    pub(crate) fn new(engine: EngineConfig, exchange: SimConfig) -> Self {
        Self::on(engine, SimExchange::new(exchange), START)
    }

    /// A new engine on an exchange that has been running.
    pub(crate) fn on(engine: EngineConfig, exchange: SimExchange, now: Nanos) -> Self {
        let engine = Engine::new(engine);
        Self { engine, exchange, now, said: Vec::new(), inbox: Vec::new(), others: 0 }
    }

    /// A quiet exchange with deep liquidity at 2599.90 and 2600.10, quoted by the engine.
    pub(crate) fn quoting(engine: EngineConfig) -> Self {
        let mut bench = Self::new(engine, quiet());
        bench.liquidity("2599.90", "2600.10");
        bench.run(millis(600));
        bench
    }

    pub(crate) fn liquidity(&mut self, bid: &str, ask: &str) {
        self.rest(Side::Buy, price(bid), 50_000);
        self.rest(Side::Sell, price(ask), 50_000);
    }

    /// Somebody else's resting order.
    pub(crate) fn rest(&mut self, side: Side, price: Price, lots: u64) -> ClientOrderId {
        self.others += 1;
        let client_id = ClientOrderId { session: 99, sequence: self.others };
        let kind = OrderKind::Limit { price, tif: TimeInForce::Gtc };
        let order = VenueCommand::Place(NewOrder {
            instrument: ETH,
            client_id,
            side,
            qty: Qty::new(lots),
            kind,
            reduce_only: false,
        });
        let answers = self.exchange.command_as(AccountId::OTHER, self.now, &order);
        assert!(
            answers.iter().any(|answer| matches!(answer, VenueReport::Ack { .. })),
            "{answers:?}"
        );
        client_id
    }

    /// Somebody takes: `aggressor` sweeps up to `price`.
    pub(crate) fn take(&mut self, aggressor: Side, price: Price, lots: u64) {
        let qty = Qty::new(lots);
        self.exchange.inject(Injection::Trade { aggressor, price, qty });
    }

    pub(crate) fn control(&mut self, control: Control) {
        self.inbox.push(Input::Control(control));
        self.turn();
    }

    /// Runs both machines for a span of simulated time.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let next = [self.exchange.next_deadline(), self.engine.next_deadline(), Some(end)];
            let next = next.into_iter().flatten().min().unwrap_or(end).max(self.now);
            self.now = next.min(end);
            self.hear(&[]);
            self.turn();
            if self.now >= end && self.inbox.is_empty() {
                return;
            }
        }
    }

    /// The exchange alone, as when the engine is dead.
    pub(crate) fn run_without_engine(&mut self, span: Duration) {
        self.now = self.now + span;
        let mut lost = Vec::new();
        self.exchange.step(self.now, &[], &mut lost);
    }

    fn turn(&mut self) {
        let mut out = Vec::new();
        let batch = std::mem::take(&mut self.inbox);
        self.engine.step(self.now, &batch, &mut out);
        let commands: Vec<VenueCommand> = out
            .iter()
            .filter_map(|output| match output {
                Output::Venue(approved) => Some(approved.command().clone()),
                Output::Alert(_) | Output::Note(_) => None,
            })
            .collect();
        self.said.extend(out.into_iter().map(|output| (self.now, output)));
        self.hear(&commands);
    }

    fn hear(&mut self, commands: &[VenueCommand]) {
        let mut out = Vec::new();
        self.exchange.step(self.now, commands, &mut out);
        self.inbox.extend(out.into_iter().map(|output| match output {
            SimOutput::Market(event) => Input::Market(event),
            SimOutput::Venue(report) => Input::Venue(ETH, report),
        }));
    }

    pub(crate) fn desk(&mut self) -> DeskView {
        self.engine.snapshot().desks.remove(0)
    }

    pub(crate) fn position(&mut self) -> Position {
        self.desk().position
    }

    pub(crate) fn truth(&self) -> Truth {
        self.exchange.truth()
    }

    /// Our best resting price on a side, as the venue has it.
    pub(crate) fn resting(&self, side: Side) -> Option<Price> {
        let prices = self.truth().open_orders.into_iter().filter(|order| order.side == side);
        let prices = prices.map(|order| order.price);
        prices.reduce(|best, price| if side.is_better(price, best) { price } else { best })
    }

    pub(crate) fn alerts(&self) -> Vec<&Alert> {
        let alert = |(_, output): &'_ (Nanos, Output)| matches!(output, Output::Alert(_));
        let said = self.said.iter().filter(|said| alert(said));
        said.filter_map(|(_, output)| match output {
            Output::Alert(alert) => Some(alert),
            Output::Venue(_) | Output::Note(_) => None,
        })
        .collect()
    }

    pub(crate) fn notes(&self) -> impl Iterator<Item = (Nanos, &Note)> {
        self.said.iter().filter_map(|(at, output)| match output {
            Output::Note(note) => Some((*at, note)),
            Output::Venue(_) | Output::Alert(_) => None,
        })
    }

    /// Local and venue agree about everything: position, money, orders.
    pub(crate) fn assert_agreement(&mut self, context: &str) {
        let truth = self.truth();
        let snapshot = self.engine.snapshot();
        let (desk, pnl) = (&snapshot.desks[0], &snapshot.pnl);
        assert_eq!(desk.position, truth.position, "{context}: position");
        let fills: u64 = desk.counters.fills.iter().sum();
        assert_eq!(fills, truth.fills, "{context}: fills counted");
        let mut ours: Vec<_> = desk.orders.iter().map(|o| (o.client_id, o.price, o.qty)).collect();
        let mut theirs: Vec<_> = truth
            .open_orders
            .iter()
            .map(|o| (o.client_id.expect("all ours"), o.price, o.qty))
            .collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{context}: open orders");
        let cash = pnl.realized - pnl.fees + pnl.funding + pnl.transfers;
        let wallet = pnl.initial + cash;
        let off = (wallet - truth.wallet).abs();
        let rounding = Usd::new(10_000_000_000) * (fills as i64 + 1);
        assert!(off <= rounding, "{context}: wallet {wallet}, venue {}", truth.wallet);
        let sources = pnl.spread_capture + pnl.inventory + pnl.basis + pnl.carried;
        assert_eq!(sources, pnl.realized + pnl.unrealized, "{context}: PnL by source");
    }
}
