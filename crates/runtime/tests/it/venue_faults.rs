//! The whole live path (engine, client, protocol, exchange) through everything that goes wrong.

use std::time::Duration;

use binance::client::OrderPath;
use binance::server::{Action, Faults, Hand};
use engine::Control;
use engine::risk::Standstill;
use market::venue::{Obstacle, VenueCommand};

use crate::loopback::World;
use crate::market::{engine_config, millis, strategy};

const OURS: &str = "key";
/// One in five.
const OFTEN: u32 = 200_000;
const ALWAYS: u32 = 1_000_000;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A world that quotes.
fn quoting(seed: u64) -> World {
    let mut world = World::new(seed);
    world.run_until(seconds(40), "quoting", World::is_quoting);
    world
}

fn whose() -> String {
    OURS.to_owned()
}

/// All is well again: it quotes, and when it is told to pause both sides agree to the last unit.
#[track_caller]
fn recovers(world: &mut World, name: &str) {
    world.run_until(seconds(120), name, World::is_quoting);
    world.run(seconds(5));
    world.control(Control::Pause);
    world.run_until(seconds(20), name, |world| world.open_orders().is_empty());
    world.run(seconds(35));
    world.assert_agreement(name);
    let limit = engine_config().desks[0].limits.max_position;
    assert!(world.position().abs() <= limit, "{name}: beyond the limit");
}

#[test]
fn quotes_fills_and_stops_clean() {
    for path in [OrderPath::WsApi, OrderPath::Rest] {
        let mut engine = engine_config();
        strategy(&mut engine).base_spread = 0.0002;
        let mut world = World::with(3, path, engine, None);
        world.run_until(seconds(40), "quoting", World::is_quoting);
        world.run_until(seconds(300), "a fill", |world| world.desk().counters.fills != [0, 0]);
        world.run(seconds(30));
        world.control(Control::Shutdown);
        world.run_until(seconds(10), "done", |world| world.turn.engine().is_done());
        world.run(seconds(1));
        world.assert_agreement(&format!("{path:?}"));
        assert!(world.open_orders().is_empty());
        assert_eq!(world.anomalies(), 0, "{}", world.story());
        assert_eq!(!world.framed.is_empty(), path == OrderPath::WsApi);
    }
}

#[test]
fn every_fault_of_the_venue_is_survived() {
    let none = Faults::default;
    let faults = [
        ("drop_before", Faults { drop_before: OFTEN, ..none() }),
        ("drop_after", Faults { drop_after: OFTEN, ..none() }),
        ("unavailable", Faults { unavailable: OFTEN, ..none() }),
        ("unknown_before", Faults { unknown_before: OFTEN, ..none() }),
        ("unknown_after", Faults { unknown_after: OFTEN, ..none() }),
        ("timeout_before", Faults { timeout_before: OFTEN, ..none() }),
        ("timeout_after", Faults { timeout_after: OFTEN, ..none() }),
        ("unexpected_after", Faults { unexpected_after: OFTEN, ..none() }),
        ("overload", Faults { overload: OFTEN, ..none() }),
        ("bad_gateway", Faults { bad_gateway: OFTEN, ..none() }),
        ("fail_query", Faults { fail_query: OFTEN, ..none() }),
        ("fail_dead_man", Faults { fail_dead_man: ALWAYS, ..none() }),
        ("refuse_cancel", Faults { refuse_cancel: OFTEN, ..none() }),
        ("too_many_requests", Faults { too_many_requests: true, ..none() }),
        ("maintenance", Faults { maintenance: true, ..none() }),
        ("reply_delay", Faults { reply_delay_ms: 3_000, ..none() }),
        ("silent_market", Faults { silent_market: true, ..none() }),
        ("silent_user", Faults { silent_user: true, ..none() }),
        ("lose_user", Faults { lose_user: OFTEN, ..none() }),
        ("duplicate_user", Faults { duplicate_user: OFTEN, ..none() }),
        ("reorder_user", Faults { reorder_user: OFTEN, ..none() }),
        ("lose_depth", Faults { lose_depth: OFTEN, ..none() }),
        ("refuse_sockets", Faults { refuse_sockets: true, ..none() }),
        ("closed", Faults { closed: true, ..none() }),
    ];
    for (seed, (name, fault)) in faults.into_iter().enumerate() {
        for path in [OrderPath::WsApi, OrderPath::Rest] {
            let mut engine = engine_config();
            strategy(&mut engine).base_spread = 0.0004;
            let mut world = World::with(seed as u64, path, engine, None);
            world.run_until(seconds(40), "quoting", World::is_quoting);
            world.faults(fault.clone());
            world.run(seconds(30));
            world.faults(none());
            recovers(&mut world, &format!("{name} over {path:?}"));
        }
    }
}

