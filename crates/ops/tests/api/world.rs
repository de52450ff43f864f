//! A made-up market with our orders in it: enough to fill every field that the API shows.

use std::time::Duration;

use engine::output::{Alert, AlertKind, AlertLevel, Note, Output};
use engine::risk::{BreakerState, Mode, Refusal, RiskLevel, Standstill};
use engine::snapshot::{
    BreakerView, Counters, DeskView, OrderView, PnlView, Snapshot, Utilisation,
};
use market::venue::{Fill, RejectReason, RequestKind};
use market::{
    BookStatus, ClientOrderId, FinePrice, Instrument, InstrumentId, Level, Nanos, Position, Price,
    Qty, Rate, Side, TradeId, Usd, VenueOrderId,
};
use quoting::{Diagnostics, Quote, Quotes};

pub(crate) const SYMBOL: &str = "ETHUSDC";

pub(crate) fn instrument() -> Instrument {
    Instrument::known(InstrumentId(0), SYMBOL).unwrap()
}

pub(crate) fn usd(text: &str) -> Usd {
    Usd::from_decimal(text.parse().unwrap())
}

/// Walks at random, the same way every time.
pub(crate) struct World {
    pub(crate) now: Nanos,
    seed: u64,
    mid: i64,
    position: i64,
    cash: Usd,
    fees: Usd,
    counters: Counters,
    created: Nanos,
}

impl World {
    pub(crate) fn new(now: Nanos) -> Self {
        Self {
            now,
            seed: 7,
            mid: 261_050,
            position: 0,
            cash: Usd::ZERO,
            fees: Usd::ZERO,
            counters: Counters::default(),
            created: now,
        }
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.seed >> 33) % below
    }

    fn quotes(&self, half: i64) -> [i64; 2] {
        let skew = -self.position * 3;
        [self.mid - half + skew, self.mid + half + skew]
    }

    /// Some time passes; perhaps somebody trades with us.
    pub(crate) fn pass(&mut self, span: Duration) -> Vec<Output> {
        self.now = self.now + span;
        let step = self.random(41) as i64 - 20;
        self.mid += step;
        let mut outputs = Vec::new();
        if self.random(12) == 0 {
            let side = if self.position > 30 || (self.position > -30 && self.random(2) == 0) {
                Side::Sell
            } else {
                Side::Buy
            };
            outputs.push(Output::Note(self.fill(side)));
        }
        if self.random(3) == 0 {
            self.counters.placed += 2;
            self.counters.accepted += 2;
            self.counters.quotes += 1;
            self.counters.canceled += 2;
            self.created = self.now;
            outputs.push(Output::Note(Note::Acked {
                instrument: InstrumentId(0),
                client_id: ClientOrderId { session: 9, sequence: 1 },
                latency: Duration::from_micros(2_500 + self.random(9_000)),
            }));
        }
        outputs
    }

    fn fill(&mut self, side: Side) -> Note {
        let (price, lots) = (Price::new(self.quotes(131)[side.index()]), Qty::new(10));
        let value = instrument().notional(price, lots);
        self.position += lots.signed(side).raw();
        self.cash += value * -side.sign();
        self.counters.fills[side.index()] += 1;
        self.counters.orders_filled += 1;
        self.counters.filled_qty[side.index()] += lots;
        self.counters.filled_value[side.index()] += value;
        self.counters.ended[0] += 1;
        let fill = Fill {
            trade_id: TradeId(i64::try_from(self.counters.fills.iter().sum::<u64>()).unwrap()),
            client_id: Some(ClientOrderId { session: 9, sequence: 1 }),
            venue_id: VenueOrderId(8_389_765_600_000_000_001),
            side,
            price,
            qty: lots,
            cumulative: lots,
            maker: true,
            fee: Usd::ZERO,
            ts_event: self.now,
        };
        let edge = usd("0.0131");
        Note::Filled {
            instrument: InstrumentId(0),
            fill,
            position: Position::new(self.position),
            edge,
        }
    }

    pub(crate) fn pnl(&self) -> PnlView {
        let mark = FinePrice::new(self.mid * 1_000_000);
        let worth = instrument().value_at(mark, Position::new(self.position));
        let total = self.cash + worth - self.fees;
        // A slice that shows more than eight decimals must not break the sum that is printed.
        let unrealized = Usd::new(total.raw() / 3 + 1);
        PnlView {
            equity: usd("10000") + total,
            initial: usd("10000"),
            peak: usd("10000") + total + usd("4.2"),
            realized: total - unrealized + self.fees,
            unrealized,
            fees: self.fees,
            funding: Usd::ZERO,
            total,
            day: total,
            drawdown: usd("4.2"),
            max_drawdown: 0.0013,
            spread_capture: usd("1.5"),
            inventory: usd("-0.5"),
            basis: Usd::ZERO,
            carried: Usd::ZERO,
            transfers: Usd::ZERO,
            worst_trade: usd("-0.25"),
        }
    }

    fn levels(&mut self, side: Side) -> Vec<Level> {
        let mut price = self.mid - side.sign();
        let mut levels = Vec::new();
        for depth in 0..25 {
            let lots = 200 + self.random(3_000) * (1 + depth / 6);
            levels.push(Level { price: Price::new(price), qty: Qty::new(lots) });
            price -= side.sign() * (1 + self.random(4) as i64);
        }
        levels
    }

    fn order(&self, side: Side, price: Price, sequence: u32) -> OrderView {
        OrderView {
            client_id: ClientOrderId { session: 9, sequence },
            state: "live",
            side,
            price,
            qty: Qty::new(10),
            filled: Qty::ZERO,
            reduce_only: false,
            created: self.created,
        }
    }

    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let desk = self.desk();
        Snapshot {
            now: self.now,
            session: 9,
            mode: Mode::Quoting,
            paused: false,
            halted: false,
            risk_level: RiskLevel::Low,
            breaker: BreakerView {
                state: BreakerState::Closed,
                failures: 1,
                threshold: 5,
                opened: 0,
                reason: String::new(),
                retry_at: None,
            },
            utilisation: vec![
                Utilisation { limit: "daily_loss_limit", used: 12.5, allowed: 100.0 },
                Utilisation { limit: "max_drawdown_limit", used: 0.0172, allowed: 0.03 },
                Utilisation {
                    limit: "max_position",
                    used: self.position.unsigned_abs() as f64 / 1e3,
                    allowed: 0.1,
                },
                Utilisation { limit: "max_orders_per_second", used: 2.0, allowed: 10.0 },
                Utilisation { limit: "max_orders_per_minute", used: 130.0, allowed: 300.0 },
            ],
            pnl: self.pnl(),
            desks: vec![desk],
        }
    }

    fn desk(&mut self) -> DeskView {
        let [bid, ask] = self.quotes(131).map(Price::new);
        let mut target = Quotes::none();
        assert!(target.push(Side::Buy, Quote { price: bid, qty: Qty::new(10) }));
        assert!(target.push(Side::Sell, Quote { price: ask, qty: Qty::new(10) }));
        let mid = self.mid as f64 / 100.0;
        DeskView {
            instrument: instrument(),
            mode: Mode::Quoting,
            standstill: vec![],
            book_status: BookStatus::Synced,
            book_updated: self.now,
            bids: self.levels(Side::Buy),
            asks: self.levels(Side::Sell),
            mark: Some(FinePrice::new(self.mid * 1_000_000 + 250_000)),
            funding_rate: Rate::new(10_000),
            next_funding: self.now + Duration::from_secs(9_000),
            position: Position::new(self.position),
            position_known: true,
            max_inventory: Qty::new(50),
            max_position: Qty::new(100),
            entry: FinePrice::new(261_040_123_456),
            exposure_long: Position::new(self.position + 10),
            exposure_short: Position::new(self.position - 10),
            pnl: self.pnl(),
            target,
            diagnostics: Diagnostics {
                mid,
                reservation: mid - 0.13,
                half_spread: 1.31,
                sigma: 0.000_042,
                imbalance: 0.18,
                warm: true,
                too_small: false,
            },
            orders: vec![self.order(Side::Buy, bid, 1), self.order(Side::Sell, ask, 2)],
            dead_man_until: Some(self.now + Duration::from_secs(27)),
            stream_up: true,
            counters: self.counters,
        }
    }
}

