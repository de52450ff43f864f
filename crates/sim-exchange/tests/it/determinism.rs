//! Same seed and commands: same run, however time is cut into steps.

use market::venue::{TimeInForce, VenueCommand};
use market::{Nanos, Side};
use sim_exchange::{Faults, SimConfig, SimExchange, SimOutput};

use crate::support::{ID, at, busy, cancel, ms, place};

const SECONDS: u64 = 20;

fn stormy(seed: u64) -> SimConfig {
    let mut config = busy(seed);
    config.faults = Faults {
        lose_ack: 50_000,
        lose_fill: 50_000,
        lose_cancel: 50_000,
        duplicate_report: 50_000,
        delay_report: 50_000,
        delay: ms(700),
        doubt_executed: 50_000,
        doubt_dropped: 50_000,
        drop_command: 20_000,
        fail_query: 50_000,
        fail_dead_man: 50_000,
        feed_gap: 5_000,
        feed_silence: vec![(at(4_000), ms(900))],
        stream_down: vec![(at(7_000), ms(1_500))],
    };
    config
}

/// What the trader sends at certain moments.
fn commands(millis: u64) -> Vec<VenueCommand> {
    if millis == 0 || !millis.is_multiple_of(130) {
        return Vec::new();
    }
    let n = (millis / 130) as u32;
    let mut commands = vec![
        place(2 * n, Side::Buy, 260_990 - i64::from(n % 30), 50, TimeInForce::Gtc),
        place(2 * n + 1, Side::Sell, 261_010 + i64::from(n % 30), 50, TimeInForce::PostOnly),
        cancel(2 * n.saturating_sub(5)),
        VenueCommand::QueryOrder { instrument: ID, client_id: crate::support::name(2 * n) },
    ];
    match n % 7 {
        0 => commands.push(VenueCommand::CancelAll { instrument: ID }),
        1 => commands.push(VenueCommand::ArmDeadMan { instrument: ID, countdown: ms(300) }),
        2 => commands.push(VenueCommand::QueryAccount { instrument: ID, since: None, query: 0 }),
        _ => {}
    }
    commands
}

/// Runs with steps every `stride` milliseconds, or from deadline to deadline when it is zero.
fn replay(config: SimConfig, stride: u64) -> (Vec<SimOutput>, u64) {
    let mut sim = SimExchange::new(config);
    let mut out = Vec::new();
    let to = |sim: &mut SimExchange, until: Nanos, out: &mut Vec<SimOutput>| {
        let due = |sim: &SimExchange| sim.next_deadline().filter(|&at| stride == 0 && at <= until);
        while let Some(at) = due(sim) {
            sim.step(at, &[], out);
        }
        sim.step(until, &[], out);
    };
    for millis in 0..=SECONDS * 1_000 {
        let commands = commands(millis);
        if !commands.is_empty() {
            to(&mut sim, at(millis), &mut out);
            sim.step(at(millis), &commands, &mut out);
        } else if stride != 0 && millis.is_multiple_of(stride) {
            sim.step(at(millis), &[], &mut out);
        }
    }
    to(&mut sim, at(SECONDS * 1_000 + 500), &mut out);
    sim.assert_invariants();
    (out, sim.state_hash())
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (first, hash) = replay(stormy(1), 10);
    let (again, hash_again) = replay(stormy(1), 10);
    assert!(first.len() > 1_000, "{} outputs", first.len());
    assert_eq!(first, again);
    assert_eq!(hash, hash_again);
    let (other, other_hash) = replay(stormy(2), 10);
    assert_ne!(first, other);
    assert_ne!(hash, other_hash);
}

#[test]
fn how_time_is_cut_into_steps_does_not_matter() {
    for seed in 1..=4 {
        let (fine, hash) = replay(stormy(seed), 1);
        for stride in [0, 7, 65, 1_000] {
            let (other, other_hash) = replay(stormy(seed), stride);
            assert!(fine == other, "seed {seed}: steps of 1 ms and of {stride} ms differ");
            assert_eq!(hash, other_hash, "seed {seed} stride {stride}");
        }
    }
}

#[test]
fn the_hash_notices_what_matters() {
    let mut sim = SimExchange::new(busy(1));
    let mut out = Vec::new();
    sim.step(at(1_000), &[], &mut out);
    let twin = sim.clone();
    assert_eq!(sim.state_hash(), twin.state_hash());
    sim.step(at(1_000), &[place(1, Side::Buy, 260_000, 10, TimeInForce::Gtc)], &mut out);
    assert_ne!(sim.state_hash(), twin.state_hash(), "a command under way");
}

#[test]
fn the_hidden_price_does_not_depend_on_who_trades() {
    let path = |trades: bool| {
        let mut sim = SimExchange::new(busy(3));
        let (mut out, mut path) = (Vec::new(), Vec::new());
        for second in 1..=30_u32 {
            sim.step(at(u64::from(second) * 1_000), &[], &mut out);
            if trades {
                let price = sim.book().best(Side::Sell).unwrap().price.raw() + 20;
                let order = place(second, Side::Buy, price, 500, TimeInForce::Ioc);
                sim.step(at(u64::from(second) * 1_000), &[order], &mut out);
            }
            path.push(sim.fair_value());
        }
        path
    };
    let (alone, disturbed) = (path(false), path(true));
    let worst = alone.iter().zip(&disturbed).map(|(a, b)| (*a - *b).raw().abs()).max();
    assert_eq!(worst, Some(0));
}
