//! The course of trading: quotes, fills, skew, limits, stale data, halts.

use std::time::Duration;

use engine::{AlertKind, Control, Note};
use market::venue::VenueReport;
use market::{Position, Qty, Side, Ticks, Usd};
use sim_exchange::{Faults, Injection, Latency, SimConfig};

use crate::market::{Bench, START, decimal, engine_config, lively, millis, price, quiet, strategy};

#[test]
fn quote_fill_position_requote() {
    let mut bench = Bench::quoting(engine_config());
    assert_eq!(bench.resting(Side::Buy), Some(price("2598.70")));
    assert_eq!(bench.resting(Side::Sell), Some(price("2601.30")));

    // Somebody sells through the book down to us.
    bench.take(Side::Sell, price("2598.70"), 50_100);
    bench.liquidity("2599.90", "2600.10");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.position(), Position::new(100));
    let bid = bench.resting(Side::Buy).expect("quoted again");
    assert!(bid < price("2598.70"), "long, so the centre moved down: {bid:?}");
    assert!(bench.resting(Side::Sell).is_some());
    bench.assert_agreement("after the fill");
}

#[test]
fn a_partial_fill_then_a_cancel_and_a_fill_that_beats_it() {
    let slow =
        SimConfig { latency: Latency::constant(millis(2), millis(50), millis(5)), ..quiet() };
    let mut bench = Bench::new(engine_config(), slow);
    bench.liquidity("2599.90", "2600.10");
    bench.run(millis(600));

    bench.take(Side::Sell, price("2598.70"), 50_030);
    bench.run(millis(20));
    assert_eq!(bench.position(), Position::new(30), "a part has filled");
    bench.control(Control::Halt);
    bench.run(millis(10));
    // Our cancel is on its way for 50 ms; meanwhile the market takes more of the order.
    bench.take(Side::Sell, price("2598.70"), 20);
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.position(), Position::new(50), "the fill that beat the cancel counts");
    assert!(bench.truth().open_orders.is_empty());
    bench.assert_agreement("after the halt");
}

#[test]
fn skew_moves_the_centre_the_right_way_on_both_signs_in_every_level_count() {
    for levels in 1..=5 {
        for (side, away) in [(Side::Buy, price("2601.30")), (Side::Sell, price("2598.70"))] {
            let mut config = engine_config();
            strategy(&mut config).levels = levels;
            let mut bench = Bench::new(config, quiet());
            bench.liquidity("2599.90", "2600.10");
            bench.run(Duration::from_secs(1));
            let before = Side::BOTH.map(|side| bench.resting(side).unwrap());
            // The account gains a position by hand, in the direction of `side`.
            let qty = Qty::new(300);
            bench.exchange.inject(Injection::ForeignFill { side, price: away, qty });
            bench.run(Duration::from_secs(2));
            assert_eq!(bench.position(), qty.signed(side));
            for (quoted, before) in Side::BOTH.into_iter().zip(before) {
                let after = bench.resting(quoted).unwrap();
                let moved = after - before;
                let down = side == Side::Buy;
                assert!(
                    (moved < Ticks::ZERO) == down && moved != Ticks::ZERO,
                    "{levels} levels, {side} position: {quoted} moved by {moved:?}"
                );
            }
        }
    }
}

#[test]
fn a_stale_feed_withdraws_the_quotes_within_the_allowed_age() {
    let silence = (START + Duration::from_secs(5), Duration::from_secs(6));
    let faults = Faults { feed_silence: vec![silence], ..Faults::none() };
    let mut bench = Bench::new(engine_config(), SimConfig { faults, ..lively(3) });
    bench.run(Duration::from_secs(5));
    assert!(!bench.truth().open_orders.is_empty());
    bench.run(Duration::from_secs(2) + millis(100));
    assert!(bench.truth().open_orders.is_empty(), "2 s without data, plus latency");
    bench.run(Duration::from_secs(6));
    assert!(!bench.truth().open_orders.is_empty(), "data is back, and so are we");
    assert!(bench.alerts().iter().any(|alert| alert.kind == AlertKind::MarketData));
}