#[test]
fn a_ban_is_heeded_to_the_second_and_quoting_resumes() {
    let mut world = quoting(5);
    world.faults(Faults { ban: true, ..Faults::default() });
    world.run_until(seconds(30), "banned", |world| world.status().blocked.is_some());
    world.faults(Faults::default());
    let (from, left) = (world.now, world.status().blocked.unwrap());
    assert!(left > seconds(100), "two minutes: {left:?}");
    assert!(world.desk().standstill.contains(&Standstill::Venue(Obstacle::Banned)));
    world.run(left - seconds(1));
    // What was under way when the ban was heard of may still have left.
    let after = |at: market::Nanos| at > from + millis(10);
    assert!(!world.asked.iter().any(|(at, ..)| after(*at)), "{}", world.story());
    assert!(!world.framed.iter().any(|at| after(*at)), "{}", world.story());
    // Meanwhile the dead-man's switch has done what we could not.
    assert!(world.open_orders().is_empty());
    recovers(&mut world, "ban");
}

#[test]
fn connections_that_break_are_made_anew() {
    let mut world = quoting(6);
    world.cut();
    world.run(millis(50));
    assert!(world.desk().standstill.contains(&Standstill::StreamDown));
    recovers(&mut world, "cut");
}

#[test]
fn connections_that_die_silently_are_found_out() {
    let mut world = quoting(7);
    world.deaden();
    world.run(seconds(3));
    assert!(!world.desk().standstill.is_empty(), "the book is stale");
    recovers(&mut world, "half-open");
}

#[test]
fn a_listen_key_that_expires_is_replaced() {
    let mut world = quoting(8);
    world.act(&Action::ExpireListenKey { api_key: whose() });
    world.run(millis(50));
    let told = world.alerts.iter().any(|(_, alert)| alert.message.contains("user_stream_down"));
    assert!(told, "{}", world.story());
    recovers(&mut world, "expiry");
}

#[test]
fn a_user_stream_that_says_nothing_is_found_out_by_the_orders_it_does_not_tell_of() {
    let mut world = quoting(9);
    world.faults(Faults { silent_user: true, ..Faults::default() });
    let lost = world.status().user.lost;
    world.run_until(seconds(60), "found out", |world| world.status().user.lost > lost);
    world.faults(Faults::default());
    recovers(&mut world, "silent user stream");
}

#[test]
fn answers_that_are_lost_leave_no_orphan() {
    let mut world = quoting(10);
    world.weather.loses_answers = true;
    world.run(seconds(20));
    world.weather.loses_answers = false;
    recovers(&mut world, "lost answers");
}

#[test]
fn a_network_that_is_gone_for_a_while() {
    let mut world = quoting(11);
    world.weather.refuses = true;
    world.cut();
    world.run(seconds(40));
    assert!(world.open_orders().is_empty(), "the dead-man's switch canceled them");
    world.weather.refuses = false;
    recovers(&mut world, "network");
}

#[test]
fn a_slow_line_still_quotes() {
    let mut world = World::new(12);
    world.weather.latency = millis(400);
    world.run_until(seconds(90), "quoting", World::is_quoting);
    world.run(seconds(60));
    recovers(&mut world, "slow line");
}

#[test]
fn a_clock_that_is_off_withdraws_quotes_until_it_is_right() {
    for ahead in [5_000_000_000_i64, -5_000_000_000] {
        let mut world = quoting(13);
        if ahead < 0 {
            // Our time never goes back; the venue's goes forward instead, by the fault.
            let skew = Faults { clock_skew_ms: 5_000, ..Faults::default() };
            world.faults(skew);
        } else {
            world.set_clock(ahead);
        }
        world.run_until(seconds(90), "noticed", |world| {
            world.desk().standstill.contains(&Standstill::Venue(Obstacle::Clock))
        });
        world.run_until(seconds(40), "withdrawn", |world| world.open_orders().is_empty());
        let sent = world.commands.iter().filter(|(_, c)| matches!(c, VenueCommand::Place(_)));
        let sent = sent.count();
        world.run(seconds(30));
        let now = world.commands.iter().filter(|(_, c)| matches!(c, VenueCommand::Place(_)));
        assert_eq!(now.count(), sent, "nothing is placed with a wrong clock");
    }
}

