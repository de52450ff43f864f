//! Throw-away attacks.
#![allow(dead_code, unused, missing_docs)]
#[path = "../../engine/tests/it/rig.rs"]
mod rig;

use std::time::Duration;
use engine::{Control, Engine, Input, Output, Note};
use market::venue::*;
use market::*;
use rig::*;
use quoting::StrategyConfig;

const ETH: InstrumentId = InstrumentId(0);
fn strat(c: &mut engine::EngineConfig) -> &mut quoting::BasicMmConfig {
    let StrategyConfig::BasicMm(s) = &mut c.desks[0].strategy; s
}
fn keep(rig: &mut Rig, secs: u64) -> String {
    // time passes with a live book
    let mut log = String::new();
    for _ in 0..secs { log += &rig.script("advance 1s\nbook 2599.99 2600.01\narmed"); }
    log
}

#[test]
fn a01_a_refused_bid_rung_starves_the_asks() {
    let mut c = config();
    let s = strat(&mut c); s.levels = 2; s.level_spacing = 0.03;
    let mut rig = Rig::new(c);
    let mut log = rig.script("start\nbook 2599.99 2600.01\nack all");
    for _ in 0..40 { log += &rig.script("advance 300ms\nbook 2599.99 2600.01\narmed\nack all"); }
    println!("{}", &log[..log.len().min(900)]);
    println!("{}", rig.script("state"));
    assert!(log.contains("place    sell"), "no ask was ever placed");
}

#[test]
fn a02_dead_man_rearmed_though_account_never_known() {
    let mut e = Engine::new(config());
    let mut now = START; let mut arms = 0;
    let mut out = vec![];
    e.step(now, &[Input::Venue(ETH, VenueReport::StreamUp)], &mut out);
    while now < START + Duration::from_secs(300) {
        now = e.next_deadline().unwrap(); 
        out.clear();
        e.step(now, &[Input::Venue(ETH, VenueReport::QueryFailed)], &mut out);
        arms += out.iter().filter(|o| matches!(o, Output::Venue(a) if matches!(a.command(), VenueCommand::ArmDeadMan{..}))).count();
    }
    assert!(arms <= 3, "armed {arms} times in 5 min while the account was never known");
}

#[test]
fn a03_breaker_or_loss_halt_with_lost_cancel_and_dead_queries_never_cancels_again() {
    let mut rig = Rig::quoting(config());
    // long 0.01, then mark crash -> daily loss
    let mut log = rig.script("fill bid 0.010\nbook 2599.99 2600.01\nack all\nmark 100");
    // mark 100: loss 25 only -> use daily limit via many; simply trip stream down instead
    log += &rig.script("stream down");
    log.push_str("-----\n");
    let mut cancels = 0; let mut arms = 0;
    let mut now = rig.now;
    for _ in 0..3000 {
        now = rig.engine.next_deadline().unwrap();
        let mut out = vec![];
        let until = now + Duration::from_secs(30);
        rig.engine.step(now, &[Input::Venue(ETH, VenueReport::DeadManArmed{until}), Input::Venue(ETH, VenueReport::QueryFailed)], &mut out);
        for o in &out { if let Output::Venue(a) = o { match a.command() {
            VenueCommand::Cancel{..} | VenueCommand::CancelAll{..} => cancels += 1,
            VenueCommand::ArmDeadMan{..} => arms += 1, _ => {} } } }
    }
    println!("{log}");
    println!("after {:?}: cancels {cancels}, arms {arms}", now.since(rig.now));
    assert!(cancels > 0 || arms == 0, "orders in doubt: no cancel is repeated, yet the dead man is kept alive ({arms} arms)");
}

