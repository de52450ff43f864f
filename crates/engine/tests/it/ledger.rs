//! Position and money: independent vectors, and a twin that only counts cash.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use engine::config::LossLimits;
use engine::ledger::Ledger;
use engine::risk::PnlMonitor;
use market::venue::Fill;
use market::{
    Decimal, FinePrice, Instrument, InstrumentId, Nanos, Position, Price, Qty, Rate, Rules, Side,
    TradeId, Usd, VenueOrderId,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::rig::{START, cases, decimal, instrument, usd};

const DAY_NANOS: u64 = 86_400_000_000_000;

/// The cases of a suite; `None`, and a line on stderr, where the vectors are not at hand.
fn vectors(suite: &str) -> Option<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/vectors");
    let path = root.join(format!("{suite}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    };
    let suite: Value = serde_json::from_str(&text).unwrap();
    Some(suite["cases"].as_array().unwrap().clone())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

fn number(value: &Value, key: &str) -> Decimal {
    decimal(text(value, key))
}

fn fine(value: &Value, key: &str) -> FinePrice {
    FinePrice::from_decimal(number(value, key))
}

/// A decimal text in units of 1e-18; digits beyond are cut.
fn units(text: &str) -> i128 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction: String = fraction.chars().chain("0".repeat(18).chars()).take(18).collect();
    let value = whole.parse::<i128>().unwrap() * Usd::SCALE + fraction.parse::<i128>().unwrap();
    if negative { -value } else { value }
}

fn exactly(value: &Value, key: &str) -> Usd {
    let text = text(value, key);
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    assert!(decimals <= 18, "{key} {text} is finer than 1e-18");
    Usd::new(units(text))
}

/// Fine enough for every vector: prices to 1e-8, quantities to 0.001.
fn anything() -> Instrument {
    let rules = Rules {
        symbol: "VECTOR".to_owned(),
        quote: "USD".to_owned(),
        base: "VEC".to_owned(),
        tick: decimal("0.00000001"),
        step: decimal("0.001"),
        min_qty: decimal("0.001"),
        max_qty: decimal("1000000"),
        market_max_qty: decimal("1000000"),
        min_notional: Decimal::ZERO,
        band_up: decimal("2"),
        band_down: Decimal::ZERO,
        multiplier: Decimal::ONE,
        max_orders: 200,
    };
    Instrument::new(InstrumentId(0), rules).unwrap()
}

fn fill(id: i64, side: Side, price: Price, qty: Qty, fee: Usd) -> Fill {
    Fill {
        trade_id: TradeId(id),
        client_id: None,
        venue_id: VenueOrderId(1),
        side,
        price,
        qty,
        cumulative: qty,
        maker: true,
        fee,
        ts_event: START,
    }
}

fn vector_fill(spec: &Instrument, id: i64, event: &Value) -> Fill {
    let side = if text(event, "side") == "buy" { Side::Buy } else { Side::Sell };
    let price = spec.price(number(event, "price")).unwrap();
    let qty = spec.qty(number(event, "qty")).unwrap();
    let fee = match event.get("fee") {
        Some(_) => Usd::from_decimal(number(event, "fee")),
        None => spec.notional(price, qty).times(Rate::from_decimal(number(event, "fee_rate"))),
    };
    fill(id, side, price, qty, fee)
}

/// What longs pay and shorts receive.
fn vector_funding(spec: &Instrument, ledger: &Ledger, event: &Value) -> Usd {
    let rate = Rate::from_decimal(number(event, "rate"));
    -spec.value_at(fine(event, "mark"), ledger.position()).times(rate)
}

/// A ledger fed with one case of `pnl_sequences`.
struct Sequence {
    spec: Instrument,
    ledger: Ledger,
    monitor: PnlMonitor,
    initial: Usd,
    mark: FinePrice,
    now: Nanos,
}

impl Sequence {
    fn new(inputs: &Value) -> Self {
        let initial = Usd::from_decimal(number(inputs, "initial_balance"));
        let limits = LossLimits { daily_loss: usd("1000000"), drawdown: Rate::new(100_000_000) };
        let mut monitor = PnlMonitor::new(&limits);
        assert_eq!(monitor.observe(START, initial), None);
        let mark = fine(inputs, "initial_mark");
        let (spec, ledger) = (anything(), Ledger::default());
        Self { spec, ledger, monitor, initial, mark, now: START }
    }

    fn equity(&self) -> Usd {
        self.initial + self.ledger.cash() + self.ledger.unrealized(&self.spec, self.mark)
    }

    fn absorb(&mut self, index: usize, event: &Value) {
        match text(event, "type") {
            "fill" => {
                let fill = vector_fill(&self.spec, index as i64, event);
                assert!(self.ledger.fill(&self.spec, &fill, None));
            }
            "mark" => self.mark = fine(event, "mark"),
            "funding" => {
                self.mark = fine(event, "mark");
                self.ledger.funding(vector_funding(&self.spec, &self.ledger, event));
            }
            "day_reset" => self.now = Nanos(self.now.0 + DAY_NANOS),
            other => panic!("unknown event {other}"),
        }
        self.monitor.observe(self.now, self.equity());
        self.ledger.assert_invariants();
    }

    fn compare(&self, place: &str, row: &Value, exact: bool) {
        let (spec, ledger) = (&self.spec, &self.ledger);
        let lots = i128::from(ledger.position().raw());
        assert_eq!(spec.position_decimal(ledger.position()), number(row, "position"), "{place}");
        for (name, got) in [
            ("fees", ledger.fees()),
            ("funding", ledger.funding_received()),
            ("equity", self.equity()),
            ("day_pnl", self.monitor.day_pnl()),
        ] {
            assert_eq!(got, exactly(row, name), "{place}: {name}");
        }
        let average = units(text(row, "avg_entry"));
        let unrealized = ledger.unrealized(spec, self.mark);
        for (name, got, want) in [
            ("cost", ledger.cost(), average * lots / 1_000),
            ("realised", ledger.realized(), units(text(row, "realised"))),
            ("unrealised", unrealized, units(text(row, "unrealised"))),
        ] {
            let allowed = if exact { 0 } else { want.abs() / 1_000_000_000_000 + 100 };
            assert!((got.raw() - want).abs() <= allowed, "{place}: {name} {got}, not {want}e-18");
        }
        let entry = i128::from(ledger.entry(spec).raw()) * 10_000_000_000;
        assert!((entry - average).abs() <= 5_000_000_100, "{place}: entry {entry} of {average}");
    }
}

#[test]
fn profit_and_loss_agree_with_the_vectors() {
    let Some(cases) = vectors("pnl_sequences") else { return };
    let mut rows = 0;
    for case in &cases {
        let mut sequence = Sequence::new(&case["inputs"]);
        let exact = case["outputs"]["exact"].as_bool().unwrap();
        let events = case["inputs"]["events"].as_array().unwrap();
        let wanted = case["outputs"]["rows"].as_array().unwrap();
        assert_eq!(events.len(), wanted.len());
        for (index, (event, row)) in events.iter().zip(wanted).enumerate() {
            sequence.absorb(index, event);
            sequence.compare(&format!("{} row {index}", text(case, "id")), row, exact);
            rows += 1;
        }
    }
    assert_eq!((cases.len(), rows), (25, 325));
}

/// The parts of the PnL must add up to the PnL, at any price.
fn assert_adds_up(spec: &Instrument, ledger: &Ledger, mark: FinePrice) {
    let split = ledger.split(spec, mark);
    let parts = split.spread + split.inventory + split.basis + split.carried;
    assert_eq!(parts, ledger.realized() + ledger.unrealized(spec, mark), "{split:?}");
}

#[test]
fn the_attribution_agrees_with_the_vectors() {
    let Some(cases) = vectors("pnl_attribution") else { return };
    assert_eq!(cases.len(), 13);
    for case in &cases {
        let (spec, mut ledger) = (anything(), Ledger::default());
        let (inputs, outputs) = (&case["inputs"], &case["outputs"]);
        let mark_end = fine(inputs, "mark_end");
        let mut mid = fine(inputs, "mid0");
        ledger.observe_mid(&spec, mid);
        for (index, event) in inputs["events"].as_array().unwrap().iter().enumerate() {
            mid = fine(event, "mid");
            match text(event, "type") {
                "fill" => {
                    let fill = vector_fill(&spec, index as i64, event);
                    assert!(ledger.fill(&spec, &fill, Some(mid)));
                }
                "mid" => ledger.observe_mid(&spec, mid),
                "funding" => {
                    ledger.observe_mid(&spec, mid);
                    ledger.funding(vector_funding(&spec, &ledger, event));
                }
                other => panic!("unknown event {other}"),
            }
            assert_adds_up(&spec, &ledger, mid);
            assert_adds_up(&spec, &ledger, mark_end);
        }
        let split = ledger.split(&spec, mark_end);
        let paid = ledger.funding_received() - ledger.fees();
        let total = split.spread + split.inventory + paid;
        for (name, got) in [
            ("cash", ledger.cash() - ledger.cost()),
            ("spread_capture", split.spread),
            ("inventory", split.inventory),
            ("fees", ledger.fees()),
            ("funding", ledger.funding_received()),
            ("total", total),
            ("basis", split.basis),
            ("total_mark", total + split.basis),
        ] {
            assert_eq!(got, exactly(outputs, name), "{}: {name}", text(case, "id"));
        }
        assert_eq!(spec.position_decimal(ledger.position()), number(outputs, "position"));
        assert_eq!(split.carried, Usd::ZERO);
        assert_eq!(ledger.unrealized(&spec, mid) + ledger.realized() + paid, total);
    }
}

/// Something that happens to a ledger.
#[derive(Clone, Debug)]
enum Event {
    Fill { id: i64, side: Side, ticks: i64, lots: u64, fee: i64, mid: Option<i64> },
    Mid(i64),
    Funding(i64),
    Transfer(i64),
    Open { lots: i64, ticks: i64 },
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn ticks() -> impl Strategy<Value = i64> {
    255_000_i64..265_000
}

fn a_fill() -> impl Strategy<Value = Event> {
    let numbers = (0_i64..60, side(), ticks(), 1_u64..30, -1_000_000_i64..1_000_000);
    (numbers, prop::option::of(ticks())).prop_map(|((id, side, ticks, lots, fee), mid)| {
        Event::Fill { id, side, ticks, lots, fee, mid }
    })
}

fn an_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => a_fill(),
        2 => ticks().prop_map(Event::Mid),
        1 => (-1_000_000_i64..1_000_000).prop_map(Event::Funding),
        1 => (-1_000_000_i64..1_000_000).prop_map(Event::Transfer),
    ]
}

fn fine_ticks(ticks: i64) -> FinePrice {
    instrument().fine(Price::new(ticks))
}

fn e8(amount: i64) -> Usd {
    Usd::from_decimal(Decimal::from_units(amount))
}

/// Books an event; whether it was news.
fn apply(spec: &Instrument, ledger: &mut Ledger, event: &Event) -> bool {
    match *event {
        Event::Fill { id, side, ticks, lots, fee, mid } => {
            let fill = fill(id, side, Price::new(ticks), Qty::new(lots), e8(fee));
            return ledger.fill(spec, &fill, mid.map(fine_ticks));
        }
        Event::Mid(ticks) => ledger.observe_mid(spec, fine_ticks(ticks)),
        Event::Funding(amount) => ledger.funding(e8(amount)),
        Event::Transfer(amount) => ledger.transfer(e8(amount)),
        Event::Open { lots, ticks } => {
            ledger.open(spec, Position::new(lots), fine_ticks(ticks), None);
        }
    }
    true
}

/// Knows only what was paid and received; and, in floats, the average cost, which it finds by going
/// through all fills anew, in the order of their ids.
#[derive(Default)]
struct Twin {
    fills: BTreeMap<i64, (i64, f64)>,
    lots: i64,
    /// Paid less received, in 1e-18.
    paid: i128,
    fees: i128,
    other: i128,
    average: f64,
    realized: f64,
}

impl Twin {
    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Fill { id, side, ticks, lots, fee, .. } => {
                // 0.01 a tick times 0.001 a lot is 1e-5, or 1e13 units.
                let value = i128::from(ticks) * i128::from(lots) * 10_000_000_000_000;
                self.paid += value * i128::from(side.sign());
                self.fees += i128::from(fee) * 10_000_000_000;
                self.fills.insert(id, (lots as i64 * side.sign(), ticks as f64 / 100.0));
                (self.lots, self.average, self.realized) = (0, 0.0, 0.0);
                for (lots, price) in self.fills.clone().into_values() {
                    self.average_in(lots, price);
                }
            }
            Event::Funding(amount) | Event::Transfer(amount) => {
                self.other += i128::from(amount) * 10_000_000_000;
            }
            Event::Mid(_) | Event::Open { .. } => {}
        }
    }

    fn average_in(&mut self, lots: i64, price: f64) {
        let after = self.lots + lots;
        if self.lots.signum() * lots.signum() >= 0 {
            let held = self.lots as f64 * self.average + lots as f64 * price;
            self.average = held / after as f64;
        } else {
            let closed = lots.abs().min(self.lots.abs()) * self.lots.signum();
            self.realized += closed as f64 / 1_000.0 * (price - self.average);
            if after == 0 {
                self.average = 0.0;
            } else if after.signum() == lots.signum() {
                self.average = price;
            }
        }
        self.lots = after;
    }
}

