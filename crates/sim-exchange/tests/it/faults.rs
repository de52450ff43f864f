//! What goes wrong goes wrong as told, and the truth stays to be found.

use expect_test::expect;
use market::venue::{TimeInForce, VenueReport};
use market::{Book, BookStatus, MarketKind, Side};
use sim_exchange::{Faults, SimConfig, SimExchange, SimOutput};

use crate::support::{ID, at, busy, ms, place, play, quiet, run};

const ALWAYS: u32 = 1_000_000;

fn with(faults: Faults) -> SimConfig {
    let mut config = quiet();
    config.faults = faults;
    config
}

#[test]
fn doubt_hides_an_executed_order() {
    let (sim, transcript) = play(
        with(Faults { doubt_executed: ALWAYS, ..Faults::none() }),
        "buy 10 @ 0 gtc #1
         print sell 4 @ 0
         query #1
         cancel #1
         query #1
         buy 1 @ 0 gtc #2
         query #2",
    );
    expect![[r#"
        > buy 10 @ 0 gtc #1
        in doubt #1 Place
        fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
        > query #1
        order #1: open buy 10 @ 0 filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)]
        > cancel #1
        in doubt #1 Cancel
        > query #1
        order #1: Canceled filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)]
        > buy 1 @ 0 gtc #2
        in doubt #2 Place
        > query #2
        order #2: not found []
    "#]]
    .assert_eq(&transcript);
    assert!(sim.truth().open_orders.is_empty());
}

#[test]
fn doubt_about_an_order_that_never_arrived() {
    let (_, transcript) = play(
        with(Faults { doubt_dropped: ALWAYS, ..Faults::none() }),
        "buy 10 @ 0 gtc #1
         query #1
         amend #1 buy 10 @ 1
         cancel #1",
    );
    expect![[r#"
        > buy 10 @ 0 gtc #1
        in doubt #1 Place
        > query #1
        order #1: not found []
        > amend #1 buy 10 @ 1
        in doubt #1 Amend
        > cancel #1
        in doubt #1 Cancel
    "#]]
    .assert_eq(&transcript);
}

/// One script under several faults.
fn under(cases: &[(&str, Faults)]) -> String {
    let script = "buy 10 @ 0 gtc #1
         print sell 4 @ 0
         cancel #1
         query #1
         dead-man 500";
    let transcripts = cases
        .iter()
        .map(|(title, faults)| format!("--- {title}\n{}", play(with(faults.clone()), script).1));
    transcripts.collect()
}

#[test]
fn lost_reports() {
    let all = under(&[
        ("ack", Faults { lose_ack: ALWAYS, ..Faults::none() }),
        ("fill", Faults { lose_fill: ALWAYS, ..Faults::none() }),
        ("cancel", Faults { lose_cancel: ALWAYS, ..Faults::none() }),
        ("twice", Faults { duplicate_report: ALWAYS, ..Faults::none() }),
    ]);
    expect![[r#"
        --- ack
        > buy 10 @ 0 gtc #1
        fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
        > cancel #1
        canceled #1 filled 4
        > query #1
        order #1: Canceled filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)]
        > dead-man 500
        dead-man in 500 ms
        --- fill
        > buy 10 @ 0 gtc #1
        ack #1
        > cancel #1
        canceled #1 filled 4
        > query #1
        order #1: Canceled filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)]
        > dead-man 500
        dead-man in 500 ms
        --- cancel
        > buy 10 @ 0 gtc #1
        ack #1
        fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
        > cancel #1
        > query #1
        order #1: Canceled filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)]
        > dead-man 500
        dead-man in 500 ms
        --- twice
        > buy 10 @ 0 gtc #1
        ack #1
        ack #1
        fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
        fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
        > cancel #1
        canceled #1 filled 4
        canceled #1 filled 4
        > query #1
        order #1: Canceled filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)]
        > dead-man 500
        dead-man in 500 ms
    "#]]
    .assert_eq(&all);
}

#[test]
fn lost_commands_and_failed_answers() {
    let all = under(&[
        ("command", Faults { drop_command: ALWAYS, ..Faults::none() }),
        ("query", Faults { fail_query: ALWAYS, ..Faults::none() }),
        ("dead-man", Faults { fail_dead_man: ALWAYS, ..Faults::none() }),
    ]);
    expect![[r#"
        --- command
        > buy 10 @ 0 gtc #1
        > cancel #1
        > query #1
        > dead-man 500
        --- query
        > buy 10 @ 0 gtc #1
        ack #1
        fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
        > cancel #1
        canceled #1 filled 4
        > query #1
        QueryFailed
        > dead-man 500
        dead-man in 500 ms
        --- dead-man
        > buy 10 @ 0 gtc #1
        ack #1
        fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)
        > cancel #1
        canceled #1 filled 4
        > query #1
        order #1: Canceled filled 4 [fill #1 buy 4 @ 0 maker fee 0 (sum 4, trade 1)]
        > dead-man 500
        DeadManFailed
    "#]]
    .assert_eq(&all);
}

#[test]
fn a_delayed_report_is_overtaken() {
    let mut sim =
        SimExchange::new(with(Faults { delay_report: ALWAYS, delay: ms(300), ..Faults::none() }));
    let mut out = Vec::new();
    sim.step(at(0), &[place(1, Side::Buy, 261_000, 10, TimeInForce::Gtc)], &mut out);
    out.clear();
    sim.step(at(299), &[], &mut out);
    assert!(!out.iter().any(|o| matches!(o, SimOutput::Venue(VenueReport::Ack { .. }))));
    sim.step(at(300), &[], &mut out);
    assert!(out.iter().any(|o| matches!(o, SimOutput::Venue(VenueReport::Ack { .. }))));
}

#[test]
fn while_the_user_stream_is_down_only_answers_arrive() {
    let (_, transcript) = play(
        with(Faults { stream_down: vec![(at(100), ms(1_000))], ..Faults::none() }),
        "buy 10 @ 0 gtc #1
         wait 200
         buy 10 @ 1 gtc #2
         print sell 20 @ 0
         wait 2000
         account after 0",
    );
    expect![[r#"
        > buy 10 @ 0 gtc #1
        ack #1
        StreamDown
        > buy 10 @ 1 gtc #2
        ack #2
        StreamUp
        > account after 0
        account: position 20 entry 2610.005 wallet 10000 open 0 fills [1, 2] last Some(2)
    "#]]
    .assert_eq(&transcript);
}

/// Runs a market with feed faults; returns how often the book broke and healed.
fn breaks(faults: Faults, seconds: u64) -> (u32, u32) {
    let mut config = busy(5);
    config.faults = faults;
    let mut sim = SimExchange::new(config);
    let (mut out, mut book) = (Vec::new(), Book::default());
    let (mut broken, mut healed, mut was) = (0, 0, BookStatus::Empty);
    let mut now = at(0);
    while now < at(seconds * 1_000) {
        now = sim.next_deadline().unwrap();
        sim.step(now, &[], &mut out);
        for output in out.drain(..) {
            if let SimOutput::Market(event) = output {
                assert_eq!(event.instrument, ID);
                match event.kind {
                    MarketKind::Snapshot(snapshot) => book.apply_snapshot(now, &snapshot),
                    MarketKind::Diff(diff) => book.apply_diff(now, &diff),
                    MarketKind::Ticker(ticker) => book.apply_ticker(now, ticker),
                    MarketKind::FeedDown => book.feed_down(),
                    MarketKind::Trade(_) | MarketKind::Mark(_) | MarketKind::FeedUp => {}
                }
            }
        }
        let status = book.status(now, ms(500));
        let bad = |s| matches!(s, BookStatus::Gapped | BookStatus::Stale);
        broken += u32::from(bad(status) && was == BookStatus::Synced);
        healed += u32::from(status == BookStatus::Synced && was != BookStatus::Synced);
        was = status;
    }
    assert_eq!(was, BookStatus::Synced);
    (broken, healed)
}

#[test]
fn a_gap_in_the_feed_heals_with_a_snapshot() {
    let (broken, healed) = breaks(Faults { feed_gap: 5_000, ..Faults::none() }, 60);
    assert!(broken >= 2, "broken {broken}");
    assert!(healed >= broken, "broken {broken}, healed {healed}");
}

#[test]
fn a_silent_feed_heals_when_the_silence_ends() {
    let silence = Faults { feed_silence: vec![(at(5_000), ms(3_000))], ..Faults::none() };
    assert_eq!(breaks(silence, 12), (1, 2));
}

#[test]
fn faults_leave_the_truth_alone() {
    // The same commands with and without lost reports end in the same truth.
    let script = "buy 10 @ 0 gtc #1
         other: sell 20 @ 3 gtc #1
         buy 12 @ 3 gtc #2
         print sell 4 @ 0
         cancel #1";
    let lossy = Faults {
        lose_ack: 500_000,
        lose_fill: 500_000,
        lose_cancel: 500_000,
        duplicate_report: 500_000,
        ..Faults::none()
    };
    let (clean, _) = play(quiet(), script);
    let (faulty, _) = play(with(lossy), script);
    assert_eq!(clean.truth(), faulty.truth());
    let mut sim = faulty;
    let mut out = Vec::new();
    run(&mut sim, at(1_000), &mut out);
}
