//! Things go wrong between engine and venue; afterwards both must agree again.

use std::time::Duration;

use engine::Control;
use sim_exchange::{Faults, Injection, SimConfig};

use crate::market::{Bench, engine_config, lively, millis, strategy};

/// Many orders at once, on a lively market, with these faults for three minutes; then half a minute
/// without, after which everything must agree. Shutting down leaves nothing behind.
fn survives(name: &str, faults: Faults) {
    for seed in 1..=3 {
        let mut config = engine_config();
        config.breaker.threshold = 1_000;
        let own = strategy(&mut config);
        (own.levels, own.base_spread, own.level_spacing) = (8, 0.0002, 0.00002);
        own.base_size = market::Qty::new(20);
        config.desks[0].requote.price_tolerance = 0.5;
        let mut bench = Bench::new(config, SimConfig { faults: faults.clone(), ..lively(seed) });
        bench.run(Duration::from_secs(180));
        let fills = bench.truth().fills;
        bench.exchange.inject(Injection::Faults(Faults::none()));
        bench.run(Duration::from_secs(45));
        bench.control(Control::Pause);
        bench.run(Duration::from_secs(5));
        let context = format!("{name}, seed {seed}");
        bench.assert_agreement(&context);
        assert!(fills > 0, "{context}: nothing traded, nothing proved");
        assert!(bench.truth().open_orders.is_empty(), "{context}: paused");
        bench.control(Control::Resume { clear_halt: false });
        bench.run(Duration::from_secs(2));
        assert!(!bench.truth().open_orders.is_empty(), "{context}: quoting again");
        bench.control(Control::Shutdown);
        bench.run(Duration::from_secs(5));
        assert!(bench.engine.is_done(), "{context}: done");
        bench.assert_agreement(&context);
    }
}

#[test]
fn no_faults() {
    survives("no faults", Faults::none());
}

#[test]
fn acks_lost_and_late() {
    survives(
        "acks",
        Faults {
            lose_ack: 100_000,
            delay_report: 200_000,
            delay: Duration::from_secs(3),
            ..Faults::none()
        },
    );
}

#[test]
fn fills_lost_and_doubled() {
    survives("fills", Faults { lose_fill: 200_000, duplicate_report: 300_000, ..Faults::none() });
}

#[test]
fn cancels_lost_and_commands_dropped() {
    survives("cancels", Faults { lose_cancel: 200_000, drop_command: 50_000, ..Faults::none() });
}

#[test]
fn outcomes_unknown() {
    survives(
        "doubt",
        Faults {
            doubt_executed: 100_000,
            doubt_dropped: 100_000,
            fail_query: 200_000,
            ..Faults::none()
        },
    );
}

#[test]
fn everything_at_once() {
    survives(
        "everything",
        Faults {
            lose_ack: 50_000,
            lose_fill: 50_000,
            lose_cancel: 50_000,
            duplicate_report: 100_000,
            delay_report: 100_000,
            delay: millis(700),
            doubt_executed: 30_000,
            doubt_dropped: 30_000,
            drop_command: 20_000,
            fail_query: 50_000,
            fail_dead_man: 50_000,
            feed_gap: 1_000,
            ..Faults::none()
        },
    );
}

#[test]
fn an_order_in_doubt_is_asked_about_before_anything_else() {
    let faults = Faults { doubt_executed: 1_000_000, ..Faults::none() };
    let mut bench = Bench::new(engine_config(), SimConfig { faults, ..lively(1) });
    bench.run(Duration::from_secs(2));
    bench.exchange.inject(Injection::Faults(Faults::none()));
    bench.run(Duration::from_secs(5));
    let counters = bench.desk().counters;
    assert!(counters.in_doubt >= 2, "{counters:?}");
    for side in market::Side::BOTH {
        let resting = bench.truth().open_orders.iter().filter(|order| order.side == side).count();
        assert!(resting <= 1, "asked, found, and not sent again: {resting} on {side}");
    }
    bench.control(Control::Pause);
    bench.run(Duration::from_secs(3));
    bench.assert_agreement("after doubt");
}

#[test]
fn the_user_stream_goes_and_comes_back() {
    let down = (crate::market::START + Duration::from_secs(60), Duration::from_secs(20));
    let mut config = engine_config();
    let own = strategy(&mut config);
    (own.base_spread, own.base_size) = (0.0001, market::Qty::new(20));
    let faults = Faults { stream_down: vec![down], ..Faults::none() };
    let mut bench = Bench::new(config, SimConfig { faults, ..lively(2) });
    bench.run(Duration::from_secs(62));
    assert!(bench.truth().open_orders.is_empty(), "no quote without a live user stream");
    bench.run(Duration::from_secs(30));
    assert!(!bench.truth().open_orders.is_empty());
    bench.control(Control::Pause);
    bench.run(Duration::from_secs(5));
    bench.assert_agreement("after the outage");
}