#[test]
fn a04_flatten_blocked_by_one_order_in_doubt() {
    let mut rig = Rig::quoting(config());
    let mut log = rig.script("fill bid 0.010\nflatten");
    let mut now = rig.now; let mut u = 1000;
    let (mut ioc, mut ca) = (0, 0);
    // the passive exit and everything else: requests unanswered, queries fail; book alive
    for _ in 0..600 {
        now = now + Duration::from_millis(500); rig.now = now;
        rig.script("book 2599.99 2600.01\narmed");
        for o in &rig.last { }
        let mut out = vec![];
        rig.engine.step(now, &[Input::Venue(ETH, VenueReport::QueryFailed)], &mut out);
        for o in &out { if let Output::Venue(a) = o { match a.command() {
            VenueCommand::CancelAll{..} => ca += 1,
            VenueCommand::Place(p) => ioc += 1, _ => {} } } }
    }
    println!("{log}{}", rig.script("state"));
    assert!(ca + ioc > 0, "5 min after flatten: no cancel-all, no IOC");
}

#[test]
fn a05_flatten_on_flat_ends_before_the_cancels_do() {
    let mut rig = Rig::quoting(config());
    let mut log = rig.script("flatten\nfill bid 0.010\ncanceled ask");
    log += &keep(&mut rig, 20);
    log += &rig.script("state");
    println!("{log}");
    assert!(log.contains("position 0\n"), "flatten left a position");
}

#[test]
fn a06_opening_report_older_than_a_fill_is_drift() {
    let mut rig = Rig::new(config());
    let me = ClientOrderId { session: 0, sequence: 7 };
    rig.report(VenueReport::StreamUp);
    rig.script("armed");
    rig.report(VenueReport::Fill(Fill { trade_id: TradeId(101), client_id: Some(me), venue_id: VenueOrderId(5), side: Side::Buy,
        price: Price::new(260000), qty: Qty::new(10), cumulative: Qty::new(10), maker: true, fee: Usd::ZERO, ts_event: rig.now }));
    let acc = |p: i64, t: i64| VenueReport::Account(AccountState { position: Position::new(p), entry: FinePrice::from_decimal(decimal("2600")), wallet: usd("5000"),
        open_orders: vec![], fills: vec![], last_trade: Some(TradeId(t)) });
    rig.report(acc(0, 100));
    rig.now = rig.now + Duration::from_millis(600); rig.step(&[]);
    rig.report(acc(10, 101));
    let s = rig.script("state");
    println!("{s}");
    assert!(!s.contains("drift"), "drift");
}

#[test]
fn a07_late_answer_to_an_older_question() {
    let mut rig = Rig::quoting(config());
    rig.script("advance 29s\nbook 2599.99 2600.01\narmed");
    // question 1 goes out
    rig.now = rig.now + Duration::from_secs(2); rig.step(&[]);
    rig.script("armed\nbook 2599.99 2600.01");
    // stream breaks and returns: question 2
    rig.script("stream down\nstream up");
    let acc = |p: i64, t: Option<i64>, f: Vec<Fill>| VenueReport::Account(AccountState { position: Position::new(p), entry: FinePrice::from_decimal(decimal("2600")), wallet: usd("5000"),
        open_orders: vec![], fills: f, last_trade: t.map(TradeId) });
    let id = ClientOrderId{session:1, sequence:1};
    let fill = Fill { trade_id: TradeId(1), client_id: Some(id), venue_id: VenueOrderId(1), side: Side::Buy,
        price: Price::new(259870), qty: Qty::new(10), cumulative: Qty::new(10), maker: true, fee: Usd::ZERO, ts_event: rig.now };
    rig.report(acc(0, None, vec![]));       // answer to question 1, before the outage
    rig.report(acc(10, Some(1), vec![fill]));   // answer to question 2
    let s = rig.script("state");
    println!("{s}");
    assert!(s.contains("position 0.01"), "the true answer was thrown away");
}

