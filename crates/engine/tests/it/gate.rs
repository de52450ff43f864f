//! The gate as a decision table: one violation, one refusal, in the documented order.

use std::time::Duration;

use engine::config::{EngineConfig, Limits};
use engine::risk::gate::Context;
use engine::risk::{Approved, Gate, Mode, Refusal};
use engine::{Note, Output};
use expect_test::expect;
use market::venue::{Amend, NewOrder, OrderKind, TimeInForce, VenueCommand};
use market::{
    ClientOrderId, Decimal, FinePrice, Instrument, InstrumentId, Nanos, Position, Price, Qty, Rate,
    Rules, Side, Usd,
};
use proptest::prelude::*;

use crate::rig::{Rig, START, cases, config, decimal, instrument, usd};

/// One question to the gate, and everything the answer depends on.
#[derive(Clone, Debug)]
struct Case {
    rules: Rules,
    limits: Limits,
    context: Context,
    side: Side,
    price: Price,
    qty: Qty,
    /// Of an amended order.
    filled: Qty,
    reduce_only: bool,
    /// When messages left before.
    sent: Vec<Nanos>,
}

/// Buys ten lots at 2600, which is mid and mark: 26.00 in all.
fn fine_order() -> Case {
    let fine = Some(FinePrice::from_decimal(decimal("2600")));
    Case {
        rules: instrument().rules().clone(),
        limits: Limits { max_orders_per_second: 5, ..config().desks.remove(0).limits },
        context: Context {
            now: START,
            mode: Mode::Quoting,
            mid: fine,
            mark: fine,
            position: Position::ZERO,
            working: Qty::ZERO,
            own_opposite: None,
            open_orders: 0,
        },
        side: Side::Buy,
        price: Price::new(260_000),
        qty: Qty::new(10),
        filled: Qty::ZERO,
        reduce_only: false,
        sent: Vec::new(),
    }
}

const ID: ClientOrderId = ClientOrderId { session: 1, sequence: 7 };

impl Case {
    /// A gate that has let the earlier messages pass.
    fn gate(&self, spec: &Instrument) -> Gate {
        let loose = Limits {
            max_orders_per_second: u32::MAX / 2,
            max_orders_per_minute: u32::MAX / 2,
            ..fine_order().limits
        };
        let mut gate = Gate::new(Limits { max_orders_per_second: 9, ..self.limits.clone() });
        gate.configure(loose);
        for &now in &self.sent {
            let earlier = Case { context: Context { now, ..fine_order().context }, ..fine_order() };
            let approved = gate.place(spec, &earlier.context, earlier.order());
            assert!(approved.is_ok(), "{approved:?}");
        }
        gate.configure(self.limits.clone());
        gate
    }

    fn spec(&self) -> Instrument {
        Instrument::new(InstrumentId(0), self.rules.clone()).unwrap()
    }

    fn order(&self) -> NewOrder {
        NewOrder {
            instrument: InstrumentId(0),
            client_id: ID,
            side: self.side,
            qty: self.qty,
            kind: OrderKind::Limit { price: self.price, tif: TimeInForce::PostOnly },
            reduce_only: self.reduce_only,
        }
    }

    fn place(&self) -> Result<Approved, Refusal> {
        let spec = self.spec();
        self.gate(&spec).place(&spec, &self.context, self.order())
    }

    fn amend(&self) -> Result<Approved, Refusal> {
        let (spec, qty) = (self.spec(), self.qty + self.filled);
        let (instrument, client_id) = (InstrumentId(0), ID);
        let amend = Amend { instrument, client_id, side: self.side, price: self.price, qty };
        self.gate(&spec).amend(&spec, &self.context, amend, self.filled, self.reduce_only)
    }
}

fn refused(answer: Result<Approved, Refusal>) -> Option<Refusal> {
    answer.err()
}

type Change = fn(&mut Case);

/// One line of the table: a change that is just allowed, and the same one unit further.
struct Line {
    what: &'static str,
    refusal: Refusal,
    allowed: Change,
    beyond: Change,
}

const UNIT: Usd = Usd::new(1);

fn sell(case: &mut Case) {
    case.side = Side::Sell;
}

fn ago(span: Duration) -> Nanos {
    START - span
}

