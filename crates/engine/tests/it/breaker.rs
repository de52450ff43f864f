//! The circuit breaker against a twin, and through the engine.

use std::time::Duration;

use engine::config::BreakerConfig;
use engine::risk::{Breaker, BreakerState};
use expect_test::expect;
use market::Nanos;
use proptest::prelude::*;

use crate::rig::{Rig, START, cases, config};

const SECOND: Duration = Duration::from_secs(1);

fn breaker(threshold: u32, timeout: Duration) -> Breaker {
    Breaker::new(&BreakerConfig { threshold, timeout })
}

fn at(seconds: u64) -> Nanos {
    START + SECOND * seconds as u32
}

#[test]
fn failures_in_a_row_open_it_and_a_success_in_between_does_not() {
    let mut breaker = breaker(3, 10 * SECOND);
    for _ in 0..5 {
        breaker.failure(at(0), "no");
        breaker.failure(at(0), "no");
        assert_eq!((breaker.state(), breaker.failures()), (BreakerState::Closed, 2));
        breaker.success();
        assert_eq!(breaker.failures(), 0);
    }
    (0..3).for_each(|_| breaker.failure(at(1), "why"));
    assert_eq!(breaker.state(), BreakerState::Open { until: at(11) });
    assert_eq!((breaker.reason(), breaker.opened()), ("why", 1));
}

#[test]
fn neither_success_nor_failure_moves_an_open_breaker() {
    let mut breaker = breaker(1, 10 * SECOND);
    breaker.failure(at(0), "first");
    breaker.success();
    breaker.failure(at(5), "second");
    assert_eq!(breaker.state(), BreakerState::Open { until: at(10) });
    assert_eq!((breaker.reason(), breaker.opened()), ("first", 1));
}

#[test]
fn a_trial_starts_at_the_time_out_to_the_nanosecond() {
    let mut breaker = breaker(1, 10 * SECOND);
    breaker.failure(at(0), "no");
    breaker.expire(at(10) - Duration::from_nanos(1));
    assert!(breaker.is_open());
    breaker.expire(at(10));
    assert_eq!((breaker.state(), breaker.next_deadline()), (BreakerState::HalfOpen, None));
}

#[test]
fn a_trial_ends_with_the_first_result() {
    let mut breaker = breaker(3, 10 * SECOND);
    breaker.trip(at(0), "limit");
    breaker.expire(at(10));
    breaker.failure(at(11), "again");
    assert_eq!(breaker.state(), BreakerState::Open { until: at(21) }, "one failure is enough");
    assert_eq!(breaker.opened(), 2);
    breaker.expire(at(21));
    breaker.success();
    assert_eq!((breaker.state(), breaker.failures()), (BreakerState::Closed, 0));
}

#[test]
fn a_limit_breached_while_open_puts_the_trial_off() {
    let mut breaker = breaker(3, 10 * SECOND);
    breaker.trip(at(0), "limit");
    breaker.trip(at(6), "other limit");
    breaker.expire(at(10));
    assert_eq!(breaker.state(), BreakerState::Open { until: at(16) });
    assert_eq!((breaker.reason(), breaker.opened()), ("other limit", 1));
}

#[derive(Clone, Debug)]
enum Op {
    Failure,
    Success,
    Trip,
    Reset,
    Wait(u64),
}

fn an_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Failure),
        3 => Just(Op::Success),
        1 => Just(Op::Trip),
        1 => Just(Op::Reset),
        4 => (0_u64..8).prop_map(Op::Wait),
    ]
}

/// Remembers everything that happened and works out the state from the whole story.
#[derive(Default)]
struct Twin {
    story: Vec<(u64, Op)>,
}

impl Twin {
    /// Seconds until which it is open; whether it is on trial; failures in a row.
    fn read(&self, now: u64, threshold: u32, timeout: u64) -> (Option<u64>, bool, u32) {
        let (mut opened, mut row): (Option<u64>, u32) = (None, 0);
        for (when, op) in &self.story {
            let ends = opened.map(|at| at + timeout);
            let open = ends.is_some_and(|ends| *when < ends);
            let trial = ends.is_some_and(|ends| *when >= ends);
            match op {
                Op::Failure if open => {}
                Op::Failure if trial => opened = Some(*when),
                Op::Failure => {
                    row += 1;
                    opened = (row >= threshold).then_some(*when);
                }
                Op::Success if open => {}
                Op::Success | Op::Reset => (opened, row) = (None, 0),
                Op::Trip => opened = Some(*when),
                Op::Wait(_) => {}
            }
        }
        let ends = opened.map(|at| at + timeout);
        (ends.filter(|ends| now < *ends), ends.is_some_and(|ends| now >= ends), row)
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn agrees_with_the_twin(
        threshold in 1_u32..5,
        timeout in 1_u64..15,
        ops in prop::collection::vec(an_op(), 1..80),
    ) {
        let mut breaker = breaker(threshold, SECOND * timeout as u32);
        let (mut twin, mut now) = (Twin::default(), 0);
        for op in ops {
            match op {
                Op::Failure => breaker.failure(at(now), "failure"),
                Op::Success => breaker.success(),
                Op::Trip => breaker.trip(at(now), "trip"),
                Op::Reset => breaker.reset(),
                Op::Wait(span) => now += span,
            }
            breaker.expire(at(now));
            twin.story.push((now, op));
            let (open, trial, row) = twin.read(now, threshold, timeout);
            let wanted = match (open, trial) {
                (Some(until), _) => BreakerState::Open { until: at(until) },
                (None, true) => BreakerState::HalfOpen,
                (None, false) => BreakerState::Closed,
            };
            prop_assert_eq!(breaker.state(), wanted);
            prop_assert_eq!(breaker.next_deadline(), open.map(at));
            if wanted == BreakerState::Closed {
                prop_assert_eq!(breaker.failures(), row);
                prop_assert!(row < threshold);
            }
        }
    }
}

/// A time-out of an order is a failure; the venue's flow control and our own cancels are not.
#[test]
fn what_counts_as_a_failure() {
    for (script, opens) in [
        ("reject bid margin", true),
        ("doubt bid", true),
        ("reject bid would_take", false),
        ("reject amend bid unknown", false),
        ("reject cancel bid unknown", false),
        ("advance 2s", true),
    ] {
        let mut config = config();
        config.breaker.threshold = 1;
        let mut rig = Rig::new(config);
        rig.script("start\nbook 2599.99 2600.01\nack ask");
        let log = rig.script(script);
        assert_eq!(log.contains("breaker  open"), opens, "{script}: {log}");
    }
}

/// The trial is quoting as usual; its first answer decides.
#[test]
fn the_trial_places_orders_again() {
    let mut config = config();
    config.breaker.threshold = 1;
    let mut rig = Rig::new(config);
    rig.script("start\nbook 2599.99 2600.01\nack ask\nreject bid margin\ncanceled ask");
    expect![[r#"
        breaker  half_open
        place    buy 0.010 @ 2598.70
        place    sell 0.010 @ 2601.30
        breaker  closed
        mode     quoting 
        position 0
        order    buy 0.010 @ 2598.70 live filled 0.000
        order    sell 0.010 @ 2601.30 pending_new filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "advance 300s
         armed
         book 2599.99 2600.01
         ack bid
         state",
    ));
}