#[test]
fn a08_stale_mark_blinds_the_loss_limit_and_blocks_flatten() {
    let mut c = config(); c.loss.daily_loss = usd("5"); c.desks[0].limits.max_book_age = Duration::from_secs(2);
    let mut rig = Rig::quoting(c);
    rig.script("mark 2600\nfill bid 0.010\nack all");
    let mut log = String::new();
    for _ in 0..60 { log += &rig.script("advance 1s\nbook 1999.99 2000.01\narmed\nack all"); }
    log += &rig.script("state");
    let s = rig.engine.snapshot();
    println!("unrealized {} day {} risk {:?}", s.pnl.unrealized, s.pnl.day, s.risk_level);
    let mut l2 = rig.script("flatten");
    for _ in 0..20 { l2 += &rig.script("advance 1s\nbook 1999.99 2000.01\narmed"); }
    println!("{}", &l2[..l2.len().min(1500)]);
    assert!(log.contains("daily loss"), "6 USD lost at the mid for a minute, limit 5, not noticed");
}

#[test]
fn a09_mark_zero() {
    let mut rig = Rig::quoting(config());
    let log = rig.script("fill ask 0.010\nack all\nmark 0\nbook 2599.99 2600.01\nmark 2600\nadvance 1s\nbook 2599.99 2600.01\nstate");
    let s = rig.engine.snapshot();
    println!("{log}\npeak {} dd {} ", s.pnl.peak, s.pnl.drawdown);
}

#[test]
fn a10_configure_lowers_max_position_under_resting() {
    let mut c = config();
    strat(&mut c).max_inventory = Qty::new(60); strat(&mut c).skew_factor = 0.0;
    let mut rig = Rig::new(c.clone());
    rig.script("start 0.042\nbook 2599.99 2600.01\nack all");
    strat(&mut c).max_inventory = Qty::new(50); c.desks[0].limits.max_position = Qty::new(50);
    rig.control(Control::Configure(Box::new(c)));
    let s = rig.script("advance 1s\nbook 2599.99 2600.01\narmed\nadvance 1s\nbook 2599.99 2600.01\nstate");
    println!("{s}");
    let d = &rig.engine.snapshot().desks[0];
    assert!(d.exposure_long.raw() <= 50, "worst case {:?} over max_position 50", d.exposure_long);
}

#[test]
fn a11_on_event_false_refills_stale_quote_beyond_max_inventory() {
    let mut c = config(); c.desks[0].requote.on_event = false;
    let mut rig = Rig::quoting(c);
    let mut log = String::new();
    for _ in 0..9 { log += &rig.script("ack all\nfill bid 0.010\nack all"); }
    let s = rig.script("state");
    println!("{log}{s}");
    assert!(rig.engine.snapshot().desks[0].position.raw() <= 50, "beyond max_inventory 50");
}

#[test]
fn a12_resume_during_shutdown_stops_the_sweep() {
    let mut rig = Rig::quoting(config());
    let log = rig.script("shutdown\nresume clear\nadvance 15s");
    println!("{log}");
    assert!(log.contains("cancel   all"));
}

#[test]
fn a13_flatten_during_shutdown_places() {
    let mut rig = Rig::quoting(config());
    let log = rig.script("fill bid 0.010\nshutdown\ncanceled bid\ncanceled ask\nflatten\nadvance 6s\nbook 2599.99 2600.01\nadvance 1s\nbook 2599.99 2600.01");
    println!("{log} done {}", rig.engine.is_done());
    let after = log.split("shutting down").nth(1).unwrap().to_owned();
    assert!(!after.contains("place"), "placed after shutdown");
}

#[test]
fn a14_fill_before_ack_is_never_accepted() {
    let mut rig = Rig::new(config());
    rig.script("start\nbook 2599.99 2600.01\nfill bid 0.010\nack all");
    let c = rig.engine.snapshot().desks[0].counters;
    println!("placed {} accepted {} orders_filled {}", c.placed, c.accepted, c.orders_filled);
    assert_eq!(c.accepted, 2);
}