fn hash(ledger: &Ledger) -> u64 {
    let mut hasher = DefaultHasher::new();
    ledger.hash(&mut hasher);
    hasher.finish()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn money_is_what_was_paid_and_received(events in prop::collection::vec(an_event(), 1..80), mark in ticks()) {
        let (spec, mut ledger, mut twin) = (instrument(), Ledger::default(), Twin::default());
        for event in &events {
            if apply(&spec, &mut ledger, event) {
                twin.apply(event);
            }
            ledger.assert_invariants();
            prop_assert_eq!(ledger.position().raw(), twin.lots);
            let unrealized = ledger.unrealized(&spec, fine_ticks(mark));
            let equity = ledger.cash() + unrealized;
            let held = i128::from(twin.lots) * i128::from(mark) * 10_000_000_000_000;
            prop_assert_eq!(equity.raw(), held - twin.paid - twin.fees + twin.other);
            prop_assert!((ledger.realized().to_f64() - twin.realized).abs() < 1e-6);
            prop_assert!((ledger.entry(&spec).to_f64() - twin.average).abs() < 1e-6);
            assert_adds_up(&spec, &ledger, fine_ticks(mark));
            if twin.lots == 0 {
                prop_assert_eq!(ledger.realized().raw(), -twin.paid);
                prop_assert_eq!(ledger.entry(&spec), FinePrice::ZERO);
            }
        }
    }

    /// Whatever order the reports come in, however often both sides agree in between, and also when the
    /// session ends in the middle: the books are those of the fills in the order they happened.
    #[test]
    fn late_fills_are_booked_where_they_belong(
        lots in prop::collection::vec((side(), ticks(), 1_u64..30), 2..60),
        late in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..20), 0..12),
        dies in any::<prop::sample::Index>(),
    ) {
        let spec = instrument();
        let fills: Vec<Fill> = lots
            .iter()
            .zip(1..)
            .map(|(&(side, ticks, lots), id)| {
                fill(id, side, Price::new(ticks), Qty::new(lots), usd("0.01"))
            })
            .collect();
        let mut arrivals: Vec<usize> = (0..fills.len()).collect();
        for (index, by) in &late {
            let from = index.index(arrivals.len());
            let moved = arrivals.remove(from);
            arrivals.insert((from + by).min(arrivals.len()), moved);
        }
        let (mut ordered, mut ledger, mut before) = (Ledger::default(), Ledger::default(), Usd::ZERO);
        fills.iter().for_each(|fill| assert!(ordered.fill(&spec, fill, None)));
        let dies = dies.index(arrivals.len());
        for (count, &index) in arrivals.iter().enumerate() {
            prop_assert!(ledger.fill(&spec, &fills[index], None));
            // Both sides agree as soon as nothing is missing.
            let known = &arrivals[..=count];
            if (0..known.len()).all(|wanted| known.contains(&wanted)) {
                ledger.settle(&spec, Some(TradeId(known.len() as i64)));
            }
            if count == dies {
                let (position, cost, agreed, booked) = ledger.settled();
                before = ledger.realized();
                ledger = Ledger::default();
                ledger.resume(&spec, (position, cost), agreed, &booked);
                prop_assert_eq!(ledger.realized(), Usd::ZERO);
                prop_assert!(booked.iter().all(|known| {
                    let known = fills.iter().find(|fill| fill.trade_id == known.trade_id).unwrap();
                    !ledger.fill(&spec, known, None)
                }), "booked before");
            }
            ledger.assert_invariants();
        }
        prop_assert_eq!(ledger.position(), ordered.position());
        prop_assert_eq!(ledger.cost(), ordered.cost());
        prop_assert_eq!(before + ledger.realized(), ordered.realized());
    }

    #[test]
    fn a_fill_told_twice_changes_nothing(
        fills in prop::collection::vec(a_fill(), 1..40),
        again in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
    ) {
        let (spec, mut ledger) = (instrument(), Ledger::default());
        for (told, event) in fills.iter().enumerate() {
            apply(&spec, &mut ledger, event);
            let before = hash(&ledger);
            for index in &again {
                prop_assert!(!apply(&spec, &mut ledger, index.get(&fills[..=told])));
            }
            prop_assert_eq!(hash(&ledger), before);
        }
    }

    #[test]
    fn a_position_taken_over_keeps_the_parts_adding_up(
        events in prop::collection::vec(
            prop_oneof![
                6 => an_event(),
                1 => (-50_i64..50, ticks()).prop_map(|(lots, ticks)| Event::Open { lots, ticks }),
            ],
            1..60,
        ),
        mark in ticks(),
    ) {
        let (spec, mut ledger) = (instrument(), Ledger::default());
        for event in &events {
            apply(&spec, &mut ledger, event);
            ledger.assert_invariants();
            assert_adds_up(&spec, &ledger, fine_ticks(mark));
            if let Event::Open { lots, .. } = event {
                prop_assert_eq!(ledger.position(), Position::new(*lots));
            }
        }
    }
}