#[test]
fn an_account_that_is_locked_or_in_the_wrong_mode_is_not_traded_on() {
    let hedge = Action::Hedge { api_key: whose(), hedge: true };
    let lock = Action::Lock { api_key: whose(), locked: true };
    for (action, obstacle) in [(hedge, Obstacle::Account), (lock, Obstacle::OnlyReduce)] {
        let mut engine = engine_config();
        engine.desks[0].requote.amend = false;
        let mut world = World::with(14, OrderPath::WsApi, engine, None);
        world.run_until(seconds(40), "quoting", World::is_quoting);
        world.act(&action);
        world.run_until(seconds(120), "noticed", |world| {
            world.desk().standstill.contains(&Standstill::Venue(obstacle))
        });
        world.run_until(seconds(60), "withdrawn", |world| world.open_orders().is_empty());
        world.run(seconds(40));
        let told = world.alerts.iter().any(|(_, alert)| alert.message.contains(obstacle.name()));
        assert!(told, "{}", world.story());
        assert!(world.open_orders().is_empty(), "{}", world.story());
    }
}

#[test]
fn what_others_do_to_the_account_is_noticed() {
    // Somebody cancels our orders: they are placed again.
    let mut world = quoting(16);
    world.act(&Action::CancelAll { api_key: whose() });
    recovers(&mut world, "canceled by somebody");

    // Somebody trades on the account: the position is taken over, told, and it goes on.
    let mut world = quoting(17);
    let trade = Action::Trade {
        api_key: whose(),
        side: "BUY".to_owned(),
        price: "2610.00".to_owned(),
        quantity: "0.050".to_owned(),
        by: Hand::default(),
    };
    world.act(&trade);
    world.run(seconds(5));
    let told = world.alerts.iter().any(|(_, alert)| alert.message.contains("not ours"));
    assert!(told, "{}", world.story());
    recovers(&mut world, "a foreign trade");

    // Money comes and goes.
    let mut world = quoting(18);
    for amount in ["250", "-100"] {
        world.act(&Action::Transfer { api_key: whose(), amount: amount.to_owned() });
        world.run(seconds(2));
    }
    recovers(&mut world, "transfers");
}

#[test]
fn a_process_that_is_killed_leaves_no_orphan_order() {
    for seed in 0..40 {
        let mut engine = engine_config();
        strategy(&mut engine).base_spread = 0.0002;
        let mut world = World::with(seed, OrderPath::WsApi, engine, None);
        world.run_until(seconds(40), "quoting", World::is_quoting);
        // At any moment, between any two messages.
        world.run(Duration::from_micros(seed * 7_919_317 % 9_000_000));
        world.restart();
        recovers(&mut world, &format!("killed, seed {seed}"));
    }
}

#[test]
fn a_process_that_is_killed_and_stays_dead_is_covered_by_the_switch() {
    let mut world = quoting(19);
    world.weather.refuses = true;
    world.deaden();
    world.run(seconds(31));
    assert!(world.open_orders().is_empty(), "{}", world.story());
}

#[test]
fn a_restart_forgets_neither_losses_nor_fills() {
    for seed in 0..20 {
        let mut engine = engine_config();
        strategy(&mut engine).base_spread = 0.0002;
        let mut world = World::with(seed, OrderPath::WsApi, engine, None);
        world.run_until(seconds(40), "quoting", World::is_quoting);
        world.run_until(seconds(300), "a fill", |world| world.desk().counters.fills != [0, 0]);
        world.run(Duration::from_micros(seed * 3_919_317 % 3_000_000));
        // Dead for a while: what fills meanwhile is found by its id.
        world.weather.refuses = true;
        world.cut();
        world.run(seconds(20));
        world.weather.refuses = false;
        let before = world.kept.as_ref().unwrap().baselines.unwrap();
        world.restart();
        recovers(&mut world, &format!("restart, seed {seed}"));
        let after = world.turn.snapshot().pnl;
        // Equity is the venue's: wallet and open position, not a new beginning.
        let wallet = after.initial + after.realized - after.fees + after.funding + after.transfers;
        assert_eq!(after.equity, wallet + after.unrealized, "seed {seed}");
        assert!(after.peak >= before.peak, "seed {seed}: the peak is not forgotten");
        assert_eq!(after.day, after.equity - before.day_start, "seed {seed}: nor the day");
    }
}

#[test]
fn a_halt_outlives_the_process() {
    let mut world = quoting(21);
    world.control(Control::Halt);
    world.run(millis(20));
    world.restart();
    world.run(seconds(30));
    assert!(world.desk().standstill.contains(&Standstill::OperatorHalt));
    assert!(world.open_orders().is_empty());
    world.control(Control::Resume { clear_halt: true });
    recovers(&mut world, "resumed");
}