#[test]
fn a15_amend_in_doubt_found_with_old_terms_lands_later() {
    // amend that grows an order, in doubt, asked at once, found unchanged, lands afterwards
    let mut c = config(); strat(&mut c).skew_factor = 0.0;
    let mut rig = Rig::quoting(c);
    let bid = rig.named("bid");
    rig.script("advance 1s\nbook 2589.99 2590.01");
    let before = rig.script("state");
    rig.report(VenueReport::InDoubt { client_id: bid, request: RequestKind::Amend });
    rig.step(&[]);
    rig.report(VenueReport::Order { client_id: bid, fate: OrderFate::Open(OpenOrder { client_id: Some(bid), venue_id: VenueOrderId(1), side: Side::Buy, price: Price::new(259870), qty: Qty::new(10), filled: Qty::ZERO, reduce_only: false }), fills: vec![] });
    println!("{before}{}", rig.script("state"));
}

#[test]
fn a16_funding_lost_in_an_outage_is_never_noticed() {
    let mut rig = Rig::quoting(config());
    rig.script("fill bid 0.010\nack all\nstream down\nadvance 1s\nstream up");
    // venue booked funding of -50 meanwhile: wallet 4950
    let open = |_: ()| vec![];
    rig.report(VenueReport::Account(AccountState { position: Position::new(10), entry: FinePrice::from_decimal(decimal("2600")), wallet: usd("4950"),
        open_orders: open(()), fills: vec![], last_trade: Some(TradeId(1)) }));
    let s = rig.engine.snapshot();
    println!("equity {} initial {} cash", s.pnl.equity, s.pnl.initial);
    let desk = &s.desks[0];
    assert!(!desk.position_known || s.pnl.equity < usd("4990"), "venue wallet 4950, we believe {} and go on", s.pnl.equity);
}

#[test]
fn a17_withdrawal_alone_breaches_drawdown() {
    let mut c = config();
    let mut rig = Rig::new(c);
    rig.script("start 0.050\nbook 2599.99 2600.01\nack all\nmark 2600\nmark 1600"); // -50 of 5000 = 1 %
    let before = rig.engine.snapshot().pnl;
    rig.report(VenueReport::Transfer { amount: usd("-4000") });
    let s = rig.engine.snapshot();
    println!("dd before {} of {}; after {} of {}; halted {}", before.drawdown, before.peak, s.pnl.drawdown, s.pnl.peak, s.halted);
    assert!(!s.halted, "a withdrawal tripped the drawdown latch");
}

#[test]
fn a18_foreign_fill_closes_a_half_open_breaker() {
    let mut c = config(); c.breaker.timeout = Duration::from_secs(5); c.breaker.threshold = 1;
    let mut rig = Rig::quoting(c);
    rig.script("pause\nreject cancel bid margin\nadvance 6s");
    let b = rig.engine.snapshot().breaker.state.name();
    rig.report(VenueReport::Fill(Fill { trade_id: TradeId(77), client_id: None, venue_id: VenueOrderId(9), side: Side::Sell,
        price: Price::new(260000), qty: Qty::new(10), cumulative: Qty::new(10), maker: false, fee: Usd::ZERO, ts_event: rig.now }));
    let a = rig.engine.snapshot().breaker.state.name();
    println!("{b} -> {a}");
    for o in &rig.last { println!("   {o:?}"); }
    println!("{}", rig.script("state"));
    assert_eq!(a, "half_open");
}

