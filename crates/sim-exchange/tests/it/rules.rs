//! The venue's rules as tables: what it accepts, how it matches, what it says.

use std::time::Duration;

use expect_test::expect;
use market::venue::{TimeInForce, VenueCommand, VenueReport};
use market::{Decimal, Price, Qty, Side, Usd};
use sim_exchange::{Injection, RateLimits, SimExchange, SimOutput};

use crate::support::{START, check, order, place, play, quiet, run, say};

#[test]
fn limit_orders_rest_and_trade_at_the_makers_price() {
    check(
        "buy 10 @ 0 gtc #1
         other: sell 8 @ -5 ioc #1
         other: sell 20 @ 10 gtc #2
         buy 10 @ 12 gtc #2
         cancel #1
         account after 0",
        expect![[r#"
            > buy 10 @ 0 gtc #1
            ack #1
            fill #1 buy 8 @ 0 maker fee 0 (sum 8, trade 1)
            > buy 10 @ 12 gtc #2
            ack #2
            fill #2 buy 10 @ 10 taker fee 0.0104404 (sum 10, trade 2)
            > cancel #1
            canceled #1 filled 8
            > account after 0
            account: position 18 entry 2610.05555556 wallet 9999.9895596 open 0 fills [1, 2] last Some(2)
        "#]],
    );
}

#[test]
fn price_first_then_time() {
    check(
        "other: buy 10 @ 0 gtc #1
         buy 10 @ 0 gtc #1
         other: buy 10 @ 1 gtc #2
         print sell 10 @ 0        the better price first
         print sell 12 @ 0        then the older order
         print sell 8 @ 0",
        expect![[r#"
            > buy 10 @ 0 gtc #1
            ack #1
            fill #1 buy 2 @ 0 maker fee 0 (sum 2, trade 3)
            fill #1 buy 8 @ 0 maker fee 0 (sum 10, trade 4)
        "#]],
    );
}

#[test]
fn immediate_orders_leave_nothing_behind() {
    check(
        "other: sell 10 @ 5 gtc #1
         other: sell 10 @ 7 gtc #2
         buy 30 @ 6 ioc #1
         buy 30 @ 4 ioc #2
         buy 30 @ 7 fok #3
         buy 10 @ 7 fok #4
         market buy 10 #5
         query #1
         query #3
         query #5",
        expect![[r#"
            > buy 30 @ 6 ioc #1
            ack #1
            fill #1 buy 10 @ 5 taker fee 0.0104402 (sum 10, trade 1)
            expired #1 filled 10: Unfilled
            > buy 30 @ 4 ioc #2
            ack #2
            expired #2 filled 0: Unfilled
            > buy 30 @ 7 fok #3
            reject #3 Place: WouldNotFill
            > buy 10 @ 7 fok #4
            ack #4
            fill #4 buy 10 @ 7 taker fee 0.01044028 (sum 10, trade 2)
            > market buy 10 #5
            ack #5
            expired #5 filled 0: Unfilled
            > query #1
            order #1: Expired filled 10 [fill #1 buy 10 @ 5 taker fee 0.0104402 (sum 10, trade 1)]
            > query #3
            order #3: not found []
            > query #5
            order #5: Expired filled 0 []
        "#]],
    );
}

#[test]
fn post_only_never_takes() {
    check(
        "other: sell 10 @ 5 gtc #1
         buy 10 @ 5 gtx #1
         query #1
         buy 10 @ 4 gtx #2
         sell 10 @ 4 gtx #3",
        expect![[r#"
            > buy 10 @ 5 gtx #1
            reject #1 Place: WouldTake
            > query #1
            order #1: not found []
            > buy 10 @ 4 gtx #2
            ack #2
            > sell 10 @ 4 gtx #3
            reject #3 Place: WouldTake
        "#]],
    );
}

#[test]
fn own_resting_orders_expire_before_they_trade_with_us() {
    check(
        "sell 10 @ 5 gtc #1
         other: sell 10 @ 5 gtc #1
         sell 10 @ 6 gtc #2
         buy 15 @ 5 gtc #3
         account",
        expect![[r#"
            > sell 10 @ 5 gtc #1
            ack #1
            > sell 10 @ 6 gtc #2
            ack #2
            > buy 15 @ 5 gtc #3
            ack #3
            expired #1 filled 0: SelfTrade
            fill #3 buy 10 @ 5 taker fee 0.0104402 (sum 10, trade 1)
            > account
            account: position 10 entry 2610.05 wallet 9999.9895598 open 2 fills [] last Some(1)
        "#]],
    );
}

#[test]
fn amending_goes_to_the_tail() {
    check(
        "buy 10 @ 0 gtc #1
         other: buy 10 @ 0 gtc #1
         amend #1 buy 9 @ 0
         print sell 10 @ 0       the other order is first now
         print sell 4 @ 0
         amend #1 buy 9 @ 0      nothing changes
         amend #1 sell 8 @ 0
         amend #1 buy 4 @ 0      not more than is filled
         query #1
         amend #1 buy 5 @ 0",
        expect![[r#"
            > buy 10 @ 0 gtc #1
            ack #1
            > amend #1 buy 9 @ 0
            amended #1 to 9 @ 0
            fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 2)
            > amend #1 buy 9 @ 0
            reject #1 Amend: NoChange
            > amend #1 sell 8 @ 0
            reject #1 Amend: Other
            > amend #1 buy 4 @ 0
            canceled #1 filled 4
            > query #1
            order #1: Canceled filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 2)]
            > amend #1 buy 5 @ 0
            reject #1 Amend: UnknownOrder
        "#]],
    );
}

#[test]
fn amending_into_the_other_side() {
    check(
        "other: sell 10 @ 5 gtc #1
         buy 10 @ 0 gtx #1
         amend #1 buy 10 @ 5     post-only would take: canceled
         buy 20 @ 0 gtc #2
         amend #2 buy 20 @ 5     takes
         query #2
         amend #2 buy 1 @ 0      too small",
        expect![[r#"
            > buy 10 @ 0 gtx #1
            ack #1
            > amend #1 buy 10 @ 5
            canceled #1 filled 0
            > buy 20 @ 0 gtc #2
            ack #2
            > amend #2 buy 20 @ 5
            amended #2 to 20 @ 5
            fill #2 buy 10 @ 5 taker fee 0.0104402 (sum 10, trade 1)
            > query #2
            order #2: open buy 20 @ 5 filled 10 [fill #2 buy 10 @ 5 taker fee 0.0104402 (sum 10, trade 1)]
            > amend #2 buy 1 @ 0
            canceled #2 filled 10
        "#]],
    );
}

#[test]
fn reduce_only_orders_never_enlarge() {
    check(
        "sell 10 @ 0 gtc #1 ro
         other: sell 30 @ 0 gtc #1
         buy 30 @ 0 gtc #2
         buy 10 @ 0 gtc #3 ro
         sell 31 @ 5 gtc #4 ro
         sell 20 @ 5 gtc #5 ro
         sell 10 @ 6 gtc #6 ro
         sell 1 @ 6 gtc #7 ro
         amend #6 sell 11 @ 6
         amend #6 sell 9 @ 7
         other: buy 25 @ 1 gtc #2
         sell 15 @ 1 gtc #8      the position shrinks under the resting orders
         sell 10 @ 1 gtc #9
         print buy 100 @ 9
         account",
        expect![[r#"
            > sell 10 @ 0 gtc #1 ro
            reject #1 Place: ReduceOnly
            > buy 30 @ 0 gtc #2
            ack #2
            fill #2 buy 30 @ 0 taker fee 0.03132 (sum 30, trade 1)
            > buy 10 @ 0 gtc #3 ro
            reject #3 Place: ReduceOnly
            > sell 31 @ 5 gtc #4 ro
            reject #4 Place: ReduceOnly
            > sell 20 @ 5 gtc #5 ro
            ack #5
            > sell 10 @ 6 gtc #6 ro
            ack #6
            > sell 1 @ 6 gtc #7 ro
            reject #7 Place: ReduceOnly
            > amend #6 sell 11 @ 6
            reject #6 Amend: ReduceOnly
            > amend #6 sell 9 @ 7
            amended #6 to 9 @ 7
            > sell 15 @ 1 gtc #8
            ack #8
            fill #8 sell 15 @ 1 taker fee 0.01566006 (sum 15, trade 2)
            expired #6 filled 0: ReduceOnly
            amended #5 to 15 @ 5
            > sell 10 @ 1 gtc #9
            ack #9
            fill #9 sell 10 @ 1 taker fee 0.01044004 (sum 10, trade 3)
            amended #5 to 5 @ 5
            fill #5 sell 5 @ 5 maker fee 0 (sum 5, trade 4)
            > account
            account: position 0 entry 0 wallet 9999.9430799 open 0 fills [] last Some(4)
        "#]],
    );
}

#[test]
fn reduce_only_market_orders_are_capped() {
    check(
        "other: sell 30 @ 0 gtc #1
         other: buy 90 @ -5 gtc #2
         buy 30 @ 0 gtc #1
         sell 10 @ 9 gtc #2 ro
         market sell 50 #3 ro
         query #3
         market sell 50 #4 ro
         cancel #2
         market sell 50 #5 ro
         market sell 50 #6 ro",
        expect![[r#"
            > buy 30 @ 0 gtc #1
            ack #1
            fill #1 buy 30 @ 0 taker fee 0.03132 (sum 30, trade 1)
            > sell 10 @ 9 gtc #2 ro
            ack #2
            > market sell 50 #3 ro
            ack #3
            fill #3 sell 20 @ -5 taker fee 0.0208796 (sum 20, trade 2)
            expired #3 filled 20: ReduceOnly
            > query #3
            order #3: Expired filled 20 [fill #3 sell 20 @ -5 taker fee 0.0208796 (sum 20, trade 2)]
            > market sell 50 #4 ro
            reject #4 Place: ReduceOnly
            > cancel #2
            canceled #2 filled 0
            > market sell 50 #5 ro
            ack #5
            fill #5 sell 10 @ -5 taker fee 0.0104398 (sum 10, trade 3)
            expired #5 filled 10: ReduceOnly
            > market sell 50 #6 ro
            reject #6 Place: ReduceOnly
        "#]],
    );
}

#[test]
fn foreign_fills_and_their_consequences() {
    check(
        "other: sell 30 @ 0 gtc #1
         buy 30 @ 0 gtc #1
         sell 30 @ 5 gtc #2 ro
         foreign sell 20 @ 1
         foreign sell 20 @ 1
         account after 0",
        expect![[r#"
            > buy 30 @ 0 gtc #1
            ack #1
            fill #1 buy 30 @ 0 taker fee 0.03132 (sum 30, trade 1)
            > sell 30 @ 5 gtc #2 ro
            ack #2
            fill foreign sell 20 @ 1 taker fee 0.02088008 (sum 20, trade 2)
            amended #2 to 10 @ 5
            fill foreign sell 20 @ 1 taker fee 0.02088008 (sum 20, trade 3)
            expired #2 filled 0: ReduceOnly
            > account after 0
            account: position -10 entry 2610.01 wallet 9999.92721984 open 0 fills [1, 2, 3] last Some(3)
        "#]],
    );
}

#[test]
fn every_filter_has_its_answer() {
    check(
        "buy 0 @ 0 gtc #1
         buy 7 @ 0 gtc #1        18.27 of 20 quote units
         buy 8000001 @ 0 gtc #1
         market buy 700001 #1
         buy 10 @ 13051 gtc #1
         buy 10 @ 13050 gtc #1
         sell 10 @ -13051 gtc #2
         sell 10 @ -13050 gtx #2
         buy 10 @ -100000 gtc #1
         cancel #9
         amend #9 buy 10 @ 0
         query #9
         buy 400000 @ 0 gtc #3",
        expect![[r#"
            > buy 0 @ 0 gtc #1
            reject #1 Place: Filter
            > buy 7 @ 0 gtc #1
            reject #1 Place: Filter
            > buy 8000001 @ 0 gtc #1
            reject #1 Place: Filter
            > market buy 700001 #1
            reject #1 Place: Filter
            > buy 10 @ 13051 gtc #1
            reject #1 Place: PriceBand
            > buy 10 @ 13050 gtc #1
            ack #1
            > sell 10 @ -13051 gtc #2
            reject #2 Place: PriceBand
            > sell 10 @ -13050 gtx #2
            reject #2 Place: WouldTake
            > buy 10 @ -100000 gtc #1
            reject #1 Place: DuplicateId
            > cancel #9
            reject #9 Cancel: UnknownOrder
            > amend #9 buy 10 @ 0
            reject #9 Amend: UnknownOrder
            > query #9
            order #9: not found []
            > buy 400000 @ 0 gtc #3
            reject #3 Place: Margin
        "#]],
    );
}

#[test]
fn at_most_so_many_open_orders() {
    let mut sim = SimExchange::new(quiet());
    let mut out = Vec::new();
    let orders: Vec<_> =
        (1..=201).map(|n| place(n, Side::Buy, 261_000, 8, TimeInForce::Gtc)).collect();
    sim.step(START, &orders, &mut out);
    assert_eq!(sim.truth().open_orders.len(), 200);
    let last = out.iter().rev().find_map(|o| match o {
        SimOutput::Venue(report) => Some(say(report)),
        SimOutput::Market(_) => None,
    });
    assert_eq!(last.as_deref(), Some("reject #201 Place: TooManyOrders"));
}

#[test]
fn order_rate_limits_count_placing_and_amending_on_clock_windows() {
    let mut config = quiet();
    config.rate_limits = RateLimits { per_10s: 2, per_minute: 3 };
    let (_, transcript) = play(
        config,
        "buy 10 @ 0 gtc #1
         amend #1 buy 11 @ 0
         cancel #1
         buy 10 @ 0 gtc #2
         cancel #7               cancels are free
         wait 9500               the next ten seconds
         buy 10 @ 0 gtc #3
         wait 10000
         buy 10 @ 0 gtc #4
         wait 40000              the next minute
         buy 10 @ 0 gtc #5",
    );
    expect![[r#"
        > buy 10 @ 0 gtc #1
        ack #1
        > amend #1 buy 11 @ 0
        amended #1 to 11 @ 0
        > cancel #1
        canceled #1 filled 0
        > buy 10 @ 0 gtc #2
        reject #2 Place: RateLimit
        > cancel #7
        reject #7 Cancel: UnknownOrder
        > buy 10 @ 0 gtc #3
        ack #3
        > buy 10 @ 0 gtc #4
        reject #4 Place: RateLimit
        > buy 10 @ 0 gtc #5
        ack #5
    "#]]
    .assert_eq(&transcript);
}

#[test]
fn margin_covers_the_worst_case() {
    let mut config = quiet();
    config.balance = Usd::from_decimal(Decimal::from_units(100 * Decimal::SCALE));
    // 100 at leverage 10 carry 1000 of notional: 383 lots at 2610.
    let (_, transcript) = play(
        config,
        "buy 384 @ 0 gtc #1
         buy 300 @ 0 gtc #1
         buy 84 @ 0 gtc #2
         sell 300 @ 10 gtc #3    the other side counts by itself
         amend #1 buy 384 @ 0
         amend #1 buy 383 @ 0
         print sell 383 @ 0
         buy 10 @ 0 gtc #4
         sell 300 @ 10 gtc #5    reduces first",
    );
    expect![[r#"
        > buy 384 @ 0 gtc #1
        reject #1 Place: Margin
        > buy 300 @ 0 gtc #1
        ack #1
        > buy 84 @ 0 gtc #2
        reject #2 Place: Margin
        > sell 300 @ 10 gtc #3
        ack #3
        > amend #1 buy 384 @ 0
        reject #1 Amend: Margin
        > amend #1 buy 383 @ 0
        amended #1 to 383 @ 0
        fill #1 buy 383 @ 0 maker fee 0 (sum 383, trade 1)
        > buy 10 @ 0 gtc #4
        reject #4 Place: Margin
        > sell 300 @ 10 gtc #5
        ack #5
    "#]]
    .assert_eq(&transcript);
}

#[test]
fn the_dead_man_cancels_everything_once() {
    check(
        "buy 10 @ 0 gtc #1
         sell 10 @ 9 gtc #2
         dead-man 500
         wait 400
         dead-man 500            replaces the running one
         wait 499
         wait 1
         buy 10 @ 0 gtc #3
         wait 1000
         dead-man 100
         dead-man 0
         wait 1000
         cancel all",
        expect![[r#"
            > buy 10 @ 0 gtc #1
            ack #1
            > sell 10 @ 9 gtc #2
            ack #2
            > dead-man 500
            dead-man in 500 ms
            > dead-man 500
            dead-man in 900 ms
            canceled #1 filled 0
            canceled #2 filled 0
            > buy 10 @ 0 gtc #3
            ack #3
            > dead-man 100
            dead-man in 2000 ms
            > dead-man 0
            dead-man off
            > cancel all
            canceled #3 filled 0
        "#]],
    );
}

#[test]
fn ended_orders_without_fills_are_forgotten_after_three_days() {
    check(
        "buy 10 @ 0 gtc #1
         buy 10 @ 0 gtc #2
         print sell 4 @ 0
         cancel all
         wait 259200000
         query #2
         wait 1
         query #2
         query #1",
        expect![[r#"
            > buy 10 @ 0 gtc #1
            ack #1
            > buy 10 @ 0 gtc #2
            ack #2
            fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
            > cancel all
            canceled #1 filled 4
            canceled #2 filled 0
            Funding { amount: -1044000000000000 }
            Funding { amount: -1044000000000000 }
            Funding { amount: -1044000000000000 }
            Funding { amount: -1044000000000000 }
            Funding { amount: -1044000000000000 }
            Funding { amount: -1044000000000000 }
            Funding { amount: -1044000000000000 }
            Funding { amount: -1044000000000000 }
            Funding { amount: -1044000000000000 }
            > query #2
            order #2: Canceled filled 0 []
            > query #2
            order #2: not found []
            > query #1
            order #1: Canceled filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)]
        "#]],
    );
}

#[test]
fn funding_is_paid_at_the_stamp_on_mark() {
    let mut sim = SimExchange::new(quiet());
    let mut out = Vec::new();
    sim.command_as(
        sim_exchange::AccountId::OTHER,
        START,
        &place(1, Side::Sell, 261_000, 1_000, TimeInForce::Gtc),
    );
    sim.step(START, &[place(1, Side::Buy, 261_000, 1_000, TimeInForce::Ioc)], &mut out);
    sim.inject(Injection::Mark(
        "2600".parse::<Decimal>().map(market::FinePrice::from_decimal).unwrap(),
    ));
    run(&mut sim, START + Duration::from_secs(8 * 3_600), &mut out);
    let paid: Vec<_> = out
        .iter()
        .filter_map(|o| match o {
            SimOutput::Venue(VenueReport::Funding { amount }) => Some(amount.to_string()),
            _ => None,
        })
        .collect();
    // 1 ETH at 2600 and a rate of 0.01 %.
    assert_eq!(paid, ["-0.26"]);
    assert_eq!(sim.truth().funding.to_string(), "-0.26");
    assert_eq!(sim.truth_of(sim_exchange::AccountId::OTHER).funding.to_string(), "0.26");
}

#[test]
fn a_wallet_knows_fees_and_realized_pnl_to_the_last_digit() {
    let mut sim = SimExchange::new(quiet());
    let mut out = Vec::new();
    let other = |sim: &mut SimExchange, command: VenueCommand| {
        sim.command_as(sim_exchange::AccountId::OTHER, START, &command);
    };
    other(&mut sim, place(1, Side::Sell, 261_000, 10, TimeInForce::Gtc));
    other(&mut sim, place(2, Side::Sell, 261_001, 20, TimeInForce::Gtc));
    sim.step(START, &[place(1, Side::Buy, 261_001, 30, TimeInForce::Ioc)], &mut out);
    let truth = sim.truth();
    // 26.1000 + 52.2002 = 78.3002; average 2610.00666667; fee 4 bps.
    assert_eq!(truth.entry.to_string(), "2610.00666667");
    assert_eq!(truth.fees.to_string(), "0.03132008");
    other(&mut sim, place(3, Side::Buy, 262_000, 10, TimeInForce::Gtc));
    let sell = order(2, Side::Sell, 262_000, 7, TimeInForce::Ioc);
    let sell = VenueCommand::Place(market::venue::NewOrder { reduce_only: true, ..sell });
    sim.step(START, &[sell], &mut out);
    let truth = sim.truth();
    // 18.3400 less 7/30 of 78.3002, rounded to 1e-8.
    assert_eq!(truth.realized.to_string(), "0.06995333");
    assert_eq!(
        truth.wallet,
        Usd::from_decimal("10000".parse().unwrap()) + truth.realized - truth.fees
    );
}

#[test]
fn the_feed_starts_with_a_snapshot_and_chains() {
    let mut sim = SimExchange::new(quiet());
    let mut out = Vec::new();
    run(&mut sim, START, &mut out);
    sim.step(
        START,
        &[VenueCommand::Place(order(1, Side::Buy, 261_000, 10, TimeInForce::Gtc))],
        &mut out,
    );
    run(&mut sim, START + Duration::from_millis(60), &mut out);
    sim.inject(Injection::Trade { aggressor: Side::Sell, price: Price::new(1), qty: Qty::new(4) });
    run(&mut sim, START + Duration::from_millis(120), &mut out);
    let text: Vec<String> = out.iter().map(|output| format!("{output:?}")).collect();
    expect![[r#"
        Market(MarketEvent { instrument: InstrumentId(0), ts_event: 1795363200500000000, kind: FeedUp })
        Market(MarketEvent { instrument: InstrumentId(0), ts_event: 1795363200500000000, kind: Snapshot(DepthSnapshot { last_id: 0, bids: [], asks: [] }) })
        Market(MarketEvent { instrument: InstrumentId(0), ts_event: 1795363200500000000, kind: Mark(MarkUpdate { mark: 261000000000, index: 261000000000, funding_rate: 10000, next_funding: 1795392000000000000 }) })
        Venue(StreamUp)
        Venue(Ack { client_id: mm-00000001-00000001, venue_id: VenueOrderId(1) })
        Market(MarketEvent { instrument: InstrumentId(0), ts_event: 1795363200501000000, kind: Ticker(BookTicker { update_id: 1, bid: Level { price: 261000, qty: 10 }, ask: Level { price: 0, qty: 0 } }) })
        Market(MarketEvent { instrument: InstrumentId(0), ts_event: 1795363200550000000, kind: Diff(DepthDiff { first_id: 1, last_id: 1, previous_id: 0, bids: [Level { price: 261000, qty: 10 }], asks: [] }) })
        Market(MarketEvent { instrument: InstrumentId(0), ts_event: 1795363200560000000, kind: Trade(Trade { id: 1, price: 261000, qty: 4, aggressor: Sell }) })
        Venue(Fill(Fill { trade_id: TradeId(1), client_id: Some(mm-00000001-00000001), venue_id: VenueOrderId(1), side: Buy, price: 261000, qty: 4, cumulative: 4, maker: true, fee: 0, ts_event: 1795363200560000000 }))
        Market(MarketEvent { instrument: InstrumentId(0), ts_event: 1795363200561000000, kind: Ticker(BookTicker { update_id: 2, bid: Level { price: 261000, qty: 6 }, ask: Level { price: 0, qty: 0 } }) })
        Market(MarketEvent { instrument: InstrumentId(0), ts_event: 1795363200600000000, kind: Diff(DepthDiff { first_id: 2, last_id: 2, previous_id: 1, bids: [Level { price: 261000, qty: 6 }], asks: [] }) })
    "#]].assert_eq(&(text.join("\n") + "\n"));
}
