//! Two hundred times one side or the other is killed at a random moment. What the venue has is what
//! the trader knows afterwards, every time.
//!
//! `LIVE_SEED=N` chooses other moments.

use std::time::Duration;

use runtime::clock::Stopwatch;
use serde_json::Value;

use crate::books;
use crate::rig::{Desk, Exchange, PATIENCE, Trader, free_port, losses, until, until_agreed};

/// Pairs of an exchange and a trader, at once.
const PAIRS: u64 = 10;
/// For each of them: more starts within a minute cost more than the venue's request weight allows.
const KILLS: u32 = 20;

/// SplitMix64: equal seeds, equal throws.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    /// Lets up to so much time pass, more often little than much.
    fn pause(&mut self, most: Duration) {
        let share = self.below(1_000) * self.below(1_000);
        std::thread::sleep(most * u32::try_from(share / 1_000).unwrap() / 1_000);
    }
}

/// The moments at which a trader that has quoted may be killed.
const WHILE_IT_QUOTES: Duration = Duration::from_millis(800);
/// As long as a start takes.
const WHILE_IT_STARTS: Duration = Duration::from_millis(700);

#[test]
fn whoever_is_killed_at_whatever_moment_both_sides_agree_afterwards() {
    let seed = std::env::var("LIVE_SEED").map_or(1, |seed| seed.parse().unwrap());
    eprintln!("the moments are those of LIVE_SEED={seed}");
    std::thread::scope(|scope| {
        for pair in 0..PAIRS {
            scope.spawn(move || Killed::new(pair, Dice(seed * PAIRS + pair)).run());
        }
    });
}

/// An exchange and a trader that are killed.
struct Killed {
    desk: Desk,
    listen: String,
    exchange: Exchange,
    trader: Trader,
    dice: Dice,
    kills: u32,
    /// From the start of a process to its first order in the book, everything compared before.
    recoveries: Vec<Duration>,
}

impl Killed {
    fn new(pair: u64, dice: Dice) -> Self {
        let desk = Desk::new(&format!("kills-{pair}"));
        let listen = free_port().to_string();
        let exchange = Exchange::at(&desk, &listen, &["--state", "venue"]);
        desk.configure(&exchange.base, &[]);
        let trader = Trader::start(&desk);
        Self { desk, listen, exchange, trader, dice, kills: 0, recoveries: Vec::new() }
    }

    fn run(mut self) {
        while self.kills < KILLS {
            self.trader.until_quoting();
            self.agree();
            self.dice.pause(WHILE_IT_QUOTES);
            match self.dice.below(8) {
                0..=3 => self.kill_trader(),
                4..=6 => self.kill_exchange(),
                _ => self.kill_both(),
            }
        }
        self.trader.until_quoting();
        self.agree();
        self.trader.stop();
        assert_eq!(self.exchange.open_orders(), Vec::new());
        let (trades, sum) = self.exchange.traded();
        assert!(trades > 0, "nobody traded with us, so this proves little");
        assert_eq!(sum, self.exchange.position(), "every fill is kept");
        let agreed = books::agree(&self.desk, &self.exchange);
        assert_eq!(agreed.fills, trades, "the store has each of them once");
        self.recoveries.sort();
        let (middle, worst) = (self.recoveries.len() / 2, self.recoveries.last());
        eprintln!(
            "{} kills, {trades} fills, position {sum}; from start to quoting {:.2?} (median), {:.2?} (worst)",
            self.kills,
            self.recoveries.get(middle).unwrap_or(&Duration::ZERO),
            worst.unwrap_or(&Duration::ZERO),
        );
        self.desk.assert_no_panic();
    }

    /// Position and orders are the same on both sides, and nothing of an earlier session is left.
    fn agree(&self) {
        until_agreed(&self.exchange, &self.trader);
        until("no order of an earlier session", PATIENCE, || {
            let session = self.trader.get("/api/status")?["session"].as_str()?.to_owned();
            let session = u32::from_str_radix(&session, 16).unwrap();
            let open = self.exchange.open_orders();
            open.iter().all(|order| order.session == session).then_some(())
        });
    }

    fn kill_trader(&mut self) {
        self.trader.process.kill();
        self.kills += 1;
        self.reconcile();
        let (mut watch, mut starting) = (Stopwatch::start(), Trader::spawn(&self.desk));
        while self.dice.below(3) == 0 {
            self.dice.pause(WHILE_IT_STARTS);
            starting.kill();
            self.kills += 1;
            self.reconcile();
            (watch, starting) = (Stopwatch::start(), Trader::spawn(&self.desk));
        }
        self.trader = Trader::of(starting);
        self.trader.until_quoting();
        self.recoveries.push(watch.elapsed());
    }

    /// What is on disk of a killed trader, and the venue's fills and income since, explain what the venue
    /// has.
    fn reconcile(&self) {
        let found = self.desk.json(&["reconcile", "--config", "config.yaml", "--json"]);
        assert_eq!(found["agrees"], true, "{found:#}");
    }

    fn kill_exchange(&mut self) {
        let lost = |status: &Value| losses(status, "user") + losses(status, "depth");
        let before = lost(&self.trader.get("/api/status").unwrap());
        self.exchange.process.kill();
        self.kills += 1;
        let mut starting = self.spawn_exchange();
        while self.dice.below(3) == 0 {
            self.dice.pause(WHILE_IT_STARTS);
            starting.kill();
            self.kills += 1;
            starting = self.spawn_exchange();
        }
        self.exchange = Exchange::of(starting, false);
        // What the trader says of itself may be a second old.
        self.trader.until("notices that the venue is gone", |status| lost(status) >= before + 2);
    }

    /// The exchange, while the trader asks its first questions.
    fn kill_both(&mut self) {
        self.trader.process.kill();
        let starting = Trader::spawn(&self.desk);
        self.dice.pause(WHILE_IT_STARTS);
        self.exchange.process.kill();
        self.kills += 2;
        self.exchange = Exchange::of(self.spawn_exchange(), false);
        self.trader = match Trader::try_of(starting) {
            Ok(trader) => trader,
            // It may give up, if it says so; then whoever supervises it starts it again.
            Err((status, said)) => {
                assert_eq!(status.code(), Some(1), "{said}");
                assert!(said.contains("nothing was sent"), "{said}");
                Trader::start(&self.desk)
            }
        };
    }

    fn spawn_exchange(&self) -> crate::rig::Process {
        Exchange::spawn(&self.desk, &self.listen, &["--state", "venue"])
    }
}

/// What is left of a session whose trader was killed replays as it was recorded.
#[test]
fn journals_of_killed_traders_replay() {
    let desk = Desk::new("killed-journal");
    let exchange = Exchange::start(&desk, &[]);
    desk.configure(&exchange.base, &[]);
    for _ in 0..2 {
        let mut trader = Trader::start(&desk);
        trader.until_quoting();
        trader.process.kill();
        let replay = ["replay", &*desk.journal().display().to_string(), "--verify", "--json"];
        let replayed: Value = desk.json(&replay);
        assert_eq!(replayed["same"], true);
        assert!(replayed["turns"].as_u64().unwrap() > 0);
    }
}