#[test]
fn a19_wire_values_that_panic() {
    let try_it = |name: &str, f: &dyn Fn(&mut Rig)| {
        let r = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| { let mut rig = Rig::quoting(config()); f(&mut rig); rig.engine.snapshot(); }));
        println!("{name}: {}", match r { Ok(()) => "ok".into(), Err(e) => format!("PANIC {:?}", e.downcast_ref::<String>()) });
    };
    let big = Decimal::from_units(i64::MAX);
    let spec = instrument();
    let maxq = spec.qty_at_most(big); let maxp = spec.price_at_or_below(FinePrice::new(i64::MAX));
    let fill = move |p: Price, q: Qty| VenueReport::Fill(Fill { trade_id: TradeId(77), client_id: None, venue_id: VenueOrderId(9), side: Side::Sell,
        price: p, qty: q, cumulative: q, maker: false, fee: Usd::ZERO, ts_event: START });
    try_it("fill max price max qty", &|r| r.report(fill(maxp, maxq)));
    try_it("fill ok price max qty", &|r| r.report(fill(Price::new(260000), maxq)));
    try_it("book ask max", &|r| r.market(MarketKind::Snapshot(DepthSnapshot { last_id: 999, bids: vec![Level{price: Price::new(1), qty: maxq}], asks: vec![Level{price: maxp, qty: maxq}] })));
    let mark = |m: i64| MarketKind::Mark(MarkUpdate { mark: FinePrice::new(m), index: FinePrice::new(m), funding_rate: Rate::ZERO, next_funding: START });
    try_it("mark max, flat", &|r| r.market(mark(i64::MAX)));
    try_it("mark max, 0.01 held", &|r| { r.script("fill bid 0.010"); r.market(mark(i64::MAX)) });
    try_it("mark min, 0.01 held", &|r| { r.script("fill bid 0.010"); r.market(mark(i64::MIN)) });
    try_it("mark -1, 0.01 held", &|r| { r.script("fill bid 0.010"); r.market(mark(-1)) });
    let acc = |p: i64, e: i64, w: Usd| VenueReport::Account(AccountState { position: Position::new(p), entry: FinePrice::new(e), wallet: w, open_orders: vec![], fills: vec![], last_trade: None });
    try_it("open position max", &|r| { *r = Rig::new(config()); r.report(VenueReport::StreamUp); r.report(acc(maxq.raw() as i64, 260_000_000_000, usd("5000"))); r.script("book 2599.99 2600.01"); });
    try_it("open negative entry", &|r| { *r = Rig::new(config()); r.report(VenueReport::StreamUp); r.report(acc(10, -1, usd("5000"))); });
    try_it("wallet max", &|r| { *r = Rig::new(config()); r.report(VenueReport::StreamUp); r.report(acc(0, 0, Usd::from_decimal(big))); r.script("book 2599.99 2600.01"); });
    try_it("amended max qty", &|r| { let id = r.named("bid"); r.report(VenueReport::Amended{client_id: id, price: Price::new(1), qty: maxq}); r.script("book 2599.99 2600.01"); });
    try_it("canceled with filled max", &|r| { let id = r.named("bid"); r.report(VenueReport::Canceled{client_id: id, filled: maxq}); r.script("book 2599.99 2600.01"); });
    try_it("fill cumulative max then book", &|r| { let id = r.named("bid"); r.report(VenueReport::Fill(Fill { trade_id: TradeId(77), client_id: Some(id), venue_id: VenueOrderId(9), side: Side::Buy, price: Price::new(260000), qty: Qty::new(1), cumulative: Qty::new(u64::MAX), maker: false, fee: Usd::ZERO, ts_event: START })); r.script("advance 1s\nbook 2599.99 2600.01"); });
    try_it("open order max in account", &|r| { let o = |s| OpenOrder { client_id: Some(ClientOrderId{session:9, sequence:s}), venue_id: VenueOrderId(5), side: Side::Buy, price: maxp, qty: maxq, filled: Qty::ZERO, reduce_only: false };
        r.script("stream down\nstream up"); r.report(VenueReport::Account(AccountState{ position: Position::ZERO, entry: FinePrice::ZERO, wallet: usd("5000"), open_orders: (1..4).map(o).collect(), fills: vec![], last_trade: None })); r.script("book 2599.99 2600.01"); });
}

#[test]
fn a20_ack_timeout_zero_hangs() {
    let mut c = config(); c.desks[0].ack_timeout = Duration::ZERO;
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || { let mut r = Rig::quoting(c); r.script("advance 1s"); tx.send(()).ok(); });
    assert!(rx.recv_timeout(Duration::from_secs(3)).is_ok(), "hangs");
}

#[test]
fn a21_dust_never_ends() {
    let mut c = config();
    let mut rules = c.desks[0].instrument.rules().clone(); rules.min_qty = decimal("0.005");
    c.desks[0].instrument = Instrument::new(ETH, rules).unwrap();
    let mut rig = Rig::new(c);
    let mut log = rig.script("start 0.003\nbook 2599.99 2600.01\nack all\nflatten");
    log += &keep(&mut rig, 30);
    println!("{}", &log[..log.len().min(1200)]);
    println!("refused {}", log.matches("below_minimum").count());
    assert!(log.matches("below_minimum").count() < 30, "refused over and over, nobody is told");
}

