//! Corners that random walks meet too seldom.

use engine::Output;
use expect_test::expect;
use market::venue::{AccountState, VenueCommand, VenueReport};
use market::{FinePrice, Position, TradeId};

use crate::rig::{Rig, config, usd};

/// An account report that was written before the last fill.
fn behind(query: u32, position: i64, last_trade: Option<TradeId>) -> VenueReport {
    VenueReport::Account(AccountState {
        query,
        position: Position::new(position),
        entry: FinePrice::ZERO,
        wallet: usd("5000"),
        open_orders: Vec::new(),
        fills: Vec::new(),
        last_trade,
    })
}

fn asks_for_the_account(rig: &Rig) -> bool {
    rig.last.iter().any(|output| match output {
        Output::Venue(approved) => {
            matches!(approved.command(), VenueCommand::QueryAccount { .. })
        }
        Output::Alert(_) | Output::Note(_) => false,
    })
}

/// A venue whose queries lag behind its stream is asked again, but not as fast as it answers.
#[test]
fn an_account_report_from_the_past_is_not_answered_with_a_storm() {
    let mut rig = Rig::quoting(config());
    rig.script("fill bid 0.010\nfill ask 0.010\nstream down\nstream up");
    let mut asked = 0;
    for _ in 0..10 {
        let query = rig.query;
        rig.report(behind(query, 10, Some(TradeId(1))));
        asked += u32::from(asks_for_the_account(&rig));
    }
    assert_eq!(asked, 0, "the question is repeated after a pause");
    rig.script("advance 1s"); // the rig answers what is asked meanwhile
    assert!(rig.engine.snapshot().desks[0].position_known);
}

/// The first trade of an account overtakes an answer that knows of none: old news, not drift.
#[test]
fn the_first_trade_ever_is_not_drift() {
    let mut rig = Rig::quoting(config());
    rig.script("advance 30s\nbook 2599.99 2600.01\narmed");
    let log = rig.script("stream down\nstream up");
    assert!(log.contains("query    account"), "{log}");
    rig.script("fill no1 0.010");
    let query = rig.query;
    rig.report(behind(query, 0, None));
    let log = rig.script("state");
    assert!(!log.contains("drift"), "{log}");
}

/// After a halt that went well there is nothing left to sweep away; a later flatten starts fresh.
#[test]
fn flattening_after_a_halt_keeps_its_own_order() {
    let mut rig = Rig::new(config());
    expect![[r#"
        query    account
        place    sell 0.010 @ 2600.84
        place    buy 0.010 @ 2598.23
        alert    Info: operator: halted
        cancel   sell @ 2600.84
        cancel   buy @ 2598.23
        alert    Info: operator: halted and flattening
        place    sell 0.030 @ 2600.01 reduce-only
        mode     halted operator_halt
        position 0.03
        order    sell 0.030 @ 2600.01 live filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "start 0.030
         book 2599.99 2600.01
         ack all
         halt
         canceled bid
         canceled ask
         advance 10s
         armed
         book 2599.99 2600.01
         flatten
         ack no3
         advance 1s
         book 2599.99 2600.01
         state",
    ));
}

/// A position worth more than one order may be is worked down in pieces, resting ones too.
#[test]
fn flattening_rests_in_pieces_that_are_allowed() {
    let mut config = config();
    config.desks[0].limits.max_order_value = usd("60");
    let mut rig = Rig::new(config);
    expect![[r#"
        query    account
        place    sell 0.010 @ 2600.52
        alert    Info: operator: halted and flattening
        cancel   sell @ 2600.52
        place    sell 0.023 @ 2600.01 reduce-only
        place    sell 0.023 @ 2600.01 reduce-only
        mode     halted operator_halt
        position 0.027
        order    sell 0.023 @ 2600.01 pending_new filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "start 0.050
         book 2599.99 2600.01
         ack all
         flatten
         canceled no1
         ack no2
         fill no2 0.023
         state",
    ));
}

/// Given up after three times "not found", and then the account lists it: it lives, so it is ours.
#[test]
fn an_order_given_up_but_listed_is_taken_back() {
    let mut rig = Rig::new(config());
    rig.script(
        "start
         book 2599.99 2600.01
         ack ask
         pause
         advance 2s
         found no1 nothing
         advance 2s
         found no1 nothing
         advance 2s
         found no1 nothing",
    );
    rig.sent[0].open = true;
    expect![[r#"
        mode     halted paused book_stale
        position 0
        order    sell 0.010 @ 2601.30 in_doubt filled 0.000
        query    account
        query    order 1
        cancel   buy @ 2598.70
        mode     halted paused book_stale
        position 0
        order    sell 0.010 @ 2601.30 in_doubt filled 0.000
        order    buy 0.010 @ 2598.70 pending_cancel filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "state
         advance 100ms
         stream down
         stream up
         account 0
         found no1 open
         state",
    ));
}

/// News of an earlier amendment says nothing about the one under way.
#[test]
fn a_late_confirmation_does_not_settle_a_newer_amendment() {
    let mut rig = Rig::quoting(config());
    let bid = rig.named("bid");
    rig.script("advance 1s\nfill bid 0.004\nbook 2589.99 2590.01");
    let (price, qty) = (market::Price::new(259_870), market::Qty::new(10));
    rig.report(VenueReport::Amended { client_id: bid, price, qty });
    expect![[r#"
        mode     quoting 
        position 0.004
        order    buy 0.010 @ 2598.70 pending_amend filled 0.004
        order    sell 0.010 @ 2601.30 live filled 0.000
        amend    sell to 0.010 @ 2591.24
        mode     quoting 
        position 0.004
        order    buy 0.014 @ 2588.64 live filled 0.004
        order    sell 0.010 @ 2601.30 pending_amend filled 0.000
    "#]]
    .assert_eq(&rig.script("state\namended bid\nstate"));
}

/// A lowered limit cancels what is too much, once, however often the engine is woken before the answer.
#[test]
fn a_lowered_limit_takes_away_no_more_than_it_must() {
    let mut config = config();
    match &mut config.desks[0].strategy {
        quoting::StrategyConfig::BasicMm(basic) => basic.levels = 3,
    }
    let mut rig = Rig::quoting(config.clone());
    config.desks[0].limits.max_position = market::Qty::new(20);
    rig.control(engine::Control::Configure(Box::new(config)));
    let cancels = |rig: &Rig| {
        let cancel = |output: &&engine::Output| match output {
            engine::Output::Venue(approved) => {
                matches!(approved.command(), market::venue::VenueCommand::Cancel { .. })
            }
            engine::Output::Alert(_) | engine::Output::Note(_) => false,
        };
        rig.last.iter().filter(cancel).count()
    };
    assert_eq!(cancels(&rig), 2, "one a side: {:?}", rig.last);
    rig.step(&[]);
    assert_eq!(cancels(&rig), 0, "{:?}", rig.last);
}
