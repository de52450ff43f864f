//! How long the parts of a turn take, one by one and together.
//!
//! `cargo bench -p runtime --bench turn [FILTER]`. On a shared machine read `fastest` and `median`,
//! and compare runs by ratio; `docs/PERFORMANCE.md` has measured figures.

mod world;

use std::cell::RefCell;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use binance::CaptureReader;
use divan::Bencher;
use divan::counter::ItemsCount;
use engine::ledger::Ledger;
use engine::orders::converge::{Target, plan};
use engine::orders::{Order, State};
use engine::risk::gate::Context;
use engine::risk::{Gate, Mode};
use engine::{Input, Output, Snapshot};
use journal::Durability;
use market::venue::{Fill, NewOrder, OrderKind, TimeInForce};
use market::{
    Book, BookTicker, ClientOrderId, Instrument, InstrumentId, Level, MarketEvent, MarketKind,
    Nanos, Position, Qty, Side, Ticks, TradeId, Usd, VenueOrderId,
};
use quoting::{BasicMm, Fees, Quote, Quotes, Strategy, View};
use runtime::{Observer, Pace, Paper, Venue};
use sim_exchange::{SimConfig, SimExchange, SimOutput};

use world::config::{START, demo, instrument, restless, strategy};
use world::disk::Disk;
use world::scene::{Scenario, Scene, TOUCH, diffs, snapshot};

/// Samples of each quick benchmark, and steps in one sample.
const SAMPLES: u32 = 500;
const STEPS: u32 = 100;

fn main() {
    divan::main();
}

/// A whole turn without a journal: the engine's step, and the clearing of its outputs.
#[divan::bench(
    args = [Scenario::Diff, Scenario::Ticker, Scenario::Trade, Scenario::Timer],
    sample_count = SAMPLES, sample_size = STEPS
)]
fn step(bencher: Bencher<'_, '_>, scenario: Scenario) {
    let mut scene = Scene::new(demo(), None);
    bencher.bench_local(|| scene.run(scenario));
    assert_eq!(scene.moved(), 0, "quotes were to stay");
}

/// The step alone in which the touch has moved and orders follow it. One step a sample, so the
/// clock itself (some 20 ns) is in the figure.
#[divan::bench(sample_count = 1_000, sample_size = 1)]
fn step_that_amends(bencher: Bencher<'_, '_>) {
    let scene = RefCell::new(Scene::new(restless(), None));
    bencher
        .with_inputs(|| scene.borrow_mut().prepare(Scenario::Amend))
        .bench_local_values(|()| scene.borrow_mut().step(Scenario::Amend));
    assert!(scene.borrow().moved() > 0, "quotes were to follow");
}

/// A whole turn on a depth update, the journal included. These diffs come round again and compress
/// better than a market's; the latency benchmark has those.
#[divan::bench(
    args = [Durability::EachBatch, Durability::Buffered],
    sample_count = SAMPLES, sample_size = STEPS
)]
fn turn_with_journal(bencher: Bencher<'_, '_>, durability: Durability) {
    let disk = Disk::new();
    let config = demo();
    let journal = disk.journal(&config, durability);
    let mut scene = Scene::new(config, Some(journal));
    bencher.bench_local(|| scene.run(Scenario::Diff));
}

/// The strategy alone: look and decide. One rung with a fixed spread; ten with a dynamic one.
#[divan::bench(args = [1, 10], sample_count = SAMPLES, sample_size = STEPS)]
fn decide(bencher: Bencher<'_, '_>, rungs: u8) {
    let (spec, mut config) = (instrument(), strategy());
    (config.levels, config.max_inventory) = (rungs, Qty::new(5_000));
    if rungs == 1 {
        config.dynamic_spread = None;
    }
    let mut strategy = BasicMm::new(&config);
    let mut book = Book::with_capacity(8_192);
    book.apply_snapshot(START, &snapshot());
    let mut now = START;
    let mut decide = || {
        now = now + Duration::from_millis(50);
        let fees = Fees { maker: 0.0, taker: 0.0004 };
        let position = Position::new(50);
        let view = View { now, instrument: &spec, book: &book, position, fees };
        strategy.observe(&view);
        strategy.quote(&view)
    };
    (0..1_000).for_each(|_| drop(decide()));
    assert_eq!(decide().side(Side::Buy).len(), usize::from(rungs));
    bencher.bench_local(decide);
}

/// A depth update: 20 levels at the touch, or 68 scattered over the book as in recorded data.
#[divan::bench(args = [20, 68], sample_count = SAMPLES, sample_size = STEPS)]
fn book_diff(bencher: Bencher<'_, '_>, levels: usize) {
    let scattered =
        |i: usize| ((i * i * 17) % 911) as i64 / if i.is_multiple_of(3) { 1 } else { 30 };
    let mut ring = match levels {
        20 => diffs(64, levels, |i| i as i64 / 2),
        _ => diffs(64, levels, scattered),
    };
    let mut book = Book::with_capacity(8_192);
    book.apply_snapshot(START, &snapshot());
    let mut id = 1;
    bencher.counter(ItemsCount::new(levels)).bench_local(|| {
        id += 1;
        let [Input::Market(MarketEvent { kind: MarketKind::Diff(diff), .. })] =
            &mut ring[id as usize % 64]
        else {
            unreachable!("only diffs there")
        };
        (diff.first_id, diff.last_id, diff.previous_id) = (id, id, id - 1);
        book.apply_diff(START, diff);
    });
    book.assert_invariants();
}