#[test]
fn a22_dup_ack_while_amend_in_doubt_then_new_amend_forgets_terms() {
    let mut c = config(); strat(&mut c).skew_factor = 0.0; c.desks[0].requote.min_interval = Duration::ZERO;
    let mut rig = Rig::new(c);
    rig.script("start\nbook 2599.99 2600.01\nack all\nfill bid 0.004\nadvance 1s\nbook 2589.99 2590.01"); // amend bid total 14
    let id = ClientOrderId{session:1, sequence:1};
    let s1 = rig.script("state"); let e1 = rig.engine.snapshot().desks[0].exposure_long;
    rig.report(VenueReport::InDoubt { client_id: id, request: RequestKind::Amend });
    let e2 = rig.engine.snapshot().desks[0].exposure_long;
    rig.report(VenueReport::Ack { client_id: id, venue_id: VenueOrderId(1) });
    let e3 = rig.engine.snapshot().desks[0].exposure_long; let l3 = rig.script("state");
    let l4 = rig.script("fill no1 0.003\nbook 2579.99 2580.01\nstate");
    println!("{s1}{e1:?} {e2:?} {e3:?}\n{l3}{l4} accepted {}", rig.engine.snapshot().desks[0].counters.accepted);
}

#[test]
fn a23_dead_man_until_forever() {
    let mut rig = Rig::quoting(config());
    rig.report(VenueReport::DeadManArmed { until: Nanos::MAX });
    let mut log = String::new();
    for _ in 0..120 { log += &rig.script("advance 1s\nbook 2599.99 2600.01\nack all"); }
    let s = rig.script("state");
    println!("{s}");
    assert!(s.contains("dead_man_unarmed"), "two minutes without any arming answer, still quoting");
}

#[test]
fn a24_query_storm_on_flaps_and_anomalies() {
    let mut rig = Rig::quoting(config());
    let mut n = 0;
    for i in 0..100 {
        rig.report(VenueReport::Ack { client_id: ClientOrderId{session: 5, sequence: i}, venue_id: VenueOrderId(1) });
        n += rig.last.iter().filter(|o| matches!(o, Output::Venue(a) if matches!(a.command(), VenueCommand::QueryAccount{..}))).count();
    }
    println!("{n} account queries in one instant");
    assert!(n < 10);
}

#[test]
fn a25_amend_shrunk_fill_first_then_amended_lives_on() {
    let mut rig = Rig::quoting(config());
    // skip
}

#[test]
fn a26_collar_vs_slippage_config_blocks_taking() {
    let mut c = config(); c.desks[0].flatten.slippage = Rate::from_decimal(decimal("0.03"));
    let mut rig = Rig::new(c);
    let mut log = rig.script("start 0.030\nbook 2599.99 2600.01\nack all\nflatten\ncanceled ask");
    log += &keep(&mut rig, 10);
    println!("{}", &log[..log.len().min(1500)]);
}

#[test]
fn a27_tolerance_when_busy_keeps_a_bid_past_the_mid() {
    let mut c = config(); c.desks[0].requote.price_tolerance = 0.5; c.desks[0].limits.max_orders_per_minute = 4; c.desks[0].requote.min_interval = Duration::ZERO;
    let mut rig = Rig::quoting(c);
    let mut log = rig.script("advance 1s\nbook 2609.99 2610.01\namended bid\namended ask");
    log += &rig.script("book 2608.20 2608.22\nstate");
    println!("{log}");
}