fn one_lot(id: i64) -> Fill {
    fill(id, Side::Buy, Price::new(260_000), Qty::new(1), Usd::ZERO)
}

#[test]
fn what_the_taken_over_position_contains_is_not_booked_again() {
    let (spec, mut ledger) = (instrument(), Ledger::default());
    ledger.open(&spec, Position::new(7), fine_ticks(260_000), Some(TradeId(100)));
    for (id, news) in [(99, false), (100, false), (101, true), (101, false)] {
        assert_eq!(ledger.fill(&spec, &one_lot(id), None), news, "{id}");
    }
    assert_eq!(ledger.position(), Position::new(8));
    assert_eq!(ledger.last_trade(), Some(TradeId(101)));
}

#[test]
fn a_memory_that_is_full_still_tells_old_from_new() {
    let (spec, mut ledger) = (instrument(), Ledger::default());
    for id in 1..=20_000 {
        assert!(ledger.fill(&spec, &one_lot(id), None));
    }
    for id in [1, 2, 3_616, 3_617, 10_000, 20_000] {
        assert!(!ledger.fill(&spec, &one_lot(id), None), "{id} was booked before");
    }
    assert_eq!(ledger.position(), Position::new(20_000));
}

/// Forgetting the oldest trade must not forget what a later takeover contained.
#[test]
fn a_memory_that_is_full_keeps_the_takeover() {
    let (spec, mut ledger) = (instrument(), Ledger::default());
    for id in 1..=16_384 {
        assert!(ledger.fill(&spec, &one_lot(id), None));
    }
    ledger.open(&spec, Position::new(5), fine_ticks(260_000), Some(TradeId(30_000)));
    assert!(ledger.fill(&spec, &one_lot(30_001), None), "the memory overflows here");
    assert!(!ledger.fill(&spec, &one_lot(25_000), None), "contained in the position taken over");
    assert_eq!(ledger.position(), Position::new(6));
}