fn lines_about_orders() -> Vec<Line> {
    let line = |what, refusal, allowed, beyond| Line { what, refusal, allowed, beyond };
    vec![
        line(
            "halted, a reduce-only order that reduces may pass, another that reduces may not",
            Refusal::Mode,
            |c| {
                (c.context.mode, c.context.position) = (Mode::Halted, Position::new(-10));
                c.reduce_only = true;
            },
            |c| (c.context.mode, c.context.position) = (Mode::Halted, Position::new(-10)),
        ),
        line(
            "reduce-only, a short of ten lots is closed by buying ten, one of nine would be turned",
            Refusal::Mode,
            |c| (c.context.mode, c.context.position) = (Mode::ReduceOnly, Position::new(-10)),
            |c| (c.context.mode, c.context.position) = (Mode::ReduceOnly, Position::new(-9)),
        ),
        line(
            "without a mark the mid serves, without a mid nothing does",
            Refusal::NoReference,
            |c| c.context.mark = None,
            |c| c.context.mid = None,
        ),
        line(
            "the venue's smallest quantity",
            Refusal::BelowMinimum,
            |c| c.rules.min_qty = decimal("0.010"),
            |c| c.rules.min_qty = decimal("0.011"),
        ),
        line(
            "the venue's smallest notional",
            Refusal::BelowMinimum,
            |c| c.rules.min_notional = decimal("26"),
            |c| c.rules.min_notional = decimal("26.00000001"),
        ),
        line(
            "reduce-only orders need no notional, but a quantity",
            Refusal::BelowMinimum,
            |c| (c.qty, c.reduce_only) = (Qty::new(1), true),
            |c| (c.qty, c.reduce_only) = (Qty::ZERO, true),
        ),
        line(
            "max_order_qty",
            Refusal::OrderQty,
            |c| c.limits.max_order_qty = Qty::new(10),
            |c| c.limits.max_order_qty = Qty::new(9),
        ),
        line(
            "max_order_value",
            Refusal::OrderValue,
            |c| c.limits.max_order_value = usd("26"),
            |c| c.limits.max_order_value = usd("26") - UNIT,
        ),
    ]
}

fn lines_about_prices() -> Vec<Line> {
    let line = |what, refusal, allowed, beyond| Line { what, refusal, allowed, beyond };
    vec![
        line(
            "price_collar above: 2 % of 2600 is 52",
            Refusal::PriceCollar,
            |c| c.price = Price::new(265_200),
            |c| c.price = Price::new(265_201),
        ),
        line(
            "price_collar below",
            Refusal::PriceCollar,
            |c| c.price = Price::new(254_800),
            |c| c.price = Price::new(254_799),
        ),
        line(
            "the band above mark, for a buy: 105 % of 2500 is 2625",
            Refusal::PriceBand,
            |c| {
                c.context.mark = Some(FinePrice::from_decimal(decimal("2500")));
                c.price = Price::new(262_500);
            },
            |c| {
                c.context.mark = Some(FinePrice::from_decimal(decimal("2500")));
                c.price = Price::new(262_501);
            },
        ),
        line(
            "the band below mark, for a sell: 95 % of 2700 is 2565",
            Refusal::PriceBand,
            |c| {
                c.context.mark = Some(FinePrice::from_decimal(decimal("2700")));
                (c.side, c.price) = (Side::Sell, Price::new(256_500));
            },
            |c| {
                c.context.mark = Some(FinePrice::from_decimal(decimal("2700")));
                (c.side, c.price) = (Side::Sell, Price::new(256_499));
            },
        ),
        line(
            "our own ask",
            Refusal::SelfTrade,
            |c| c.context.own_opposite = Some(Price::new(260_001)),
            |c| c.context.own_opposite = Some(Price::new(260_000)),
        ),
        line(
            "our own bid",
            Refusal::SelfTrade,
            |c| (c.side, c.context.own_opposite) = (Side::Sell, Some(Price::new(259_999))),
            |c| (c.side, c.context.own_opposite) = (Side::Sell, Some(Price::new(260_000))),
        ),
    ]
}

