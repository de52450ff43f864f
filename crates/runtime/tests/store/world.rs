//! Paper sessions with a store behind them.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::config::{
    BreakerConfig, DeskConfig, EngineConfig, Flatten, Limits, LossLimits, Requote,
};
use engine::{Control, Note, Output, Snapshot};
use journal::{Durability, Header, Retention, Writer};
use market::venue::VenueCommand;
use market::{Decimal, Instrument, InstrumentId, Nanos, Qty, Rate, Usd};
use quoting::{BasicMmConfig, Estimator, StrategyConfig, VolatilityConfig};
use runtime::clock::Stopwatch;
use runtime::store::{
    Booked, Ending, Handle, News, Payment, SessionRecord, Sink, Store, StoreConfig, StoreError,
    Target,
};
use runtime::{Observer, Pace, Paper, Summary, Venue};
use sim_exchange::{Faults, Latency, SimConfig, SimExchange};

/// 2026-01-05 00:00:00 UTC.
pub(crate) const START: Nanos = Nanos(1_767_571_200_000_000_000);

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn instrument() -> Instrument {
    Instrument::known(InstrumentId(0), "ETHUSDC").unwrap()
}

/// An exact decimal with up to eighteen places.
pub(crate) fn usd(text: &str) -> Usd {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number: i128 = format!("{whole}{fraction:0<18}").parse().unwrap();
    Usd::new(sign * number)
}

/// Waits for something that another thread or process brings about.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !done() {
        assert!(watch.elapsed() < Duration::from_secs(60), "waited a minute: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Tight quotes, so that a minute has many fills.
pub(crate) fn engine_config(session: u32) -> EngineConfig {
    let strategy = BasicMmConfig {
        base_spread: 0.00004,
        base_size: Qty::new(100),
        max_inventory: Qty::new(500),
        skew_factor: 0.5,
        levels: 2,
        level_spacing: 0.00004,
        min_spread: 0.0,
        max_spread: 0.05,
        fee_edge: 0.0,
        volatility: VolatilityConfig {
            estimator: Estimator::Ewma,
            grid: Duration::from_secs(1),
            half_life: Duration::from_secs(30),
            bar: Duration::from_secs(10),
            bars: 30,
            warmup: Duration::from_secs(2),
            floor: 1e-5,
            cap: 1e-3,
        },
        dynamic_spread: None,
    };
    let desk = DeskConfig {
        instrument: instrument(),
        strategy: StrategyConfig::BasicMm(strategy),
        maker_fee: Rate::from_decimal(decimal("0.0001")),
        taker_fee: Rate::from_decimal(decimal("0.0004")),
        requote: Requote {
            on_event: true,
            interval: Duration::from_secs(1),
            min_interval: Duration::from_millis(250),
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
        session,
        loss: LossLimits {
            daily_loss: Usd::from_decimal(decimal("500")),
            drawdown: Rate::from_decimal(decimal("0.2")),
        },
        breaker: BreakerConfig { threshold: 5, timeout: Duration::from_secs(30) },
        desks: vec![desk],
    }
}

/// A crowd, funding every twenty seconds, and reports that come late, twice or not at all.
fn market(seed: u64) -> SimConfig {
    let millis = Duration::from_millis;
    SimConfig {
        latency: Latency::constant(millis(2), millis(5), millis(5)),
        funding_interval: Duration::from_secs(20),
        faults: Faults {
            lose_ack: 20_000,
            lose_fill: 10_000,
            doubt_executed: 5_000,
            ..Faults::none()
        },
        ..SimConfig::new(instrument(), seed, START)
    }
}

/// A session to be.
pub(crate) struct Plan {
    pub(crate) number: u32,
    pub(crate) trader: &'static str,
    /// Whose fills they are; each session's own unless given.
    pub(crate) account: Option<String>,
    pub(crate) seed: u64,
    pub(crate) span: Duration,
    pub(crate) pace: Pace,
    /// Folder of journals.
    pub(crate) journal: Option<PathBuf>,
    pub(crate) halt_after: Option<Duration>,
    /// Less where the database never comes back.
    pub(crate) close_limit: Duration,
    pub(crate) income: Vec<Payment>,
    pub(crate) booked: Option<Booked>,
}

impl Plan {
    pub(crate) fn new(number: u32) -> Self {
        Self {
            number,
            trader: "test",
            account: None,
            seed: u64::from(number),
            span: Duration::from_secs(240),
            pace: Pace::Max,
            journal: None,
            halt_after: None,
            close_limit: Duration::from_secs(30),
            income: Vec::new(),
            booked: None,
        }
    }

    pub(crate) fn account(&self) -> String {
        self.account.clone().unwrap_or_else(|| format!("paper {:08x}", self.number))
    }
}

/// What the store said.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<News>>>);

impl Heard {
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(News::kind).collect()
    }

    pub(crate) fn all(&self) -> Vec<News> {
        self.0.lock().unwrap().clone()
    }
}

/// A session that can be run.
pub(crate) struct Session {
    paper: Paper,
    store: Store,
    sink: Sink,
    pub(crate) handle: Handle,
    pub(crate) heard: Heard,
    pub(crate) halts: Receiver<Control>,
}

/// What a session was, seen from the engine.
pub(crate) struct Outcome {
    pub(crate) summary: Summary,
    pub(crate) said: Said,
    pub(crate) heard: Heard,
}

/// What the engine told, counted by the test itself.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) alerts: Vec<String>,
    pub(crate) fills: Vec<i64>,
    pub(crate) placed: usize,
    pub(crate) requests: usize,
    pub(crate) funding: Vec<Usd>,
    pub(crate) risk: usize,
}