/// Best bid and ask.
#[divan::bench(sample_count = SAMPLES, sample_size = STEPS)]
fn book_ticker(bencher: Bencher<'_, '_>) {
    let mut book = Book::with_capacity(8_192);
    book.apply_snapshot(START, &snapshot());
    let mut update_id = 1;
    bencher.bench_local(|| {
        update_id += 1;
        let qty = Qty::new(5_000 + update_id % 8);
        let [bid, ask] = TOUCH.map(|price| Level { price, qty });
        book.apply_ticker(START, BookTicker { update_id, bid, ask });
        book.touch()
    });
}

/// Both sides' plans: target and orders agree (`false`), or every rung has moved (`true`).
#[divan::bench(
    args = [(1, false), (1, true), (10, false), (10, true)],
    sample_count = SAMPLES, sample_size = STEPS
)]
fn converge_plan(bencher: Bencher<'_, '_>, (rungs, moved): (i64, bool)) {
    let rules = demo().desks[0].requote.clone();
    let now = START + Duration::from_secs(60);
    let ladder = |side: Side, shift: i64| {
        (0..rungs).map(move |i| side.away(TOUCH[side.index()], Ticks::new(40 + 26 * i + shift)))
    };
    let (mut orders, mut quotes) = (Vec::new(), Quotes::NONE);
    for side in Side::BOTH {
        for price in ladder(side, 0) {
            let client_id = ClientOrderId { session: 1, sequence: orders.len() as u32 };
            orders.push(live(client_id, side, price));
        }
        for price in ladder(side, if moved { 500 } else { 3 }) {
            quotes.push(side, Quote { price, qty: Qty::new(50) });
        }
    }
    bencher.bench_local(|| {
        let (orders, quotes) = (black_box(&orders), black_box(&quotes));
        Side::BOTH.map(|side| {
            let quotes = quotes.side(side);
            let tolerance = Ticks::new(15);
            let target = Target { side, quotes, reduce_only: false, tolerance, slack: tolerance };
            plan(now, &target, orders, &rules)
        })
    });
}

fn live(client_id: ClientOrderId, side: Side, price: market::Price) -> Order {
    Order {
        client_id,
        venue_id: Some(VenueOrderId(1)),
        side,
        price,
        qty: Qty::new(50),
        amending: None,
        filled: Qty::ZERO,
        booked: Qty::ZERO,
        reduce_only: false,
        state: State::Live,
        created: START,
        changed: START,
        heard: START,
        asked: START,
        fleeting: false,
        acked: true,
        fixed: false,
        ask_at: None,
    }
}

/// All twelve checks of a new order, which passes.
#[divan::bench(sample_count = SAMPLES, sample_size = STEPS)]
fn gate_approve(bencher: Bencher<'_, '_>) {
    let spec = instrument();
    let mut gate = Gate::new(demo().desks[0].limits.clone());
    let mid = Some(spec.mid(TOUCH[0], TOUCH[1]));
    let price = Side::Buy.away(TOUCH[0], Ticks::new(40));
    let mut context = Context {
        now: START,
        mode: Mode::Quoting,
        mid,
        mark: mid,
        position: Position::new(50),
        working: Qty::new(100),
        own_opposite: Some(Side::Sell.away(TOUCH[1], Ticks::new(40))),
        open_orders: 5,
    };
    let order = NewOrder {
        instrument: InstrumentId(0),
        client_id: ClientOrderId { session: 1, sequence: 1 },
        side: Side::Buy,
        qty: Qty::new(50),
        kind: OrderKind::Limit { price, tif: TimeInForce::PostOnly },
        reduce_only: false,
    };
    bencher.bench_local(|| {
        context.now = context.now + Duration::from_millis(101);
        gate.place(&spec, black_box(&context), black_box(order)).expect("within the limits")
    });
}

/// Books a fill that half the time closes what the one before opened.
#[divan::bench(sample_count = SAMPLES, sample_size = STEPS)]
fn ledger_fill(bencher: Bencher<'_, '_>) {
    let spec = instrument();
    let mut ledger = Ledger::default();
    let mid = Some(spec.mid(TOUCH[0], TOUCH[1]));
    let mut id = 0;
    bencher.bench_local(|| {
        id += 1;
        assert!(ledger.fill(&spec, &fill(id), mid), "a new fill");
    });
}