#[test]
fn b01_config_that_passes_the_checks_starves_the_reducing_side() {
    // half spread 1.5 % <= collar 2 %, as `check` demands; long half the inventory; skew shifts by 0.75 %
    let mut c = config();
    let s = strat(&mut c); s.base_spread = 0.03; s.max_spread = 0.05; s.skew_factor = 0.5;
    let mut rig = Rig::new(c);
    let mut log = rig.script("start 0.025\nbook 2599.99 2600.01\nack all");
    for _ in 0..100 { log += &rig.script("advance 300ms\nbook 2599.99 2600.01\narmed\nack all"); }
    println!("{}", rig.script("state"));
    println!("refused {} placed sells {}", log.matches("refused  price_collar").count(), log.matches("place    sell").count());
    assert!(log.contains("place    sell"), "long, and no ask for 30 s: the refused bid holds it up");
}

#[test]
fn b02_stale_mark_blocks_the_taking_exit() {
    let mut c = config(); c.desks[0].flatten.patience = Duration::ZERO;
    let mut rig = Rig::new(c);
    let mut log = rig.script("start 0.030\nbook 2599.99 2600.01\nmark 2600\npause\nflatten\ncanceled bid\ncanceled ask");
    log.clear();
    for _ in 0..60 { log += &rig.script("advance 1s\nbook 2399.99 2400.01\narmed"); }
    println!("{}", &log[..log.len().min(400)]);
    println!("refusals {} alerts {} state {}", log.matches("price_band").count(), log.matches("alert").count(), rig.script("state"));
    assert!(log.contains("place    sell"), "flatten refused by our own gate for a minute, no alert");
}

#[test]
fn b03_mark_zero_with_short_raises_peak_then_latches() {
    let mut c = config(); c.loss.drawdown = Rate::from_decimal(decimal("0.005"));
    let mut rig = Rig::quoting(c);
    let log = rig.script("mark 2600\nfill ask 0.010\nack all\nmark 0\nmark 2600\nstate");
    let s = rig.engine.snapshot();
    println!("{log} peak {} halted {}", s.pnl.peak, s.halted);
    assert!(!s.halted, "one bad mark latched the drawdown halt");
}

#[test]
fn b04_latched_drift_when_stream_fill_precedes_first_account() {
    // also after `resume --clear-halt`
}

#[test]
fn b05_amend_lands_after_doubt_was_settled_by_an_old_answer() {
    // bid 10 rests; strategy wants 30 (reconfigured); amend to 30 in doubt; asked at once; found with 10; engine
    // re-amends? then position limit is used for other orders
    let mut c = config(); strat(&mut c).skew_factor = 0.0; strat(&mut c).levels = 1;
    let mut rig = Rig::quoting(c.clone());
    strat(&mut c).base_size = Qty::new(50);
    rig.script("advance 1s\nbook 2599.99 2600.01");
    rig.control(Control::Configure(Box::new(c.clone())));
    println!("A {}", rig.script("state"));
    let bid = rig.named("bid");
    rig.report(VenueReport::InDoubt { client_id: bid, request: RequestKind::Amend });
    strat(&mut c).base_size = Qty::new(10);
    rig.control(Control::Configure(Box::new(c)));
    rig.report(VenueReport::Order { client_id: bid, fate: OrderFate::Open(OpenOrder { client_id: Some(bid), venue_id: VenueOrderId(1), side: Side::Buy, price: Price::new(259870), qty: Qty::new(10), filled: Qty::ZERO, reduce_only: false }), fills: vec![] });
    let e = rig.engine.snapshot().desks[0].exposure_long;
    println!("B {} exposure {e:?}, the amend to 50 may still land", rig.script("state"));
}

#[test]
fn b06_halt_idle_steps_at_10hz() {
    let mut rig = Rig::quoting(config());
    rig.script("halt\ncanceled bid\ncanceled ask\nadvance 10s");
    let mut n = 0; let end = rig.now + Duration::from_secs(60);
    let mut out = vec![];
    while let Some(at) = rig.engine.next_deadline().filter(|a| *a < end) { n += 1; rig.engine.step(at, &[], &mut out); }
    println!("{n} steps in a minute of halt");
}

