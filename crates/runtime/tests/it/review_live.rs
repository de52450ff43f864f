//! The live path against what a venue does without telling: loops without a pause, silence that comes
//! back, bans, and others on the same account.

use std::time::Duration;

use binance::client::OrderPath;
use binance::server::Faults;
use market::Nanos;

use crate::loopback::World;
use crate::market::{engine_config, millis};

const ALWAYS: u32 = 1_000_000;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn quoting(seed: u64, path: OrderPath) -> World {
    let mut world = World::with(seed, path, engine_config(), None);
    world.run_until(seconds(40), "quoting", World::is_quoting);
    world
}

/// Requests since then whose method, path and parameters begin so.
fn asked(world: &World, since: Nanos, begins: &str) -> usize {
    let is = |method: &str, text: &str| format!("{method} {text}").starts_with(begins);
    world.asked.iter().filter(|(at, method, text)| *at >= since && is(method, text)).count()
}

#[test]
fn one_quick_answer_does_not_make_the_time_be_asked_in_a_circle() {
    let mut world = quoting(60, OrderPath::WsApi);
    // Every later round trip is slower and tells less than the first one.
    world.weather.latency = millis(40);
    let from = world.now;
    world.run(seconds(300));
    let times = asked(&world, from, "GET /fapi/v1/time");
    assert!((4..=12).contains(&times), "{times} questions for the time in five minutes");
}

#[test]
fn a_venue_that_refuses_every_cancel_is_not_stormed() {
    for path in [OrderPath::WsApi, OrderPath::Rest] {
        let mut world = quoting(61, path);
        world.faults(Faults { refuse_cancel: ALWAYS, ..Faults::default() });
        let (from, frames) = (world.now, world.framed.len());
        world.control(engine::Control::Pause);
        world.run(seconds(10));
        let cancels = asked(&world, from, "DELETE /fapi/v1/order ");
        let sent = cancels + world.framed.len() - frames;
        assert!(sent > 0 && sent <= 120, "{path:?}: {sent} cancels in ten seconds");
        world.faults(Faults::default());
        world.run_until(seconds(10), "canceled", |world| world.open_orders().is_empty());
    }
}

#[test]
fn a_user_stream_that_stays_silent_is_tried_later_and_later() {
    let mut world = quoting(62, OrderPath::WsApi);
    world.faults(Faults { silent_user: true, ..Faults::default() });
    let lost = world.status().user.lost;
    world.run(seconds(300));
    let lost = world.status().user.lost - lost;
    assert!((2..=20).contains(&lost), "quoted blind {lost} times in five minutes");
    world.faults(Faults::default());
    world.run_until(seconds(120), "quoting again", World::is_quoting);
}

#[test]
fn a_contract_that_closes_is_looked_up_once_in_a_while() {
    let mut world = quoting(63, OrderPath::WsApi);
    world.faults(Faults { closed: true, ..Faults::default() });
    let from = world.now;
    world.run(seconds(300));
    let rules = asked(&world, from, "GET /fapi/v1/exchangeInfo");
    assert!((1..=7).contains(&rules), "{rules} times the rules of all contracts");
}

#[test]
fn who_leaves_takes_nobody_elses_stream_away() {
    let mut world = quoting(64, OrderPath::WsApi);
    let from = world.now;
    world.close();
    world.run(seconds(2));
    // The venue has one listen key for all programs of an account.
    assert_eq!(asked(&world, from, "DELETE /fapi/v1/listenKey"), 0);
    assert_eq!(asked(&world, from, "POST /fapi/v1/countdownCancelAll"), 1, "{}", world.story());
    assert!(world.client.is_closed());
}

#[test]
fn no_account_or_order_socket_is_opened_during_a_ban() {
    let mut world = quoting(65, OrderPath::WsApi);
    world.faults(Faults { ban: true, ..Faults::default() });
    world.run_until(seconds(30), "banned", |world| world.status().blocked.is_some());
    world.faults(Faults::default());
    let left = world.status().blocked.unwrap();
    // A venue that bans an address drops its connections too.
    world.cut();
    world.run(millis(50));
    let from = world.now;
    world.run(left - seconds(1));
    let opened = |(at, url): &&(Nanos, String)| {
        *at > from && (url.contains("/private") || url.contains("/ws-fapi"))
    };
    let opened: Vec<_> = world.opened.iter().filter(opened).collect();
    assert!(opened.is_empty(), "{opened:?}");
    world.run_until(seconds(120), "quoting again", World::is_quoting);
}