fn lines_about_exposure() -> Vec<Line> {
    let line = |what, refusal, allowed, beyond| Line { what, refusal, allowed, beyond };
    vec![
        line(
            "max_position, long: held and working and this",
            Refusal::Position,
            |c| (c.context.position, c.context.working) = (Position::new(60), Qty::new(30)),
            |c| (c.context.position, c.context.working) = (Position::new(60), Qty::new(31)),
        ),
        line(
            "max_position, short",
            Refusal::Position,
            |c| {
                sell(c);
                (c.context.position, c.context.working) = (Position::new(-89), Qty::new(1));
            },
            |c| {
                sell(c);
                (c.context.position, c.context.working) = (Position::new(-90), Qty::new(1));
            },
        ),
        line(
            "max_position, through zero: what is held the other way is room",
            Refusal::Position,
            |c| (c.context.position, c.context.working) = (Position::new(-50), Qty::new(140)),
            |c| (c.context.position, c.context.working) = (Position::new(-50), Qty::new(141)),
        ),
        line(
            "max_orders_per_second: five within it, the sixth as the first turns a second old",
            Refusal::OrdersPerSecond,
            |c| c.sent = (0..5).map(|i| ago(Duration::from_millis(1000 - 10 * i))).collect(),
            |c| {
                c.sent = (0..5).map(|i| ago(Duration::from_millis(1000 - 10 * i))).collect();
                c.sent[0] = Nanos(c.sent[0].0 + 1);
            },
        ),
        line(
            "max_orders_per_minute: three within it, the fourth as the first turns a minute old",
            Refusal::OrdersPerMinute,
            |c| {
                c.limits.max_orders_per_minute = 3;
                c.sent = [60, 40, 20].map(|s| ago(Duration::from_secs(s))).to_vec();
            },
            |c| {
                c.limits.max_orders_per_minute = 3;
                c.sent = [60, 40, 20].map(|s| ago(Duration::from_secs(s))).to_vec();
                c.sent[0] = Nanos(c.sent[0].0 + 1);
            },
        ),
    ]
}

#[test]
fn every_limit_holds_to_the_unit_for_new_and_for_changed_orders() {
    let lines = [lines_about_orders(), lines_about_prices(), lines_about_exposure()];
    for line in lines.iter().flatten() {
        for (change, wanted) in [(line.allowed, None), (line.beyond, Some(line.refusal))] {
            let mut case = fine_order();
            change(&mut case);
            assert_eq!(refused(case.place()), wanted, "place: {}", line.what);
            assert_eq!(refused(case.amend()), wanted, "amend: {}", line.what);
            case.filled = Qty::new(90);
            assert_eq!(refused(case.amend()), wanted, "partly filled: {}", line.what);
        }
    }
}

#[test]
fn open_orders_limit_new_orders_only() {
    let mut case = fine_order();
    case.limits.max_open_orders = 3;
    for (open, wanted) in
        [(2, None), (3, Some(Refusal::OpenOrders)), (4, Some(Refusal::OpenOrders))]
    {
        case.context.open_orders = open;
        assert_eq!(refused(case.place()), wanted);
        assert_eq!(refused(case.amend()), None, "an amendment adds no order");
    }
}

/// A violation of every rule, each by other means than all the others, so that any two can meet.
fn violations() -> [(Refusal, Change); 12] {
    [
        (Refusal::Mode, |c| c.context.mode = Mode::Halted),
        (Refusal::NoReference, |c| c.context.mid = None),
        (Refusal::BelowMinimum, |c| c.rules.min_notional = decimal("27")),
        (Refusal::OrderQty, |c| c.limits.max_order_qty = Qty::new(9)),
        (Refusal::OrderValue, |c| c.limits.max_order_value = usd("25")),
        (Refusal::PriceCollar, |c| {
            c.context.mid = c.context.mid.map(|_| FinePrice::from_decimal(decimal("2500")));
        }),
        (Refusal::PriceBand, |c| c.rules.band_up = decimal("0.99")),
        (Refusal::SelfTrade, |c| c.context.own_opposite = Some(c.price)),
        (Refusal::Position, |c| c.context.working = Qty::new(91)),
        (Refusal::OpenOrders, |c| c.context.open_orders = 40),
        (Refusal::OrdersPerSecond, |c| c.limits.max_orders_per_second = 0),
        (Refusal::OrdersPerMinute, |c| c.limits.max_orders_per_minute = 0),
    ]
}

#[test]
fn of_two_violations_the_earlier_rule_speaks() {
    let violations = violations();
    assert_eq!(violations.map(|(refusal, _)| refusal), Refusal::ALL, "all, in the order of checks");
    for (index, (first, one)) in violations.iter().enumerate() {
        for (second, other) in &violations[index..] {
            for (one, other) in [(one, other), (other, one)] {
                let mut case = fine_order();
                one(&mut case);
                other(&mut case);
                assert_eq!(refused(case.place()), Some(*first), "place: {first:?} and {second:?}");
                let later = if *first == Refusal::OpenOrders { *second } else { *first };
                let wanted = Some(later).filter(|refusal| *refusal != Refusal::OpenOrders);
                assert_eq!(refused(case.amend()), wanted, "amend: {first:?} and {second:?}");
            }
        }
    }
}