#[test]
fn rejections_open_the_breaker_which_tries_again_and_closes() {
    // A wallet of 1 USDC carries no order: the venue rejects for margin.
    let mut config = engine_config();
    config.breaker.threshold = 4;
    let mut bench = Bench::new(config, quiet());
    bench.exchange.inject(Injection::Transfer(Usd::from_decimal(decimal("-999999"))));
    bench.liquidity("2599.90", "2600.10");
    bench.run(Duration::from_secs(3));
    let states = |bench: &Bench| -> Vec<&'static str> {
        let breaker = bench.notes().filter_map(|(_, note)| match note {
            Note::Breaker { to, .. } => Some(to.name()),
            _ => None,
        });
        breaker.collect()
    };
    assert_eq!(states(&bench), ["open"]);
    let placed = bench.desk().counters.placed;
    bench.run(Duration::from_secs(20));
    assert_eq!(bench.desk().counters.placed, placed, "nothing is sent while it is open");

    bench.exchange.inject(Injection::Transfer(Usd::from_decimal(decimal("5000"))));
    // Somebody stirs the book, so that it stays fresh.
    for _ in 0..20 {
        bench.rest(Side::Buy, price("2590.00"), 10);
        bench.run(Duration::from_secs(1));
    }
    assert_eq!(states(&bench), ["open", "half_open", "closed"]);
    assert_eq!(bench.truth().open_orders.len(), 2);
    bench.assert_agreement("after the transfer");
}

#[test]
fn a_daily_loss_halts_withdraws_and_lasts_until_midnight() {
    let mut config = engine_config();
    config.loss.daily_loss = Usd::from_decimal(decimal("20"));
    let mut bench = Bench::quoting(config);
    bench.take(Side::Sell, price("2598.70"), 50_100);
    bench.liquidity("2599.90", "2600.10");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.position(), Position::new(100));
    // The market falls: somebody sweeps every bid and quotes anew far below.
    bench.take(Side::Sell, price("1500.00"), 200_000);
    bench.exchange.inject(Injection::Mark(instrument_fine("1500.05")));
    bench.liquidity("1500.00", "1500.10");
    bench.run(Duration::from_secs(2));
    assert!(bench.truth().open_orders.is_empty());
    let snapshot = bench.engine.snapshot();
    assert_eq!(snapshot.risk_level.name(), "critical");
    assert!(bench.alerts().iter().any(|alert| alert.kind == AlertKind::DailyLoss));
    // Neither the breaker's time-out nor an operator's resume brings it back the same day.
    bench.run(Duration::from_secs(60));
    bench.control(Control::Resume { clear_halt: true });
    bench.run(Duration::from_secs(5));
    assert!(bench.truth().open_orders.is_empty());
}

fn instrument_fine(text: &str) -> market::FinePrice {
    market::FinePrice::from_decimal(decimal(text))
}

#[test]
fn flatten_closes_the_position_and_stays_halted() {
    let mut bench = Bench::quoting(engine_config());
    bench.take(Side::Sell, price("2598.70"), 50_100);
    bench.liquidity("2599.90", "2600.10");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.position(), Position::new(100));
    bench.control(Control::Flatten);
    bench.run(Duration::from_secs(10));
    assert_eq!(bench.position(), Position::ZERO);
    assert!(bench.truth().open_orders.is_empty());
    bench.run(Duration::from_secs(5));
    assert!(bench.truth().open_orders.is_empty(), "still halted");
    bench.assert_agreement("after flattening");
}

#[test]
fn a_dead_engine_leaves_no_order_behind_and_its_successor_takes_over() {
    let mut bench = Bench::quoting(engine_config());
    bench.take(Side::Sell, price("2598.70"), 50_040);
    bench.liquidity("2599.90", "2600.10");
    bench.run(Duration::from_secs(1));
    assert!(!bench.truth().open_orders.is_empty());

    // A successor within the dead-man's time finds the orders and takes them over.
    bench.run_without_engine(Duration::from_secs(5));
    let mut config = engine_config();
    config.session = 2;
    let mut bench = Bench::on(config, bench.exchange, bench.now);
    // It hears of the account only by asking: the stream was up all along.
    bench.exchange_restart_stream();
    bench.run(Duration::from_secs(2));
    assert_eq!(bench.position(), bench.truth().position);

    // Dead for good: the venue cancels everything by itself.
    bench.run_without_engine(Duration::from_secs(31));
    assert!(bench.truth().open_orders.is_empty());
}

impl Bench {
    fn exchange_restart_stream(&mut self) {
        let up = engine::Input::Venue(crate::market::ETH, VenueReport::StreamUp);
        let mut out = Vec::new();
        self.engine.step(self.now, &[up], &mut out);
        let commands: Vec<_> = out
            .iter()
            .filter_map(|output| match output {
                engine::Output::Venue(approved) => Some(approved.command().clone()),
                engine::Output::Alert(_) | engine::Output::Note(_) => None,
            })
            .collect();
        let mut lost = Vec::new();
        self.exchange.step(self.now, &commands, &mut lost);
    }
}