/// One of everything that is counted outside the snapshot.
pub(crate) fn events() -> Vec<Output> {
    let (instrument, client_id) = (InstrumentId(0), ClientOrderId { session: 9, sequence: 3 });
    let alert = |level, kind, message: &str| {
        Output::Alert(Alert { level, kind, message: message.to_owned() })
    };
    vec![
        Output::Note(Note::Acked { instrument, client_id, latency: Duration::from_micros(7_500) }),
        Output::Note(Note::Rejected {
            instrument,
            client_id,
            request: RequestKind::Place,
            reason: RejectReason::Margin,
        }),
        Output::Note(Note::Refused { instrument, refusal: Refusal::Position }),
        alert(AlertLevel::Info, AlertKind::Operator, "resumed by operator"),
        alert(
            AlertLevel::Warning,
            AlertKind::MarketData,
            "ETHUSDC: book stale for 2.1 s; quotes withdrawn until the feed is back",
        ),
        alert(
            AlertLevel::Critical,
            AlertKind::BreakerOpen,
            "breaker open after 5 failures in a row: <b>order rejected</b>; trial in 5 m",
        ),
    ]
}

/// A halted, unhealthy picture.
pub(crate) fn troubled(mut snapshot: Snapshot) -> Snapshot {
    let why = [Standstill::BreakerOpen, Standstill::Book(BookStatus::Stale)];
    snapshot.mode = Mode::Halted;
    snapshot.risk_level = RiskLevel::Critical;
    let until = snapshot.now + Duration::from_secs(240);
    snapshot.breaker.state = BreakerState::Open { until };
    snapshot.breaker.retry_at = Some(until);
    snapshot.breaker.reason = "5 failures in a row".to_owned();
    snapshot.breaker.failures = 5;
    let desk = &mut snapshot.desks[0];
    (desk.mode, desk.standstill, desk.book_status) =
        (Mode::Halted, why.to_vec(), BookStatus::Stale);
    (desk.target, desk.orders, desk.stream_up) = (Quotes::none(), vec![], false);
    snapshot
}