impl Said {
    fn take(&mut self, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Venue(approved) => match approved.command() {
                    VenueCommand::Place(_) => {
                        self.placed += 1;
                        self.requests += 1;
                    }
                    VenueCommand::Amend(_)
                    | VenueCommand::Cancel { .. }
                    | VenueCommand::CancelAll { .. } => self.requests += 1,
                    _ => {}
                },
                Output::Alert(alert) => self.alerts.push(alert.message.clone()),
                Output::Note(Note::Filled { fill, .. }) => self.fills.push(fill.trade_id.0),
                Output::Note(Note::Funding { amount, .. }) => self.funding.push(*amount),
                Output::Note(
                    Note::Mode { .. }
                    | Note::Breaker { .. }
                    | Note::RiskLevel { .. }
                    | Note::Refused { .. }
                    | Note::Anomaly { .. }
                    | Note::DayClosed { .. }
                    | Note::Configured,
                ) => self.risk += 1,
                Output::Note(_) => {}
            }
        }
    }
}

struct Watch<'a> {
    sink: Sink,
    said: Said,
    /// Called once a simulated second.
    each: &'a mut dyn FnMut(u64),
    second: Option<u64>,
}

impl Observer for Watch<'_> {
    fn turn(&mut self, now: Nanos, outputs: &[Output], _batch: usize, _took: Duration) {
        self.said.take(outputs);
        self.sink.turn(now, outputs);
        let second = now.since(START).as_secs();
        if self.second != Some(second) {
            self.second = Some(second);
            (self.each)(second);
        }
    }

    fn snapshot(&mut self, snapshot: Snapshot, _journal_bytes: u64) {
        self.sink.snapshot(&snapshot);
    }
}

impl Session {
    pub(crate) fn open(target: &Target, spill: &Path, plan: Plan) -> Result<Self, StoreError> {
        let config = engine_config(plan.number);
        let journal = plan.journal.as_ref().map(|folder| {
            let header = Header {
                program: String::from("test"),
                session: plan.number,
                created: Nanos(START.0 + u64::from(plan.number)),
                note: String::new(),
                config: config.clone(),
            };
            Writer::create(folder, header, Durability::EachBatch, Retention::default()).unwrap()
        });
        let path = journal.as_ref().map(|writer| writer.dir().to_owned());
        let (controls, halts) = sync_channel(4);
        let heard = Heard::default();
        let inbox = heard.clone();
        let record = SessionRecord {
            trader: plan.trader.to_owned(),
            account: plan.account(),
            number: plan.number,
            mode: "paper".to_owned(),
            venue: "simulated".to_owned(),
            version: "test".to_owned(),
            config_hash: "5eed".to_owned(),
            config_text: "mode: paper\n".to_owned(),
            journal: path,
            started: Nanos(START.0 + u64::from(plan.number)),
        };
        let (store, sink) = Store::open(StoreConfig {
            target: target.clone(),
            spill: spill.to_owned(),
            halt_after: plan.halt_after,
            pnl_every: Duration::from_secs(5),
            close_limit: plan.close_limit,
            session: record,
            instruments: vec![instrument()],
            controls,
            income: plan.income,
            booked: plan.booked,
            tell: Box::new(move |news| inbox.0.lock().unwrap().push(news.clone())),
        })?;
        // Nobody listens to these: a halt asked for by the store is the test's to see.
        let (_operators, controls) = sync_channel(1);
        let paper = Paper {
            config,
            venue: Venue::Simulated(Box::new(SimExchange::new(market(plan.seed)))),
            journal,
            pace: plan.pace,
            start: START,
            until: Some(START + plan.span),
            controls,
        };
        let handle = store.handle();
        Ok(Self { paper, store, sink, handle, heard, halts })
    }

    /// Runs to the end. `each` is called once a simulated second, on the trading thread.
    pub(crate) fn run(self, mut each: impl FnMut(u64)) -> Outcome {
        let Self { paper, store, sink, heard, .. } = self;
        let mut watch = Watch { sink, said: Said::default(), each: &mut each, second: None };
        let summary = paper.run(&mut watch).unwrap();
        let Watch { sink, said, .. } = watch;
        let truth = summary.truth.as_ref().unwrap();
        let agrees = truth.position == summary.snapshot.desks[0].position;
        store.close(sink, Ending::Summary { summary: &summary, agrees: Some(agrees) });
        Outcome { summary, said, heard }
    }
}

pub(crate) fn run(target: &Target, spill: &Path, plan: Plan) -> Outcome {
    Session::open(target, spill, plan).unwrap().run(|_| {})
}