#[test]
fn a_transfer_is_cash_but_not_profit() {
    let (spec, mut ledger) = (instrument(), Ledger::default());
    ledger.transfer(usd("-250.5"));
    assert_eq!(ledger.cash(), usd("-250.5"));
    assert_eq!(ledger.transfers(), usd("-250.5"));
    assert_eq!(ledger.realized() + ledger.unrealized(&spec, fine_ticks(260_000)), Usd::ZERO);
}

#[test]
fn the_worst_trade_counts_its_fee() {
    let (spec, mut ledger) = (instrument(), Ledger::default());
    let lot = |id, side, ticks| fill(id, side, Price::new(ticks), Qty::new(1_000), usd("0.5"));
    assert!(ledger.fill(&spec, &lot(1, Side::Buy, 260_000), None));
    assert_eq!(ledger.worst_trade(), usd("-0.5"));
    assert!(ledger.fill(&spec, &lot(2, Side::Sell, 259_000), None));
    assert_eq!(ledger.worst_trade(), usd("-10.5"));
    assert!(ledger.fill(&spec, &lot(3, Side::Sell, 260_000), None));
    assert!(ledger.fill(&spec, &lot(4, Side::Buy, 250_000), None));
    assert_eq!(ledger.worst_trade(), usd("-10.5"));
}