#[test]
fn b07_rate_limit_answers_are_hammered() {
    let mut c = config(); c.breaker.threshold = 1000;
    let mut rig = Rig::new(c);
    rig.script("start\nbook 2599.99 2600.01");
    let mut n = 0; 
    for i in 0..120 {
        let ids: Vec<_> = rig.last.iter().filter_map(|o| match o { Output::Venue(a) => match a.command() { VenueCommand::Place(p) => Some(p.client_id), _ => None }, _ => None }).collect();
        for id in ids { n += 1; rig.report(VenueReport::Reject { client_id: id, request: RequestKind::Place, reason: RejectReason::RateLimit }); }
        rig.now = rig.now + Duration::from_millis(250);
        rig.script("book 2599.99 2600.01");
    }
    println!("{n} places in 30 s although each was answered RateLimit; {}", rig.script("state"));
}

#[test]
fn b08_escalation_with_foreign_order_never_repeats_a_cancel() {
    let mut rig = Rig::quoting(config());
    rig.script("stream down\nstream up");
    let open = |c: Option<ClientOrderId>, s: Side, p: i64| OpenOrder { client_id: c, venue_id: VenueOrderId(5), side: s, price: Price::new(p), qty: Qty::new(10), filled: Qty::ZERO, reduce_only: false };
    let id = |s| Some(ClientOrderId { session: 1, sequence: s });
    rig.report(VenueReport::Account(AccountState { position: Position::ZERO, entry: FinePrice::ZERO, wallet: usd("5000"),
        open_orders: vec![open(id(1), Side::Buy, 259870), open(id(2), Side::Sell, 260130), open(None, Side::Buy, 200000)], fills: vec![], last_trade: None }));
    let mut log = rig.script("halt");
    let before = log.matches("cancel ").count();
    let mut now = rig.now; let mut n = 0;
    for _ in 0..600 { now = now + Duration::from_millis(500); let mut out = vec![];
        rig.engine.step(now, &[Input::Venue(ETH, VenueReport::QueryFailed)], &mut out);
        n += out.iter().filter(|o| matches!(o, Output::Venue(a) if matches!(a.command(), VenueCommand::Cancel{..} | VenueCommand::CancelAll{..}))).count(); }
    println!("{log} further cancels in 5 min: {n}");
    assert!(n > 0);
}

#[test]
fn b09_flatten_ends_flat_then_a_late_quote_fill_reopens() {
    let mut rig = Rig::new(config());
    let mut log = rig.script("start 0.010\nbook 2599.99 2600.01\nack all\nflatten\nack no3\nfill no3 0.010\nfill no1 0.010\ncanceled no2");
    log += &keep(&mut rig, 20);
    log += &rig.script("state");
    println!("{log}");
    assert!(log.contains("position 0\n"));
}

#[test]
fn b10_journal_failure_sends_the_place_first() {}

#[test]
fn b11_overflowing_wire_fill() {}

#[test]
fn b12_halted_loss_latch_no_sweep() {
    // daily loss: cancels lost, queries fail: is anything repeated, does the dead man's switch fire?
    let mut c = config(); c.loss.daily_loss = usd("5");
    let mut rig = Rig::quoting(c);
    let log = rig.script("mark 2600\nfill bid 0.010\nack all\nmark 1900");
    println!("{log}");
    let (mut cancels, mut arms) = (0, 0); let mut now = rig.now;
    for _ in 0..600 { now = now + Duration::from_millis(500); let mut out = vec![];
        let until = now + Duration::from_secs(30);
        rig.engine.step(now, &[Input::Venue(ETH, VenueReport::QueryFailed), Input::Venue(ETH, VenueReport::DeadManArmed{until})], &mut out);
        for o in &out { if let Output::Venue(a) = o { match a.command() { VenueCommand::Cancel{..} | VenueCommand::CancelAll{..} => cancels += 1, VenueCommand::ArmDeadMan{..} => arms += 1, _ => {} } } } }
    println!("5 min after the loss limit: {cancels} further cancels, {arms} arms");
    assert!(cancels > 0 || arms == 0);
}