fn fill(id: i64) -> Fill {
    let side = Side::BOTH[(id % 2) as usize];
    Fill {
        trade_id: TradeId(id),
        client_id: Some(ClientOrderId { session: 1, sequence: id as u32 }),
        venue_id: VenueOrderId(id),
        side,
        price: TOUCH[side.index()],
        qty: Qty::new(50),
        cumulative: Qty::new(50),
        maker: true,
        fee: Usd::ZERO,
        ts_event: START,
    }
}

/// The hash that is journaled every thousand turns.
#[divan::bench(sample_count = SAMPLES, sample_size = 10)]
fn state_hash(bencher: Bencher<'_, '_>) {
    let mut scene = Scene::new(demo(), None);
    bencher.bench_local(|| scene.turn().engine().state_hash());
}

/// The picture for displays, ten times a second.
#[divan::bench(sample_count = SAMPLES, sample_size = 10)]
fn snapshot_build(bencher: Bencher<'_, '_>) {
    let mut scene = Scene::new(demo(), None);
    bencher.bench_local(|| scene.turn().snapshot());
}

/// A batch of one diff from the embedded market, onto disk.
#[divan::bench(
    args = [Durability::EachBatch, Durability::Buffered],
    sample_count = SAMPLES, sample_size = STEPS
)]
fn journal_append(bencher: Bencher<'_, '_>, durability: Durability) {
    let disk = Disk::new();
    let mut journal = disk.journal(&demo(), durability);
    let mut told = Vec::new();
    let mut exchange = SimExchange::new(SimConfig::new(instrument(), 1, START));
    exchange.step(START + Duration::from_secs(600), &[], &mut told);
    let diffs = told.into_iter().filter_map(|told| match told {
        SimOutput::Market(event) => {
            matches!(event.kind, MarketKind::Diff(_)).then(|| [Input::Market(event)])
        }
        SimOutput::Venue(_) => None,
    });
    let batches: Vec<[Input; 1]> = diffs.collect();
    let mut now = START;
    let mut next = batches.iter().cycle();
    bencher.bench_local(|| {
        now = now + Duration::from_millis(50);
        journal.inputs(now, next.next().expect("it goes round")).expect("written")
    });
}

/// The embedded market alone, for a simulated minute. Items are what it tells the trader.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn exchange_minute(bencher: Bencher<'_, '_>) {
    let run = || {
        let mut exchange = SimExchange::new(SimConfig::new(instrument(), 1, START));
        let mut told = Vec::new();
        exchange.step(START + Duration::from_secs(60), &[], &mut told);
        told.len()
    };
    bencher.counter(ItemsCount::new(run())).bench_local(run);
}

/// A paper session of a simulated minute, from nothing to the last cancel. Items are market events.
#[divan::bench(args = [None, Some(Durability::Buffered)], sample_count = 10, sample_size = 1)]
fn paper_minute(bencher: Bencher<'_, '_>, durability: Option<Durability>) {
    let run = || {
        let disk = Disk::new();
        let config = demo();
        let journal = durability.map(|durability| disk.journal(&config, durability));
        let market = SimExchange::new(SimConfig::new(instrument(), 1, START));
        let paper = Paper {
            config,
            venue: Venue::Simulated(Box::new(market)),
            journal,
            pace: Pace::Max,
            start: START,
            until: Some(START + Duration::from_secs(60)),
            controls: channel().1,
        };
        paper.run(&mut Nobody).expect("a session").events
    };
    bencher.counter(ItemsCount::new(run())).bench_local(run);
}

struct Nobody;

impl Observer for Nobody {
    fn turn(&mut self, _: Nanos, _: &[Output], _: usize, _: Duration) {}

    fn snapshot(&mut self, snapshot: Snapshot, _: u64) {
        black_box(snapshot);
    }
}

/// Recorded BTCUSDT: gzip, JSON, depth in sequence, book. Items are lines.
#[divan::bench(sample_count = 5, sample_size = 1, ignore = capture().is_none())]
fn capture_to_book(bencher: Bencher<'_, '_>) {
    let Some(path) = capture() else { return };
    let spec = Instrument::known(InstrumentId(0), "BTCUSDT").expect("built in");
    let run = || {
        let mut reader = CaptureReader::open(&spec, &[&path]).expect("a capture");
        let mut book = Book::with_capacity(8_192);
        for item in reader.by_ref() {
            let item = item.expect("a good line");
            match &item.event.kind {
                MarketKind::Snapshot(snapshot) => book.apply_snapshot(item.ts_recv, snapshot),
                MarketKind::Diff(diff) => book.apply_diff(item.ts_recv, diff),
                MarketKind::Ticker(ticker) => book.apply_ticker(item.ts_recv, *ticker),
                MarketKind::FeedDown => book.feed_down(),
                MarketKind::FeedUp | MarketKind::Trade(_) | MarketKind::Mark(_) => {}
            }
        }
        black_box(book.touch());
        reader.stats().lines
    };
    bencher.counter(ItemsCount::new(run())).bench_local(run);
}

/// Recorded data lives outside the repository and may be absent.
fn capture() -> Option<PathBuf> {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = shared.join("binance-usdm/btcusdt_20230404.gz");
    path.exists().then_some(path)
}
