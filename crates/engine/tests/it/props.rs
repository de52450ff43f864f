//! The whole machine under nonsense: whatever is said, in whatever order, it holds together.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::risk::Mode;
use engine::{Control, Engine, EngineConfig, Input, Note, Output};
use market::venue::{
    AccountState, ExpireReason, Fill, Obstacle, OpenOrder, OrderFate, Outcome, RejectReason,
    RequestKind, VenueCommand, VenueReport,
};
use market::{
    BookTicker, ClientOrderId, DepthDiff, DepthSnapshot, FinePrice, InstrumentId, Level,
    MarkUpdate, MarketEvent, MarketKind, Nanos, Position, Price, Qty, Rate, Side, Trade, TradeId,
    Usd, VenueOrderId,
};
use proptest::prelude::*;
use proptest::sample::select;
use quoting::StrategyConfig;

use crate::rig::{START, cases, config, usd};

const DESK: InstrumentId = InstrumentId(0);

/// Time that passes, then what is said at once.
#[derive(Clone, Debug)]
struct Turn {
    wait: Duration,
    batch: Vec<Input>,
}

fn id() -> impl Strategy<Value = ClientOrderId> {
    prop_oneof![
        12 => (1_u32..10).prop_map(|sequence| ClientOrderId { session: 1, sequence }),
        1 => Just(ClientOrderId { session: 9, sequence: 1 }),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    select(&Side::BOTH[..])
}

fn price() -> impl Strategy<Value = Price> {
    prop_oneof![20 => 259_000_i64..261_000, 1 => select(&[1, 50_000_000][..])].prop_map(Price::new)
}

fn qty() -> impl Strategy<Value = Qty> {
    (0_u64..25).prop_map(Qty::new)
}

fn instant() -> impl Strategy<Value = Nanos> {
    (0_u64..400).prop_map(|seconds| START + Duration::from_secs(seconds))
}

fn money(most: i64) -> impl Strategy<Value = Usd> {
    (-most..most).prop_map(|amount| Usd::new(i128::from(amount) * Usd::SCALE))
}

fn a_fill() -> impl Strategy<Value = Fill> {
    let terms = (side(), price(), qty(), qty(), any::<bool>(), money(2));
    ((1_i64..40).prop_map(TradeId), prop::option::of(id()), terms).prop_map(
        |(trade_id, client_id, (side, price, qty, cumulative, maker, fee))| Fill {
            trade_id,
            client_id,
            venue_id: VenueOrderId(1),
            side,
            price,
            qty,
            cumulative,
            maker,
            fee,
            ts_event: START,
        },
    )
}

fn an_open_order() -> impl Strategy<Value = OpenOrder> {
    (prop::option::of(id()), side(), price(), qty(), qty(), any::<bool>()).prop_map(
        |(client_id, side, price, qty, filled, reduce_only)| OpenOrder {
            client_id,
            venue_id: VenueOrderId(2),
            side,
            price,
            qty,
            filled,
            reduce_only,
        },
    )
}

fn an_account() -> impl Strategy<Value = VenueReport> {
    let holding = ((-50_i64..50).prop_map(Position::new), price(), 0_i64..10_000);
    let orders = prop::collection::vec(an_open_order(), 0..4);
    let fills = prop::collection::vec(a_fill(), 0..3);
    let last = prop::option::of((0_i64..40).prop_map(TradeId));
    (0_u32..4, holding, orders, fills, last).prop_map(
        |(query, (position, entry, wallet), open_orders, fills, last_trade)| {
            VenueReport::Account(AccountState {
                query,
                position,
                entry: FinePrice::new(entry.raw() * 1_000_000),
                wallet: Usd::new(i128::from(wallet) * Usd::SCALE),
                open_orders,
                fills,
                last_trade,
            })
        },
    )
}

fn a_fate() -> impl Strategy<Value = OrderFate> {
    let outcomes = [Outcome::Filled, Outcome::Canceled, Outcome::Expired, Outcome::Rejected];
    prop_oneof![
        an_open_order().prop_map(OrderFate::Open),
        (qty(), select(outcomes.to_vec()))
            .prop_map(|(filled, outcome)| OrderFate::Closed { filled, outcome }),
        Just(OrderFate::NotFound),
    ]
}

fn a_reject() -> impl Strategy<Value = VenueReport> {
    let reasons = [
        RejectReason::WouldTake,
        RejectReason::Margin,
        RejectReason::DuplicateId,
        RejectReason::UnknownOrder,
        RejectReason::NoChange,
        RejectReason::RateLimit,
    ];
    (id(), a_request(), select(reasons.to_vec()))
        .prop_map(|(client_id, request, reason)| VenueReport::Reject { client_id, request, reason })
}

fn a_request() -> impl Strategy<Value = RequestKind> {
    select(&[RequestKind::Place, RequestKind::Amend, RequestKind::Cancel][..])
}

fn about_orders() -> impl Strategy<Value = VenueReport> {
    let reasons = [ExpireReason::Unfilled, ExpireReason::ReduceOnly, ExpireReason::Venue];
    prop_oneof![
        6 => id().prop_map(|client_id| VenueReport::Ack { client_id, venue_id: VenueOrderId(3) }),
        2 => a_reject(),
        4 => a_fill().prop_map(VenueReport::Fill),
        2 => (id(), price(), qty())
            .prop_map(|(client_id, price, qty)| VenueReport::Amended { client_id, price, qty }),
        3 => (id(), qty()).prop_map(|(client_id, filled)| VenueReport::Canceled { client_id, filled }),
        1 => (id(), qty(), select(reasons.to_vec())).prop_map(|(client_id, filled, reason)| {
            VenueReport::Expired { client_id, filled, reason }
        }),
        1 => (id(), a_request())
            .prop_map(|(client_id, request)| VenueReport::InDoubt { client_id, request }),
        3 => (id(), a_fate(), prop::collection::vec(a_fill(), 0..3))
            .prop_map(|(client_id, fate, fills)| VenueReport::Order { client_id, fate, fills }),
    ]
}

fn a_report() -> impl Strategy<Value = VenueReport> {
    prop_oneof![
        16 => about_orders(),
        4 => an_account(),
        1 => Just(VenueReport::QueryFailed),
        1 => money(10).prop_map(|amount| VenueReport::Funding { amount }),
        1 => money(300).prop_map(|amount| VenueReport::Transfer { amount }),
        3 => instant().prop_map(|until| VenueReport::DeadManArmed { until }),
        1 => Just(VenueReport::DeadManFailed),
        2 => Just(VenueReport::StreamUp),
        1 => Just(VenueReport::StreamDown),
        1 => Just(VenueReport::Resync),
        1 => (0..Obstacle::ALL.len(), any::<bool>())
            .prop_map(|(at, holds)| VenueReport::Obstacle { what: Obstacle::ALL[at], holds }),
    ]
}

fn levels() -> impl Strategy<Value = Vec<Level>> {
    prop::collection::vec((price(), qty()).prop_map(|(price, qty)| Level { price, qty }), 0..6)
}

fn a_book() -> impl Strategy<Value = MarketKind> {
    (259_500_i64..260_500, 1_i64..4, 0_u64..200).prop_map(|(bid, gap, last_id)| {
        let level = |price| Level { price: Price::new(price), qty: Qty::new(5_000) };
        let bids = (0..5).map(|i| level(bid - i)).collect();
        let asks = (0..5).map(|i| level(bid + gap + i)).collect();
        MarketKind::Snapshot(DepthSnapshot { last_id, bids, asks })
    })
}

fn a_market_fact() -> impl Strategy<Value = MarketKind> {
    let number = || 0_u64..200;
    let level = || (price(), qty()).prop_map(|(price, qty)| Level { price, qty });
    prop_oneof![
        12 => a_book(),
        1 => (number(), levels(), levels()).prop_map(|(last_id, bids, asks)| {
            MarketKind::Snapshot(DepthSnapshot { last_id, bids, asks })
        }),
        3 => (number(), number(), number(), levels(), levels()).prop_map(
            |(first_id, last_id, previous_id, bids, asks)| {
                MarketKind::Diff(DepthDiff { first_id, last_id, previous_id, bids, asks })
            },
        ),
        2 => (number(), level(), level())
            .prop_map(|(update_id, bid, ask)| MarketKind::Ticker(BookTicker { update_id, bid, ask })),
        1 => (0_i64..9, price(), qty(), side()).prop_map(|(id, price, qty, aggressor)| {
            MarketKind::Trade(Trade { id, price, qty, aggressor })
        }),
        2 => price().prop_map(|price| {
            let mark = FinePrice::new(price.raw() * 1_000_000);
            let (funding_rate, next_funding) = (Rate::new(-3), START);
            MarketKind::Mark(MarkUpdate { mark, index: mark, funding_rate, next_funding })
        }),
        1 => Just(MarketKind::FeedUp),
        1 => Just(MarketKind::FeedDown),
    ]
}

/// A few rungs and tight limits, so that every rule is met.
fn tight() -> EngineConfig {
    let mut config = config();
    let desk = &mut config.desks[0];
    desk.limits.max_position = Qty::new(45);
    desk.limits.max_orders_per_second = 6;
    desk.limits.max_open_orders = 8;
    let StrategyConfig::BasicMm(strategy) = &mut desk.strategy;
    strategy.levels = 3;
    config
}

fn a_control(clearing: bool) -> impl Strategy<Value = Control> {
    let patient = {
        let mut config = tight();
        config.desks[0].requote.amend = false;
        config.desks[0].limits.max_position = Qty::new(20);
        Box::new(config)
    };
    prop_oneof![
        2 => Just(Control::Pause),
        8 => Just(Control::Resume { clear_halt: clearing }),
        1 => Just(Control::Halt),
        2 => Just(Control::Flatten),
        3 => Just(Control::ResetBreaker),
        1 => Just(Control::Configure(patient)),
        1 => Just(Control::Configure(Box::new(tight()))),
    ]
}

fn an_input(clearing: bool) -> impl Strategy<Value = Input> {
    let instrument = || prop_oneof![20 => Just(DESK), 1 => Just(InstrumentId(1))];
    prop_oneof![
        10 => (instrument(), a_report()).prop_map(|(id, report)| Input::Venue(id, report)),
        8 => (instrument(), a_market_fact()).prop_map(|(instrument, kind)| {
            Input::Market(MarketEvent { instrument, ts_event: START, kind })
        }),
        1 => a_control(clearing).prop_map(Input::Control),
    ]
}

fn a_turn(clearing: bool) -> impl Strategy<Value = Turn> {
    let waits = [0, 0, 1, 50, 250, 700, 2_000, 5_000, 70_000];
    (select(waits.to_vec()), prop::collection::vec(an_input(clearing), 0..4))
        .prop_map(|(millis, batch)| Turn { wait: Duration::from_millis(millis), batch })
}

fn turns(clearing: bool) -> impl Strategy<Value = Vec<Turn>> {
    prop::collection::vec(a_turn(clearing), 1..60)
}

/// An engine that has just begun to quote, flat, and what it asked for until then.
fn quoting() -> Engine {
    let mut engine = Engine::new(tight());
    let say = |report| Input::Venue(DESK, report);
    let level = |price| Level { price: Price::new(price), qty: Qty::new(5_000) };
    let (bids, asks) = (vec![level(259_999)], vec![level(260_001)]);
    let kind = MarketKind::Snapshot(DepthSnapshot { last_id: 1, bids, asks });
    let account = AccountState {
        query: 1,
        position: Position::ZERO,
        entry: FinePrice::ZERO,
        wallet: usd("5000"),
        open_orders: Vec::new(),
        fills: Vec::new(),
        last_trade: None,
    };
    let until = START + Duration::from_secs(400);
    let mut out = Vec::new();
    for batch in [
        vec![say(VenueReport::StreamUp)],
        vec![say(VenueReport::Account(account)), say(VenueReport::DeadManArmed { until })],
        vec![Input::Market(MarketEvent { instrument: DESK, ts_event: START, kind })],
    ] {
        engine.step(START, &batch, &mut out);
    }
    let placed = |output: &&Output| matches!(output, Output::Note(Note::Sent { .. }));
    assert_eq!(out.iter().filter(placed).count(), 6, "three rungs on either side");
    engine
}

/// Fills told directly, outside account reports that nobody may have asked for.
fn told(batch: &[Input]) -> Vec<TradeId> {
    let fills = batch.iter().flat_map(|input| match input {
        Input::Venue(DESK, VenueReport::Fill(fill)) => std::slice::from_ref(fill),
        Input::Venue(DESK, VenueReport::Order { fills, .. }) => fills,
        _ => &[],
    });
    fills.map(|fill| fill.trade_id).collect()
}

/// Whether an output touches an order.
fn moves(output: &Output) -> bool {
    let Output::Venue(approved) = output else { return false };
    match approved.command() {
        VenueCommand::Place(_)
        | VenueCommand::Amend(_)
        | VenueCommand::Cancel { .. }
        | VenueCommand::CancelAll { .. } => true,
        VenueCommand::ArmDeadMan { .. }
        | VenueCommand::QueryOrder { .. }
        | VenueCommand::QueryAccount { .. } => false,
    }
}

/// What an early or repeated step may tell: the risk level looks at rates, which fade by themselves.
fn is_news(output: &Output) -> bool {
    !matches!(output, Output::Note(Note::RiskLevel { .. }))
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn the_same_inputs_give_the_same_outputs(turns in turns(true), fresh in any::<bool>()) {
        let mut one = if fresh { Engine::new(tight()) } else { quoting() };
        let mut two = one.clone();
        let (mut now, mut out_one, mut out_two) = (START, Vec::new(), Vec::new());
        for turn in &turns {
            now = now + turn.wait;
            out_one.clear();
            out_two.clear();
            one.step(now, &turn.batch, &mut out_one);
            two.step(now, &turn.batch, &mut out_two);
            prop_assert_eq!(&out_one, &out_two);
            prop_assert_eq!(one.state_hash(), two.state_hash());
            prop_assert_eq!(one.next_deadline(), two.next_deadline());
            // Looking does not disturb.
            two.snapshot();
        }
        prop_assert_eq!(one.state_hash(), two.state_hash());
    }

    #[test]
    fn the_position_is_the_sum_of_the_fills(turns in turns(false)) {
        let mut engine = quoting();
        let (mut now, mut out, mut sum) = (START, Vec::new(), Position::ZERO);
        let mut booked = BTreeSet::new();
        for turn in &turns {
            now = now + turn.wait;
            out.clear();
            engine.step(now, &turn.batch, &mut out);
            for output in &out {
                if let Output::Note(Note::Filled { fill, position, .. }) = output {
                    prop_assert!(booked.insert(fill.trade_id), "{:?} twice", fill.trade_id);
                    sum += fill.qty.signed(fill.side);
                    prop_assert_eq!(*position, sum);
                }
            }
            for id in told(&turn.batch) {
                prop_assert!(booked.contains(&id), "{id:?} is missing");
            }
            let desk = &engine.snapshot().desks[0];
            prop_assert_eq!(desk.position, sum);
            let pnl = desk.pnl;
            let parts = pnl.spread_capture + pnl.inventory + pnl.basis + pnl.carried;
            prop_assert_eq!(parts, pnl.realized + pnl.unrealized);
        }
    }

    #[test]
    fn a_halt_leaves_an_empty_target_and_no_order_alone(turns in turns(true), shut in any::<bool>()) {
        let mut engine = quoting();
        let (mut now, mut out) = (START, Vec::new());
        for turn in &turns {
            now = now + turn.wait;
            out.clear();
            engine.step(now, &turn.batch, &mut out);
        }
        let control = if shut { Control::Shutdown } else { Control::Halt };
        out.clear();
        engine.step(now, &[Input::Control(control)], &mut out);
        let desk = engine.snapshot().desks.remove(0);
        prop_assert_eq!(desk.mode, Mode::Halted);
        prop_assert!(desk.target.is_empty());
        for order in &desk.orders {
            // Canceled, or asked about, or swept away: never left to itself.
            prop_assert!(["pending_cancel", "in_doubt"].contains(&order.state), "{order:?}");
        }
        let places = |output: &Output| match output {
            Output::Venue(approved) => {
                matches!(approved.command(), VenueCommand::Place(_) | VenueCommand::Amend(_))
            }
            _ => false,
        };
        for _ in 0..60 {
            prop_assert!(!out.iter().any(places), "{out:?}");
            out.clear();
            now = engine.next_deadline().unwrap().max(now);
            engine.step(now, &[], &mut out);
        }
    }

    /// A driver may sleep until the deadline, and may wake early: it makes no difference.
    #[test]
    fn nothing_happens_before_the_deadline(turns in turns(true), early in 0.0..1.0_f64) {
        let mut engine = quoting();
        let (mut now, mut out) = (START, Vec::new());
        for turn in &turns {
            now = now + turn.wait;
            engine.step(now, &turn.batch, &mut out);
            out.clear();
            engine.step(now, &[], &mut out);
            // What came into doubt by this very step may be asked about; nothing else is left.
            prop_assert!(!out.iter().any(moves), "again at once: {out:?}");
            let deadline = engine.next_deadline().unwrap();
            prop_assert!(deadline > now, "{deadline} at {now}");
            let ahead = deadline.since(now).as_nanos() as f64 * early;
            let soon = Nanos(now.0 + ahead as u64).min(Nanos(deadline.0 - 1));
            out.clear();
            let mut probe = engine.clone();
            probe.step(soon, &[], &mut out);
            let news: Vec<_> = out.iter().filter(|output| is_news(output)).collect();
            prop_assert!(news.is_empty(), "{soon} before {deadline}: {news:?}");
            out.clear();
        }
    }

    /// What leaves obeys the limits, and never while it is forbidden.
    #[test]
    fn whatever_is_said_the_limits_hold(turns in turns(false)) {
        let mut engine = quoting();
        let (mut now, mut out) = (START, Vec::new());
        let mut sent: Vec<Nanos> = vec![START; 6];
        let mut ids = BTreeSet::new();
        for turn in &turns {
            now = now + turn.wait;
            out.clear();
            engine.step(now, &turn.batch, &mut out);
            let mode = engine.snapshot().desks[0].mode;
            for output in &out {
                let Output::Venue(approved) = output else { continue };
                match approved.command() {
                    VenueCommand::Place(order) => {
                        prop_assert!(ids.insert(order.client_id), "{} twice", order.client_id);
                        prop_assert!(mode == Mode::Quoting || order.reduce_only);
                        prop_assert!(!order.qty.is_zero() && order.qty <= Qty::new(100));
                        sent.push(now);
                    }
                    VenueCommand::Amend(_) => sent.push(now),
                    _ => {}
                }
            }
            let recent = sent.iter().filter(|at| now.since(**at) < Duration::from_secs(1)).count();
            prop_assert!(recent <= 6, "{recent} messages within a second");
        }
    }
}

/// Two engines that differ in anything that decides the future must not look the same.
#[test]
fn the_hash_tells_foreign_orders_apart() {
    let foreign = OpenOrder {
        client_id: None,
        venue_id: VenueOrderId(5),
        side: Side::Buy,
        price: Price::new(250_000),
        qty: Qty::new(1),
        filled: Qty::ZERO,
        reduce_only: false,
    };
    let hash = |open_orders: Vec<OpenOrder>| {
        let mut engine = quoting();
        let say = |report| Input::Venue(DESK, report);
        let (position, entry, wallet) = (Position::ZERO, FinePrice::ZERO, usd("5000"));
        let (fills, last_trade) = (Vec::new(), None);
        let query = 2;
        let account =
            AccountState { query, position, entry, wallet, open_orders, fills, last_trade };
        for batch in [vec![say(VenueReport::StreamUp)], vec![say(VenueReport::Account(account))]] {
            engine.step(START, &batch, &mut Vec::new());
        }
        engine.state_hash()
    };
    // A foreign order decides whether everything may be canceled when single cancels fail.
    assert_ne!(hash(Vec::new()), hash(vec![foreign]));
}