/// How much each mode lets through, by holding, side and promise.
#[test]
fn modes() {
    let mut table = String::new();
    for mode in [Mode::Quoting, Mode::ReduceOnly, Mode::Halted] {
        for held in [-20, 0, 20] {
            let mut passes = Vec::new();
            for (side, reduce_only) in
                [(Side::Buy, false), (Side::Buy, true), (Side::Sell, false), (Side::Sell, true)]
            {
                let mut case = Case { side, reduce_only, ..fine_order() };
                (case.context.mode, case.context.position) = (mode, Position::new(held));
                let name =
                    if reduce_only { format!("{side} reduce-only") } else { side.to_string() };
                match case.place() {
                    Ok(_) => passes.push(name),
                    Err(refusal) => assert_eq!(refusal, Refusal::Mode),
                }
            }
            table += format!("{:<12} {held:>3}  {}", mode.name(), passes.join(", ")).trim_end();
            table += "\n";
        }
    }
    expect![[r#"
        quoting      -20  buy, buy reduce-only, sell, sell reduce-only
        quoting        0  buy, buy reduce-only, sell, sell reduce-only
        quoting       20  buy, buy reduce-only, sell, sell reduce-only
        reduce_only  -20  buy, buy reduce-only
        reduce_only    0
        reduce_only   20  sell, sell reduce-only
        halted       -20  buy reduce-only
        halted         0
        halted        20  sell reduce-only
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_market_order_is_judged_at_the_mid() {
    let mut case = fine_order();
    let market = |case: &Case| NewOrder { kind: OrderKind::Market, ..case.order() };
    let judge = |case: &Case| {
        let spec = case.spec();
        refused(case.gate(&spec).place(&spec, &case.context, market(case)))
    };
    assert_eq!(judge(&case), None);
    case.limits.max_order_value = usd("26") - UNIT;
    assert_eq!(judge(&case), Some(Refusal::OrderValue));
    case.context.mid = None;
    assert_eq!(judge(&case), Some(Refusal::NoReference));
}

#[test]
fn there_is_always_a_way_out() {
    let limits =
        Limits { max_orders_per_second: 0, max_orders_per_minute: 0, ..fine_order().limits };
    let (gate, id) = (Gate::new(limits), InstrumentId(0));
    let cancel = gate.cancel(id, ID).into_command();
    assert_eq!(cancel, VenueCommand::Cancel { instrument: id, client_id: ID });
    let all = gate.cancel_all(id).into_command();
    assert_eq!(all, VenueCommand::CancelAll { instrument: id });
}

#[test]
fn an_approval_is_the_order_that_was_judged() {
    let case = fine_order();
    assert_eq!(case.place().unwrap().command(), &VenueCommand::Place(case.order()));
}

/// A message of a random life of orders.
#[derive(Clone, Debug)]
enum Op {
    Place { side: Side, lots: u64 },
    Amend { order: prop::sample::Index, lots: u64 },
    Fill { order: prop::sample::Index, lots: u64 },
    Cancel { order: prop::sample::Index },
    Wait { millis: u64 },
}

fn an_op() -> impl Strategy<Value = Op> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let index = any::<prop::sample::Index>;
    prop_oneof![
        5 => (side, 8_u64..25).prop_map(|(side, lots)| Op::Place { side, lots }),
        2 => (index(), 8_u64..25).prop_map(|(order, lots)| Op::Amend { order, lots }),
        3 => (index(), 1_u64..20).prop_map(|(order, lots)| Op::Fill { order, lots }),
        1 => index().prop_map(|order| Op::Cancel { order }),
        3 => (1_u64..2_000).prop_map(|millis| Op::Wait { millis }),
    ]
}

/// The venue side of a random life: orders, holding, and every message that ever left.
struct Twin {
    limits: Limits,
    gate: Gate,
    now: Nanos,
    position: i64,
    /// Side, quantity and filled part of every order that works.
    orders: Vec<(Side, u64, u64)>,
    sent: Vec<Nanos>,
}

impl Twin {
    fn new() -> Self {
        let limits = Limits {
            max_position: Qty::new(60),
            max_orders_per_second: 4,
            max_orders_per_minute: 20,
            max_open_orders: 6,
            ..fine_order().limits
        };
        let gate = Gate::new(limits.clone());
        Self { limits, gate, now: START, position: 0, orders: Vec::new(), sent: Vec::new() }
    }

    fn working(&self, side: Side, except: Option<usize>) -> u64 {
        let counts = |(index, (own, ..)): &(usize, &(Side, u64, u64))| {
            *own == side && Some(*index) != except
        };
        self.orders
            .iter()
            .enumerate()
            .filter(counts)
            .map(|(_, (_, qty, filled))| qty - filled)
            .sum()
    }

    fn within(&self, span: u64) -> u32 {
        self.sent.iter().filter(|at| at.0 + span > self.now.0).count() as u32
    }

    fn case(&self, side: Side, except: Option<usize>) -> Case {
        let mut case = Case { side, limits: self.limits.clone(), ..fine_order() };
        let context = &mut case.context;
        (context.now, context.position) = (self.now, Position::new(self.position));
        context.working = Qty::new(self.working(side, except));
        context.open_orders = self.orders.len() as u32;
        case
    }

    /// Whether the gate's answer is the one that naive counting gives.
    fn check(&mut self, side: Side, except: Option<usize>, lots: u64, answer: Option<Refusal>) {
        let reach = (self.position * side.sign()) + (self.working(side, except) + lots) as i64;
        let full = except.is_none() && self.orders.len() >= 6;
        let wanted = match () {
            () if reach > 60 => Some(Refusal::Position),
            () if full => Some(Refusal::OpenOrders),
            () if self.within(1_000_000_000) >= 4 => Some(Refusal::OrdersPerSecond),
            () if self.within(60_000_000_000) >= 20 => Some(Refusal::OrdersPerMinute),
            () => None,
        };
        assert_eq!(answer, wanted);
        if answer.is_none() {
            self.sent.push(self.now);
        }
    }

    fn apply(&mut self, op: &Op) {
        let spec = instrument();
        let count = self.orders.len();
        match op {
            Op::Place { side, lots } => {
                let case = Case { qty: Qty::new(*lots), ..self.case(*side, None) };
                let answer = refused(self.gate.place(&spec, &case.context, case.order()));
                self.check(*side, None, *lots, answer);
                if answer.is_none() {
                    self.orders.push((*side, *lots, 0));
                }
            }
            Op::Amend { order, lots } if count > 0 => {
                let index = order.index(count);
                let (side, _, filled) = self.orders[index];
                let case = self.case(side, Some(index));
                let qty = Qty::new(lots + filled);
                let (instrument, price) = (InstrumentId(0), case.price);
                let amend = Amend { instrument, client_id: ID, side, price, qty };
                let filled = Qty::new(filled);
                let answer = self.gate.amend(&spec, &case.context, amend, filled, false);
                let answer = refused(answer);
                self.check(side, Some(index), *lots, answer);
                if answer.is_none() {
                    self.orders[index].1 = qty.raw();
                }
            }
            Op::Fill { order, lots } if count > 0 => {
                let (side, qty, filled) = &mut self.orders[order.index(count)];
                let lots = (*lots).min(*qty - *filled);
                *filled += lots;
                self.position += lots as i64 * side.sign();
            }
            Op::Cancel { order } if count > 0 => {
                self.orders.swap_remove(order.index(count));
            }
            Op::Amend { .. } | Op::Fill { .. } | Op::Cancel { .. } => {}
            Op::Wait { millis } => self.now = self.now + Duration::from_millis(*millis),
        }
        self.orders.retain(|(_, qty, filled)| filled < qty);
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_worst_case_stays_within_the_limits(ops in prop::collection::vec(an_op(), 1..120)) {
        let mut twin = Twin::new();
        for op in &ops {
            twin.apply(op);
            for side in Side::BOTH {
                let worst = twin.position * side.sign() + twin.working(side, None) as i64;
                prop_assert!(worst <= 60, "{side} {worst}");
            }
            prop_assert!(twin.within(1_000_000_000) <= 4 && twin.within(60_000_000_000) <= 20);
            let now = twin.now;
            let rates = (twin.within(1_000_000_000), twin.within(60_000_000_000));
            prop_assert_eq!(twin.gate.rates(now), rates);
        }
    }
}

/// Runs a script against a changed configuration; every refusal, in order, once each.
fn refusals(change: impl FnOnce(&mut EngineConfig), script: &str) -> Vec<&'static str> {
    let mut config = config();
    change(&mut config);
    let mut rig = Rig::new(config);
    let mut seen = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        rig.script(line);
        for output in &rig.last {
            if let Output::Note(Note::Refused { refusal, .. }) = output
                && !seen.contains(&refusal.name())
            {
                seen.push(refusal.name());
            }
        }
    }
    seen
}

#[test]
fn the_engine_refuses_by_the_name_of_the_limit() {
    const QUOTE: &str = "start\nbook 2599.99 2600.01";
    type Change = fn(&mut EngineConfig);
    let table: [(Refusal, &str, Change); 8] = [
        (Refusal::OrderQty, QUOTE, |c| c.desks[0].limits.max_order_qty = Qty::new(9)),
        (Refusal::OrderValue, QUOTE, |c| c.desks[0].limits.max_order_value = usd("25")),
        (Refusal::PriceCollar, QUOTE, |c| c.desks[0].limits.price_collar = Rate::new(10_000)),
        (Refusal::PriceBand, "start\nmark 2400\nbook 2599.99 2600.01", |_| {}),
        (Refusal::Position, QUOTE, |c| c.desks[0].limits.max_position = Qty::new(9)),
        (Refusal::OpenOrders, QUOTE, |c| c.desks[0].limits.max_open_orders = 1),
        (Refusal::OrdersPerSecond, QUOTE, |c| c.desks[0].limits.max_orders_per_second = 1),
        (Refusal::OrdersPerMinute, QUOTE, |c| c.desks[0].limits.max_orders_per_minute = 1),
    ];
    for (refusal, script, change) in table {
        assert_eq!(refusals(change, script), [refusal.name()]);
    }
    assert_eq!(refusals(|_| {}, QUOTE), [""; 0]);
}

/// The strategy never quotes less than the venue takes, but a position may be smaller than that.
#[test]
fn flattening_ends_with_dust_and_says_so() {
    let dust = |config: &mut EngineConfig| {
        let mut rules = instrument().rules().clone();
        rules.min_qty = decimal("0.005");
        config.desks[0].instrument = Instrument::new(InstrumentId(0), rules).unwrap();
        config.desks[0].strategy = match config.desks[0].strategy.clone() {
            quoting::StrategyConfig::BasicMm(basic) => {
                quoting::StrategyConfig::BasicMm(quoting::BasicMmConfig {
                    base_size: Qty::ZERO,
                    ..basic
                })
            }
        };
    };
    let mut small = config();
    dust(&mut small);
    let said = Rig::new(small).script("start 0.003\nbook 2599.99 2600.01\nflatten");
    assert!(said.contains("0.003 is left, too small for an order"), "{said}");
}

/// The same limits hold when an order that rests is moved.
#[test]
fn the_engine_judges_amendments_too() {
    let mut rig = Rig::quoting(config());
    let log = rig.script(
        "advance 1s
         mark 2350             # the band for buys now ends at 2467.50
         book 2589.99 2590.01  # the bid must move away: refused, so it must go
         state",
    );
    expect![[r#"
        refused  price_band
        cancel   buy @ 2598.70
        mode     quoting 
        position 0
        order    buy 0.010 @ 2598.70 pending_cancel filled 0.000
        order    sell 0.010 @ 2601.30 live filled 0.000
    "#]]
    .assert_eq(&log);
}

/// `booked` is what the ledger holds: the part whose report is missing must count as still to come.
#[test]
fn a_missing_fill_leaves_no_room_for_an_amendment() {
    let mut config = config();
    config.desks[0].limits.max_position = Qty::new(12);
    let mut rig = Rig::quoting(config);
    let bid = rig.named("bid");
    rig.make_fill(bid, Qty::new(4)); // its report is lost
    rig.script("advance 1s\nfill bid 0.002\nbook 2579.99 2580.01");
    let desk = rig.engine.snapshot().desks.remove(0);
    assert!(
        desk.exposure_long <= Position::new(12),
        "held {:?}, but {:?} if everything fills",
        desk.position,
        desk.exposure_long
    );
}

/// What every line above departs from.
#[test]
fn the_reference_order_passes() {
    let case = fine_order();
    assert_eq!(refused(case.place()), None);
    assert_eq!(refused(case.amend()), None);
    assert_eq!(case.spec().notional(case.price, case.qty), usd("26"));
    assert_eq!(case.rules.min_notional, Decimal::from_units(2_000_000_000));
}
