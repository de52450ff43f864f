//! Our orders in a recorded book: queue position without luck.

use expect_test::expect;
use market::venue::{TimeInForce, VenueCommand};
use market::{
    BookTicker, DepthDiff, DepthSnapshot, FinePrice, Level, MarkUpdate, MarketEvent, MarketKind,
    Nanos, Price, Qty, Rate, Side, Trade,
};
use sim_exchange::{Faults, Latency, RecordedConfig, RecordedMarket, SimOutput};

use crate::support::{ID, START, amend, at, cancel, instrument, ms, name, order, place, say};

/// A recording told step by step.
struct Tape {
    market: RecordedMarket,
    now: Nanos,
    id: u64,
    out: Vec<SimOutput>,
}

const MID: i64 = 261_000;

fn level(price: i64, qty: u64) -> Level {
    Level { price: Price::new(MID + price), qty: Qty::new(qty) }
}

impl Tape {
    /// Bids 100 @ 0 and 200 @ -1; asks 100 @ 2 and 200 @ 3.
    fn new() -> Self {
        let mut config = RecordedConfig::new(instrument(), 1, START);
        config.latency = Latency::ZERO;
        Self::with(config)
    }

    fn with(config: RecordedConfig) -> Self {
        let market = RecordedMarket::new(config);
        let mut tape = Self { market, now: START, id: 10, out: Vec::new() };
        tape.event(MarketKind::FeedUp);
        tape.event(MarketKind::Snapshot(DepthSnapshot {
            last_id: 10,
            bids: vec![level(0, 100), level(-1, 200)],
            asks: vec![level(2, 100), level(3, 200)],
        }));
        tape.heard();
        tape
    }

    fn event(&mut self, kind: MarketKind) {
        let event = MarketEvent { instrument: ID, ts_event: self.now, kind };
        self.market.step(self.now, &[event], &[], &mut self.out);
        self.market.assert_invariants();
    }

    fn depth(&mut self, bids: &[Level], asks: &[Level]) {
        let (previous_id, first_id) = (self.id, self.id + 1);
        self.id += 1;
        let (bids, asks) = (bids.to_vec(), asks.to_vec());
        let diff = DepthDiff { first_id, last_id: self.id, previous_id, bids, asks };
        self.event(MarketKind::Diff(diff));
    }

    fn trade(&mut self, aggressor: Side, price: i64, qty: u64) {
        let (price, qty) = (Price::new(MID + price), Qty::new(qty));
        self.event(MarketKind::Trade(Trade { id: 1, price, qty, aggressor }));
    }

    fn send(&mut self, command: VenueCommand) {
        self.market.step(self.now, &[], &[command], &mut self.out);
        self.market.assert_invariants();
    }

    fn heard(&mut self) -> Vec<String> {
        let reports = self.out.drain(..).filter_map(|o| match o {
            SimOutput::Venue(report) => Some(say(&report)),
            SimOutput::Market(_) => None,
        });
        reports.collect()
    }

    fn front(&self) -> Vec<u64> {
        self.market.queue_ahead().iter().map(|(_, qty)| qty.raw()).collect()
    }
}

fn bid(n: u32, price: i64, qty: u64) -> VenueCommand {
    place(n, Side::Buy, MID + price, qty, TimeInForce::PostOnly)
}

