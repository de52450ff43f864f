//! The life of quotes, told as scripts.

use expect_test::{Expect, expect};

use crate::rig::{Rig, config};

fn check(script: &str, expected: Expect) {
    let mut rig = Rig::quoting(config());
    expected.assert_eq(&rig.script(script));
}

#[test]
fn nothing_is_quoted_before_everything_is_known() {
    let mut rig = Rig::new(config());
    expect![[r#"
        mode     halted user_stream_down position_unknown dead_man_unarmed warmup
        position 0
        query    account
        mode     halted position_unknown dead_man_unarmed
        position 0
        mode     halted dead_man_unarmed
        position 0
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        mode     quoting 
        position 0
        order    buy 0.010 @ 2598.70 pending_new filled 0.000
        order    sell 0.010 @ 2601.30 pending_new filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "book 2599.99 2600.01
         state
         stream up
         state
         account 0
         state
         armed
         state",
    ));
}

#[test]
fn a_fill_moves_the_centre_and_is_replaced() {
    check(
        "fill bid 0.010
         state
         ack all
         state",
        expect![[r#"
            place    buy 0.010 @ 2598.54
            mode     quoting 
            position 0.01
            order    sell 0.010 @ 2601.30 live filled 0.000
            order    buy 0.010 @ 2598.54 pending_new filled 0.000
            mode     quoting 
            position 0.01
            order    sell 0.010 @ 2601.30 live filled 0.000
            order    buy 0.010 @ 2598.54 live filled 0.000
        "#]],
    );
}

#[test]
fn a_partial_fill_then_a_cancel_and_a_fill_that_beats_it() {
    check(
        "fill bid 0.004
         halt                  # the target becomes empty
         fill bid 0.003        # fills while our cancel flies
         canceled bid
         canceled ask
         state",
        expect![[r#"
            alert    Info: operator: halted
            cancel   sell @ 2601.30
            cancel   buy @ 2598.70
            mode     halted operator_halt
            position 0.007
        "#]],
    );
}

#[test]
fn a_canceled_order_with_an_unreported_fill_is_asked_about() {
    let mut rig = Rig::quoting(config());
    let bid = rig.named("bid");
    let fill = rig.make_fill(bid, market::Qty::new(4)); // happens at the venue, the report is lost
    expect![[r#"
        alert    Info: operator: paused
        cancel   buy @ 2598.70
        cancel   sell @ 2601.30
        query    order 1
        mode     halted paused
        position 0
        order    buy 0.010 @ 2598.70 in_doubt filled 0.004
    "#]]
    .assert_eq(&rig.script("pause\ncanceled bid\ncanceled ask\nstate"));
    rig.report(market::venue::VenueReport::Order {
        client_id: bid,
        fate: market::venue::OrderFate::Closed {
            filled: market::Qty::new(4),
            outcome: market::venue::Outcome::Canceled,
        },
        fills: vec![fill, fill],
    });
    expect![[r#"
        mode     halted paused
        position 0.004
    "#]]
    .assert_eq(&rig.script("state"));
}

#[test]
fn a_lost_acknowledgement_is_resolved_by_asking() {
    let mut rig = Rig::new(config());
    expect![[r#"
        query    account
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        alert    Warning: ETHUSDC: no answer to Place of mm-00000001-00000001 within 2s; asking the venue
        query    order 1
        mode     quoting 
        position 0
        order    buy 0.010 @ 2598.70 in_doubt filled 0.000
        order    sell 0.010 @ 2601.30 live filled 0.000
        mode     quoting 
        position 0
        order    buy 0.010 @ 2598.70 live filled 0.000
        order    sell 0.010 @ 2601.30 live filled 0.000
    "#]].assert_eq(&rig.script(
        "start
         book 2599.99 2600.01
         ack ask                # that of the bid is lost
         book 2599.99 2600.01
         advance 1900ms
         book 2599.99 2600.01
         advance 200ms
         state
         found bid open
         state",
    ));
}

#[test]
fn an_order_that_never_arrived_is_given_up_after_asking_three_times() {
    let mut rig = Rig::new(config());
    let script = "start
         book 2599.99 2600.01
         ack ask
         pause
         advance 2s
         found no1 nothing
         advance 2s
         found no1 nothing
         advance 2s
         found no1 nothing
         state
         ack no1                # and then it turns out to live after all";
    expect![[r#"
        query    account
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        alert    Info: operator: paused
        cancel   buy @ 2598.70
        cancel   sell @ 2601.30
        alert    Warning: ETHUSDC: no answer to Cancel of mm-00000001-00000001 within 2s; asking the venue
        query    order 1
        alert    Warning: ETHUSDC: no answer to Cancel of mm-00000001-00000002 within 2s; asking the venue
        query    order 2
        query    order 1
        query    order 2
        cancel   all
        cancel   buy @ 2598.70
        cancel   sell @ 2601.30
        query    order 1
        query    order 2
        cancel   all
        cancel   buy @ 2598.70
        cancel   sell @ 2601.30
        mode     halted paused book_stale
        position 0
        order    sell 0.010 @ 2601.30 in_doubt filled 0.000
        alert    Error: ETHUSDC: mm-00000001-00000001: Ack in state done; reconciling
        query    account
        query    order 1
    "#]].assert_eq(&rig.script(script));
}

#[test]
fn noise_leaves_quotes_alone_and_a_move_amends_them() {
    check(
        "advance 300ms
         book 2600.04 2600.06
         book 2600.10 2600.12
         book 2602.99 2603.01
         ack all
         state",
        expect![[r#"
            amend    sell to 0.010 @ 2604.31
            mode     quoting 
            position 0
            order    buy 0.010 @ 2598.70 live filled 0.000
            order    sell 0.010 @ 2601.30 pending_amend filled 0.000
        "#]],
    );
}

#[test]
fn moving_towards_the_market_waits_and_moving_away_does_not() {
    check(
        "book 2596.99 2597.01
         amended bid
         state
         advance 249ms
         state
         advance 1ms",
        expect![[r#"
            amend    buy to 0.010 @ 2595.70
            mode     quoting 
            position 0
            order    buy 0.010 @ 2595.70 live filled 0.000
            order    sell 0.010 @ 2601.30 live filled 0.000
            mode     quoting 
            position 0
            order    buy 0.010 @ 2595.70 live filled 0.000
            order    sell 0.010 @ 2601.30 live filled 0.000
            amend    sell to 0.010 @ 2598.30
        "#]],
    );
}

#[test]
fn a_stale_book_withdraws_the_quotes_and_a_fresh_one_brings_them_back() {
    check(
        "advance 2s
         advance 1ms
         canceled bid
         canceled ask
         advance 300ms
         book 2599.99 2600.01",
        expect![[r#"
            alert    Warning: ETHUSDC: quotes withdrawn: book_stale
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            place    buy 0.010 @ 2598.70
            place    sell 0.010 @ 2601.30
        "#]],
    );
}

#[test]
fn feed_and_user_stream_down_withdraw_the_quotes() {
    check(
        "feed down
         canceled bid
         canceled ask
         advance 300ms
         book 2599.99 2600.01
         ack all
         stream down
         state
         canceled bid
         canceled ask
         stream up
         account 0
         book 2599.99 2600.01
         state",
        expect![[r#"
            alert    Warning: ETHUSDC: quotes withdrawn: book_empty
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            place    buy 0.010 @ 2598.70
            place    sell 0.010 @ 2601.30
            alert    Error: ETHUSDC: quotes withdrawn: user_stream_down
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            mode     halted user_stream_down position_unknown
            position 0
            order    buy 0.010 @ 2598.70 pending_cancel filled 0.000
            order    sell 0.010 @ 2601.30 pending_cancel filled 0.000
            query    account
            place    buy 0.010 @ 2598.70
            place    sell 0.010 @ 2601.30
            mode     quoting 
            position 0
            order    buy 0.010 @ 2598.70 pending_new filled 0.000
            order    sell 0.010 @ 2601.30 pending_new filled 0.000
        "#]],
    );
}

#[test]
fn an_unexplained_position_halts_until_an_operator_accepts_it() {
    check(
        "stream down
         canceled bid
         canceled ask
         stream up
         account 0.007        # one part of the venue may lag behind another
         state
         advance 600ms
         account 0.007
         state
         resume
         resume clear
         account 0.007
         book 2599.99 2600.01
         state",
        expect![[r#"
            alert    Error: ETHUSDC: quotes withdrawn: user_stream_down
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            query    account
            mode     halted position_unknown
            position 0
            alert    Critical: ETHUSDC: position is 0 by our fills but 0.007 at the venue; trading is halted. Find the cause, then `trader resume --clear-halt` takes over the venue's position
            mode     halted drift
            position 0
            alert    Info: operator: resumed
            alert    Info: operator: resumed, halts cleared
            query    account
            place    sell 0.010 @ 2601.20
            place    buy 0.010 @ 2598.59
            mode     quoting 
            position 0.007
            order    sell 0.010 @ 2601.20 pending_new filled 0.000
            order    buy 0.010 @ 2598.59 pending_new filled 0.000
        "#]],
    );
}

#[test]
fn a_pause_is_lifted_by_resume_and_a_halt_only_deliberately() {
    check(
        "pause
         canceled bid
         canceled ask
         resume
         advance 300ms
         ack all
         halt
         canceled bid
         canceled ask
         resume
         state
         resume clear
         state",
        expect![[r#"
            alert    Info: operator: paused
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            alert    Info: operator: resumed
            place    buy 0.010 @ 2598.70
            place    sell 0.010 @ 2601.30
            alert    Info: operator: halted
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            alert    Info: operator: resumed
            mode     halted operator_halt
            position 0
            alert    Info: operator: resumed, halts cleared
            place    buy 0.010 @ 2598.70
            place    sell 0.010 @ 2601.30
            mode     quoting 
            position 0
            order    buy 0.010 @ 2598.70 pending_new filled 0.000
            order    sell 0.010 @ 2601.30 pending_new filled 0.000
        "#]],
    );
}

#[test]
fn cancels_that_are_not_answered_escalate() {
    check(
        "shutdown
         advance 5s
         found bid canceled
         found ask canceled
         state",
        expect![[r#"
            alert    Info: operator: shutting down
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            alert    Warning: ETHUSDC: no answer to Cancel of mm-00000001-00000001 within 2s; asking the venue
            query    order 1
            alert    Warning: ETHUSDC: no answer to Cancel of mm-00000001-00000002 within 2s; asking the venue
            query    order 2
            query    order 1
            query    order 2
            cancel   all
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            mode     halted shutdown book_stale
            position 0
        "#]],
    );
}

#[test]
fn flatten_rests_patiently_then_takes() {
    let mut rig = Rig::new(config());
    expect![[r#"
        query    account
        place    sell 0.010 @ 2600.84
        place    buy 0.010 @ 2598.23
        alert    Info: operator: halted and flattening
        cancel   sell @ 2600.84
        cancel   buy @ 2598.23
        place    sell 0.030 @ 2600.01 reduce-only
        cancel   sell @ 2600.01
        place    sell 0.020 @ 2594.80 reduce-only
        alert    Info: ETHUSDC: position is flat
        mode     halted operator_halt
        position 0
    "#]]
    .assert_eq(&rig.script(
        "start 0.030
         book 2599.99 2600.01
         ack all
         flatten
         canceled no1
         canceled no2
         ack no3
         fill no3 0.010
         advance 1900ms
         book 2599.99 2600.01
         advance 1900ms
         book 2599.99 2600.01
         advance 1900ms
         book 2599.99 2600.01
         canceled no3
         advance 100ms
         book 2599.99 2600.01
         fill no4 0.020
         state",
    ));
}

#[test]
fn the_breaker_opens_tries_again_opens_again_and_closes() {
    let mut config = config();
    config.breaker.threshold = 2;
    let mut rig = Rig::new(config);
    expect![[r#"
        query    account
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        breaker  open
        alert    Critical: circuit breaker opened: venue rejects
        mode     halted breaker_open
        position 0
        mode     halted breaker_open
        position 0
        breaker  half_open
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        breaker  open
        alert    Critical: circuit breaker opened: venue rejects
        cancel   sell @ 2601.30
        mode     halted breaker_open
        position 0
        order    sell 0.010 @ 2601.30 pending_cancel filled 0.000
        breaker  half_open
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        breaker  closed
        mode     quoting 
        position 0
        order    buy 0.010 @ 2598.70 live filled 0.000
        order    sell 0.010 @ 2601.30 live filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "start
         book 2599.99 2600.01
         reject bid margin
         reject ask margin
         state
         advance 299s
         armed
         book 2599.99 2600.01
         state
         advance 1s
         armed
         book 2599.99 2600.01
         reject bid margin
         state
         canceled ask
         advance 300s
         armed
         book 2599.99 2600.01
         ack bid
         ack ask
         state",
    ));
}

#[test]
fn post_only_rejections_are_flow_control() {
    let mut rig = Rig::new(config());
    expect![[r#"
        query    account
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        mode     quoting 
        position 0
        order    buy 0.010 @ 2598.70 pending_new filled 0.000
        order    sell 0.010 @ 2601.30 pending_new filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "start
         book 2599.99 2600.01
         reject bid would_take
         reject ask would_take
         book 2599.99 2600.01
         advance 250ms
         state",
    ));
}

#[test]
fn the_daily_loss_limit_halts_until_midnight() {
    let mut rig = Rig::new(config());
    expect![[r#"
        query    account
        place    sell 0.010 @ 2600.52
        alert    Critical: daily loss limit reached: day -100.00, drawdown 100.00 from 5000.00; trading stops until 00:00 UTC
        breaker  open
        alert    Critical: circuit breaker opened: daily loss limit
        cancel   sell @ 2600.52
        alert    Error: ETHUSDC: base_size is below the venue's smallest order; nothing can be quoted
        mode     halted daily_loss breaker_open below_minimum
        position 0.05
        order    sell 0.010 @ 2600.52 pending_cancel filled 0.000
        mode     halted daily_loss breaker_open
        position 0.05
        alert    Info: operator: circuit breaker reset
        breaker  closed
        mode     halted daily_loss
        position 0.05
        alert    Info: operator: resumed, halts cleared
        mode     halted daily_loss
        position 0.05
        place    sell 0.010 @ 2600.52
        mode     quoting 
        position 0.05
        order    sell 0.010 @ 2600.52 pending_new filled 0.000
    "#]].assert_eq(&rig.script(
        "advance 10h
         start 0.050
         book 2599.99 2600.01
         mark 2600
         ack all
         book 599.99 600.01
         mark 600
         state
         canceled ask
         book 2599.99 2600.01
         mark 2600
         state
         breaker reset
         state
         resume clear          # a loss limit of the day is not lifted by hand
         state
         advance 13h
         advance 59m
         armed
         advance 60s
         armed
         book 2599.99 2600.01
         state",
    ));
}

#[test]
fn an_obstacle_at_the_venue_withdraws_quotes_until_it_is_gone() {
    check(
        "obstacle clock_off on
         obstacle venue_banned on
         canceled bid
         canceled ask
         obstacle clock_off off
         state
         obstacle venue_banned off
         state",
        expect![[r#"
            alert    Critical: ETHUSDC: quotes withdrawn: clock_off
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            mode     halted venue_banned
            position 0
            place    buy 0.010 @ 2598.70
            place    sell 0.010 @ 2601.30
            mode     quoting 
            position 0
            order    buy 0.010 @ 2598.70 pending_new filled 0.000
            order    sell 0.010 @ 2601.30 pending_new filled 0.000
        "#]],
    );
}

#[test]
fn a_restricted_account_only_shrinks_its_position() {
    check(
        "fill bid 0.010
         ack all
         obstacle venue_only_reduce on
         state",
        expect![[r#"
            place    buy 0.010 @ 2598.54
            alert    Critical: ETHUSDC: quotes withdrawn: venue_only_reduce
            cancel   sell @ 2601.30
            cancel   buy @ 2598.54
            refused  mode
            mode     reduce_only venue_only_reduce
            position 0.01
            order    sell 0.010 @ 2601.30 pending_cancel filled 0.000
            order    buy 0.010 @ 2598.54 pending_cancel filled 0.000
        "#]],
    );
}

#[test]
fn a_contradiction_is_resolved_before_quoting_goes_on() {
    check(
        "resync
         state
         resync
         account 0
         state",
        expect![[r#"
            alert    Error: ETHUSDC: quotes withdrawn: position_unknown
            cancel   buy @ 2598.70
            cancel   sell @ 2601.30
            mode     halted position_unknown
            position 0
            order    buy 0.010 @ 2598.70 pending_cancel filled 0.000
            order    sell 0.010 @ 2601.30 pending_cancel filled 0.000
            mode     halted position_unknown
            position 0
            order    buy 0.010 @ 2598.70 pending_cancel filled 0.000
            order    sell 0.010 @ 2601.30 pending_cancel filled 0.000
        "#]],
    );
}