#[test]
fn only_trades_and_a_shrinking_level_move_us_ahead() {
    let mut tape = Tape::new();
    tape.send(bid(1, 0, 10));
    assert_eq!(tape.front(), [100]);
    tape.depth(&[level(0, 150)], &[]);
    assert_eq!(tape.front(), [100], "joined behind us");
    tape.trade(Side::Sell, 0, 30);
    assert_eq!(tape.front(), [70]);
    tape.trade(Side::Buy, 2, 50);
    assert_eq!(tape.front(), [70], "the other side");
    tape.depth(&[level(0, 90)], &[]);
    assert_eq!(tape.front(), [70], "perhaps all left behind us");
    tape.depth(&[level(0, 40)], &[]);
    assert_eq!(tape.front(), [40]);
    tape.heard();
    tape.trade(Side::Sell, 0, 44);
    tape.trade(Side::Sell, 0, 20);
    expect![[r#"
        fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
        fill #1 buy 6 @ 0 maker fee 0 (sum 10, trade 2)
    "#]]
    .assert_eq(&(tape.heard().join("\n") + "\n"));
}

#[test]
fn a_trade_through_and_a_crossing_book_fill_us_at_our_price() {
    let mut tape = Tape::new();
    tape.send(bid(1, 0, 10));
    tape.trade(Side::Sell, -1, 8);
    tape.send(bid(2, 0, 10));
    tape.depth(&[level(0, 0)], &[level(0, 8)]);
    tape.depth(&[], &[level(0, 0)]);
    tape.depth(&[level(0, 50)], &[]);
    tape.send(bid(3, 0, 10));
    let ask = Level { price: Price::new(MID), qty: Qty::new(3) };
    let bid = Level { price: Price::new(MID - 1), qty: Qty::new(3) };
    tape.event(MarketKind::Ticker(BookTicker { update_id: 900, bid, ask }));
    expect![[r#"
        ack #1
        fill #1 buy 10 @ 0 maker fee 0 (sum 10, trade 1)
        ack #2
        fill #2 buy 10 @ 0 maker fee 0 (sum 10, trade 2)
        ack #3
        fill #3 buy 10 @ 0 maker fee 0 (sum 10, trade 3)
    "#]]
    .assert_eq(&(tape.heard().join("\n") + "\n"));
}

#[test]
fn a_print_is_shared_among_our_own_orders() {
    let mut tape = Tape::new();
    tape.send(bid(1, 0, 10));
    tape.send(bid(2, 0, 10));
    tape.heard();
    tape.trade(Side::Sell, 0, 115);
    expect![[r#"
        fill #1 buy 10 @ 0 maker fee 0 (sum 10, trade 1)
        fill #2 buy 5 @ 0 maker fee 0 (sum 5, trade 2)
    "#]]
    .assert_eq(&(tape.heard().join("\n") + "\n"));
}

#[test]
fn taking_walks_the_displayed_levels_and_leaves_them_there() {
    let mut tape = Tape::new();
    tape.send(place(1, Side::Buy, MID + 2, 10, TimeInForce::PostOnly));
    tape.send(place(2, Side::Buy, MID + 3, 150, TimeInForce::Ioc));
    tape.send(place(3, Side::Buy, MID + 2, 150, TimeInForce::Fok));
    tape.send(place(4, Side::Buy, MID + 2, 150, TimeInForce::Ioc));
    tape.send(place(5, Side::Sell, MID + 1, 20, TimeInForce::Gtc));
    tape.send(place(6, Side::Buy, MID + 2, 150, TimeInForce::Gtc));
    assert_eq!(tape.front(), [0], "nobody displayed rests at that price on our side");
    tape.send(amend(6, Side::Buy, MID, 150));
    assert_eq!(tape.front(), [100]);
    tape.send(cancel(6));
    expect![[r#"
        reject #1 Place: WouldTake
        ack #2
        fill #2 buy 100 @ 2 taker fee 0.1044008 (sum 100, trade 1)
        fill #2 buy 50 @ 3 taker fee 0.0522006 (sum 150, trade 2)
        reject #3 Place: WouldNotFill
        ack #4
        fill #4 buy 100 @ 2 taker fee 0.1044008 (sum 100, trade 3)
        expired #4 filled 100: Unfilled
        ack #5
        ack #6
        expired #5 filled 0: SelfTrade
        fill #6 buy 100 @ 2 taker fee 0.1044008 (sum 100, trade 4)
        amended #6 to 150 @ 0
        canceled #6 filled 100
    "#]]
    .assert_eq(&(tape.heard().join("\n") + "\n"));
}

#[test]
fn without_a_whole_book_nothing_is_accepted_and_nothing_is_lost() {
    let mut tape = Tape::new();
    tape.send(bid(1, 0, 10));
    tape.event(MarketKind::FeedDown);
    tape.send(bid(2, 0, 10));
    tape.send(amend(1, Side::Buy, MID - 1, 10));
    tape.send(cancel(1));
    expect![[r#"
        ack #1
        reject #2 Place: Unavailable
        reject #1 Amend: Unavailable
        canceled #1 filled 0
    "#]]
    .assert_eq(&(tape.heard().join("\n") + "\n"));
}

#[test]
fn funding_follows_the_recorded_mark() {
    let mut tape = Tape::new();
    tape.send(place(1, Side::Buy, MID + 2, 100, TimeInForce::Ioc));
    let next_funding = at(10_000);
    tape.event(MarketKind::Mark(MarkUpdate {
        mark: FinePrice::new(261_000_000_000),
        index: FinePrice::new(261_000_000_000),
        funding_rate: Rate::new(10_000),
        next_funding,
    }));
    tape.heard();
    tape.market.step(at(9_999), &[], &[], &mut tape.out);
    assert_eq!(tape.heard(), Vec::<String>::new());
    tape.market.step(at(20_000), &[], &[], &mut tape.out);
    assert_eq!(tape.market.truth().funding.to_string(), "-0.0261");
}

#[test]
fn events_wait_for_their_time_and_latency_applies() {
    let mut config = RecordedConfig::new(instrument(), 1, START);
    config.latency = Latency::constant(ms(3), ms(5), ms(4));
    config.faults = Faults::none();
    let mut tape = Tape::with(config);
    let event = |millis, qty| MarketEvent {
        instrument: ID,
        ts_event: at(millis),
        kind: MarketKind::Trade(Trade {
            id: 1,
            price: Price::new(MID),
            qty: Qty::new(qty),
            aggressor: Side::Sell,
        }),
    };
    let (mut out, mut heard) = (Vec::new(), Vec::new());
    // The print at 4 ms comes before the order is there, the one at 6 ms after.
    let order = VenueCommand::Place(order(1, Side::Buy, MID, 10, TimeInForce::PostOnly));
    tape.market.step(at(0), &[event(4, 100), event(6, 105)], &[order], &mut out);
    while let Some(due) = tape.market.next_deadline() {
        tape.market.step(due, &[], &[], &mut out);
        for output in out.drain(..) {
            let text = match output {
                SimOutput::Market(event) => format!("{:?}", event.kind),
                SimOutput::Venue(report) => say(&report),
            };
            heard.push(format!("{} ms {text}", due.since(START).as_millis()));
        }
    }
    expect![[r#"
        3 ms FeedUp
        3 ms Snapshot(DepthSnapshot { last_id: 10, bids: [Level { price: 261000, qty: 100 }, Level { price: 260999, qty: 200 }], asks: [Level { price: 261002, qty: 100 }, Level { price: 261003, qty: 200 }] })
        4 ms StreamUp
        7 ms Trade(Trade { id: 1, price: 261000, qty: 100, aggressor: Sell })
        9 ms Trade(Trade { id: 1, price: 261000, qty: 105, aggressor: Sell })
        9 ms ack #1
        10 ms fill #1 buy 5 @ 0 maker fee 0 (sum 5, trade 1)
    "#]].assert_eq(&(heard.join("\n") + "\n"));
    assert_eq!(tape.market.truth().fills, 1);
    assert_eq!(name(1).sequence, 1);
}

/// A tape of prints and depth around our orders, one event every few milliseconds.
fn long_tape() -> Vec<MarketEvent> {
    let snapshot = MarketKind::Snapshot(DepthSnapshot {
        last_id: 1,
        bids: (0..20).map(|n| level(-n, 30)).collect(),
        asks: (1..20).map(|n| level(n, 30)).collect(),
    });
    let events = (0..400_i64).map(|n| {
        let id = n as u64 + 2;
        let side = if (n / 7) % 2 == 0 { Side::Buy } else { Side::Sell };
        let qty = (n * 37 % 50) as u64;
        match n % 3 {
            0 => MarketKind::Trade(Trade {
                id: n,
                price: Price::new(MID + i64::from(side == Side::Buy)),
                qty: Qty::new(qty + 1),
                aggressor: side,
            }),
            _ => MarketKind::Diff(DepthDiff {
                first_id: id,
                last_id: id,
                previous_id: 1,
                bids: vec![level(-(n % 5), qty + 1)],
                asks: vec![level(1 + n % 5, qty + 1)],
            }),
        }
    });
    let stamped = |(n, kind)| MarketEvent { instrument: ID, ts_event: at(n as u64 * 3), kind };
    std::iter::once(snapshot).chain(events).enumerate().map(stamped).collect()
}

#[test]
fn how_the_tape_is_handed_over_does_not_matter() {
    let tape = long_tape();
    let orders = |millis: u64| {
        let n = millis as u32;
        let sides = [(0, Side::Buy, MID), (1, Side::Sell, MID + 1)];
        sides.map(|(k, side, price)| place(n + k, side, price, 10, TimeInForce::PostOnly))
    };
    let play = |stride: u64| {
        let mut config = RecordedConfig::new(instrument(), 3, START);
        config.faults = Faults { delay_report: 100_000, delay: ms(50), ..Faults::none() };
        let (mut market, mut out, mut next) = (RecordedMarket::new(config), Vec::new(), 0);
        for millis in 0..=1_500 {
            let due = millis % 100 == 50;
            if due || millis % stride == 0 || millis == 1_500 {
                let until = tape.partition_point(|event| event.ts_event <= at(millis));
                let commands = if due { orders(millis).to_vec() } else { Vec::new() };
                market.step(at(millis), &tape[next..until], &commands, &mut out);
                market.assert_invariants();
                next = until;
            }
        }
        (out, market.truth(), market.state_hash())
    };
    let fine = play(1);
    assert!(fine.1.fills > 10, "{} fills", fine.1.fills);
    for stride in [7, 100, 1_000] {
        assert!(play(stride) == fine, "stride {stride}");
    }
}

#[test]
fn queue_positions_agree_with_the_reference_vectors() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/vectors/queue_models.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: no reference vectors at {}", path.display());
        return;
    };
    let suite: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut ran = 0;
    for case in suite["cases"].as_array().unwrap() {
        // The venue fills partially; cases of the no-partial exchange differ by definition.
        let inputs = &case["inputs"];
        if inputs["model"] == "risk_averse" {
            follow(case, inputs["partial"] == true);
            ran += 1;
        }
    }
    assert!(ran >= 7, "{ran} cases");
}

fn lots(value: &serde_json::Value) -> u64 {
    (value.as_f64().unwrap() * 1_000.0).round() as u64
}

/// Plays one case. With `partial` unset only the queue is compared, and fills only once done.
fn follow(case: &serde_json::Value, partial: bool) {
    let inputs = &case["inputs"];
    let side = if inputs["side"] == "buy" { Side::Buy } else { Side::Sell };
    // Moved up to where the notional filter lets small orders pass.
    let shift = 1_000_000;
    let price = |value: &serde_json::Value| Price::new(value.as_i64().unwrap() + shift);
    let own = price(&inputs["px_tick"]);
    let mut config = RecordedConfig::new(instrument(), 1, START);
    config.latency = Latency::ZERO;
    let mut tape = Tape { market: RecordedMarket::new(config), now: START, id: 1, out: Vec::new() };
    let across = |ticks: i64| side.opposite().away(own, market::Ticks::new(ticks));
    let ours = Level { price: own, qty: Qty::new(lots(&inputs["level_qty"])) };
    let other = Level { price: across(50), qty: Qty::new(1) };
    let split = |own: Vec<Level>, other: Vec<Level>| match side {
        Side::Buy => (own, other),
        Side::Sell => (other, own),
    };
    let (bids, asks) = split(vec![ours], vec![other]);
    tape.event(MarketKind::Snapshot(DepthSnapshot { last_id: 1, bids, asks }));
    let qty = lots(&inputs["order_qty"]);
    tape.send(place(1, side, own.raw(), qty, TimeInForce::PostOnly));
    let rows = case["outputs"]["rows"].as_array().unwrap();
    for (event, row) in inputs["events"].as_array().unwrap().iter().zip(rows) {
        match event["type"].as_str().unwrap() {
            "depth" => {
                let level = Level { price: own, qty: Qty::new(lots(&event["new"])) };
                let (bids, asks) = split(vec![level], vec![]);
                tape.depth(&bids, &asks);
            }
            "trade" => {
                let price = price(&event["px_tick"]).raw() - MID;
                tape.trade(side.opposite(), price, lots(&event["qty"]));
            }
            "best" => {
                let best = Level { price: price(&event["opp_tick"]), qty: Qty::new(1) };
                let (bids, asks) = split(vec![], vec![best]);
                tape.depth(&bids, &asks);
            }
            other => panic!("{}: unknown event {other}", case["id"]),
        }
        let done = row["done"] == true;
        let truth = tape.market.truth();
        if !done {
            assert_eq!(tape.front(), [lots(&row["front"])], "{} {event}", case["id"]);
        }
        if partial {
            assert_eq!(truth.position.abs().raw(), lots(&row["filled"]), "{} {event}", case["id"]);
            assert_eq!(truth.open_orders.is_empty(), done, "{} {event}", case["id"]);
        } else {
            assert_eq!(!truth.position.is_zero(), done, "{} {event}", case["id"]);
        }
    }
}

#[test]
fn the_account_rules_are_the_same_as_on_the_exchange() {
    let mut tape = Tape::new();
    let reduce = |n, side, price, qty| {
        let order = order(n, side, MID + price, qty, TimeInForce::Gtc);
        VenueCommand::Place(market::venue::NewOrder { reduce_only: true, ..order })
    };
    tape.send(reduce(1, Side::Sell, 5, 10));
    tape.send(place(2, Side::Buy, MID + 2, 50, TimeInForce::Ioc));
    tape.send(reduce(3, Side::Sell, 5, 50));
    tape.send(place(4, Side::Sell, MID, 20, TimeInForce::Ioc));
    tape.send(place(5, Side::Buy, MID - 20_000, 10, TimeInForce::Gtc));
    tape.send(place(5, Side::Buy, MID, 10, TimeInForce::Gtc));
    tape.send(place(6, Side::Buy, MID, 1, TimeInForce::Gtc));
    tape.send(VenueCommand::ArmDeadMan { instrument: ID, countdown: ms(100) });
    tape.market.step(at(100), &[], &[], &mut tape.out);
    tape.now = at(100);
    tape.send(VenueCommand::QueryOrder { instrument: ID, client_id: name(3) });
    tape.send(VenueCommand::QueryAccount { instrument: ID, since: None, query: 0 });
    expect![[r#"
        reject #1 Place: ReduceOnly
        ack #2
        fill #2 buy 50 @ 2 taker fee 0.0522004 (sum 50, trade 1)
        ack #3
        ack #4
        fill #4 sell 20 @ 0 taker fee 0.02088 (sum 20, trade 2)
        amended #3 to 30 @ 5
        ack #5
        reject #5 Place: DuplicateId
        reject #6 Place: Filter
        dead-man in 100 ms
        canceled #3 filled 0
        canceled #5 filled 0
        order #3: Canceled filled 0 []
        account: position 30 entry 2610.02 wallet 9999.9265196 open 0 fills [] last Some(2)
    "#]]
    .assert_eq(&(tape.heard().join("\n") + "\n"));
}
