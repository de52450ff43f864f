//! Daily loss and drawdown: a twin that remembers every observation, and the engine's halts.

use std::time::Duration;

use engine::config::LossLimits;
use engine::risk::PnlMonitor;
use engine::risk::pnl::Breach;
use engine::{Note, Output};
use expect_test::expect;
use market::venue::VenueReport;
use market::{Nanos, Rate, Usd};
use proptest::prelude::*;

use crate::rig::{Rig, START, cases, config, decimal, usd};

const HOUR: Duration = Duration::from_secs(3_600);

fn limits(daily_loss: &str, drawdown: &str) -> LossLimits {
    LossLimits { daily_loss: usd(daily_loss), drawdown: Rate::from_decimal(decimal(drawdown)) }
}

fn breaches(monitor: &PnlMonitor) -> Vec<Breach> {
    monitor.breaches().collect()
}

#[test]
fn a_limit_is_breached_when_it_is_reached() {
    let mut monitor = PnlMonitor::new(&limits("100", "0.03"));
    assert_eq!(breaches(&monitor), [], "nothing is known yet");
    monitor.observe(START, usd("10000"));
    for (equity, wanted) in [
        ("9900.00000001", vec![]),
        ("9900", vec![Breach::DailyLoss]),
        ("9700.00000001", vec![Breach::DailyLoss]),
        ("9700", vec![Breach::DailyLoss, Breach::Drawdown]),
        ("10000", vec![]),
    ] {
        monitor.observe(START, usd(equity));
        assert_eq!(breaches(&monitor), wanted, "{equity}");
    }
}

#[test]
fn the_drawdown_is_measured_from_the_highest_equity() {
    let mut monitor = PnlMonitor::new(&limits("1000000", "0.03"));
    for equity in ["10000", "12000", "11640.00000001"] {
        monitor.observe(START, usd(equity));
        assert_eq!(breaches(&monitor), []);
    }
    monitor.observe(START, usd("11640"));
    assert_eq!(breaches(&monitor), [Breach::Drawdown]);
    assert_eq!((monitor.peak(), monitor.drawdown()), (usd("12000"), usd("360")));
    monitor.reset_peak();
    assert_eq!((monitor.peak(), monitor.drawdown()), (usd("11640"), Usd::ZERO));
    assert_eq!(breaches(&monitor), []);
    assert!((monitor.max_drawdown() - 0.03).abs() < 1e-8, "history is not forgotten");
}

#[test]
fn the_day_begins_at_midnight_with_what_was_there() {
    let mut monitor = PnlMonitor::new(&limits("100", "1"));
    assert_eq!(monitor.observe(START + 23 * HOUR, usd("1000")), None);
    assert_eq!(monitor.observe(START + 24 * HOUR - Duration::from_nanos(1), usd("930")), None);
    assert_eq!(monitor.day_pnl(), usd("-70"));
    assert_eq!(monitor.observe(START + 24 * HOUR, usd("925")), Some(usd("-70")));
    assert_eq!(monitor.day_pnl(), usd("-5"), "what changed over midnight belongs to the new day");
    assert_eq!(monitor.observe(START + 25 * HOUR, usd("990")), None);
    assert_eq!(monitor.observe(START + 24 * 4 * HOUR, usd("990")), Some(usd("60")), "once");
}

#[test]
fn a_transfer_is_neither_loss_nor_profit() {
    let mut monitor = PnlMonitor::new(&limits("100", "0.03"));
    monitor.observe(START, usd("10000"));
    monitor.observe(START, usd("9950"));
    let before = (monitor.day_pnl(), monitor.drawdown_rate());
    for amount in ["-9000", "500", "-0.01"] {
        monitor.transfer(usd(amount));
        assert_eq!(monitor.day_pnl(), before.0, "{amount}");
        let equity = monitor.equity();
        monitor.observe(START, equity);
        // The same share of the peak: what is lost of much is not what is lost of little.
        let off = (monitor.drawdown_rate().raw() - before.1.raw()).abs();
        assert!(monitor.day_pnl() == before.0 && off <= 10, "{amount}: {off}");
    }
}

/// Without money nothing may be lost: a breach from the start, not a division by zero.
#[test]
fn no_equity_is_a_breach() {
    for equity in ["0", "-5"] {
        let mut monitor = PnlMonitor::new(&limits("100", "0.03"));
        monitor.observe(START, usd(equity));
        assert_eq!(breaches(&monitor), [Breach::Drawdown], "{equity}");
        assert_eq!((monitor.drawdown_rate(), monitor.max_drawdown()), (Rate::ZERO, 0.0));
    }
}

#[derive(Clone, Debug)]
enum Op {
    Equity(i64),
    Wait(u64),
    ResetPeak,
}

fn an_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (-300_i64..300).prop_map(Op::Equity),
        3 => (0_u64..15).prop_map(Op::Wait),
        1 => Just(Op::ResetPeak),
    ]
}

/// Every observation so far.
#[derive(Default)]
struct Twin {
    seen: Vec<(Nanos, i64)>,
    peak_since: usize,
}

impl Twin {
    fn now(&self) -> i64 {
        self.seen.last().map_or(0, |(_, own)| *own)
    }

    /// The last observation before today, else the first of all.
    fn day_pnl(&self) -> i64 {
        let Some((now, own)) = self.seen.last() else { return 0 };
        let before = self.seen.iter().rev().find(|(at, _)| at.utc_day() < now.utc_day());
        own - before.or(self.seen.first()).map_or(0, |(_, own)| *own)
    }

    fn drawdown(&self) -> i64 {
        let peak = self.seen[self.peak_since..].iter().map(|(_, own)| *own).max();
        peak.map_or(0, |peak| peak - self.now())
    }
}

fn whole(amount: i64) -> Usd {
    Usd::new(i128::from(amount) * Usd::SCALE)
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn agrees_with_the_twin(ops in prop::collection::vec(an_op(), 1..80)) {
        let mut monitor = PnlMonitor::new(&limits("100", "0.03"));
        let (mut twin, mut now) = (Twin::default(), START);
        for op in ops {
            match op {
                Op::Equity(change) => {
                    let own = if twin.seen.is_empty() { 10_000 } else { twin.now() } + change;
                    let before = (twin.seen.last().copied(), twin.day_pnl());
                    let closed = monitor.observe(now, whole(own));
                    let passed = before.0.is_some_and(|(at, _)| at.utc_day() < now.utc_day());
                    prop_assert_eq!(closed, passed.then(|| whole(before.1)));
                    twin.seen.push((now, own));
                }
                Op::Wait(hours) => now = now + HOUR * hours as u32,
                Op::ResetPeak if !twin.seen.is_empty() => {
                    monitor.reset_peak();
                    twin.peak_since = twin.seen.len() - 1;
                }
                Op::ResetPeak => {}
            }
            prop_assert_eq!(monitor.day_pnl(), whole(twin.day_pnl()));
            prop_assert_eq!(monitor.drawdown(), whole(twin.drawdown()));
            let peak = twin.drawdown() + twin.now();
            if !twin.seen.is_empty() {
                prop_assert_eq!(monitor.peak(), whole(peak));
                let mut wanted = Vec::new();
                if twin.day_pnl() <= -100 {
                    wanted.push(Breach::DailyLoss);
                }
                if twin.drawdown() * 100 >= peak * 3 {
                    wanted.push(Breach::Drawdown);
                }
                prop_assert_eq!(breaches(&monitor), wanted);
            }
        }
    }
}

#[test]
fn through_the_engine_a_withdrawal_is_not_a_loss() {
    let mut rig = Rig::quoting(config());
    rig.report(VenueReport::Transfer { amount: usd("-4000") });
    rig.script("advance 1s\nbook 2599.99 2600.01");
    let snapshot = rig.engine.snapshot();
    assert_eq!((snapshot.pnl.day, snapshot.pnl.drawdown), (Usd::ZERO, Usd::ZERO));
    assert_eq!((snapshot.pnl.equity, snapshot.pnl.peak), (usd("1000"), usd("1000")));
    expect![[r#"
        mode     quoting 
        position 0
        order    buy 0.010 @ 2598.70 live filled 0.000
        order    sell 0.010 @ 2601.30 live filled 0.000
    "#]]
    .assert_eq(&rig.script("state"));
}

#[test]
fn through_the_engine_the_drawdown_halts_until_deliberately_resumed() {
    let mut config = config();
    config.loss = limits("1000", "0.02");
    let mut rig = Rig::new(config);
    expect![[r#"
        query    account
        place    sell 0.010 @ 2600.52
        alert    Critical: drawdown limit reached: day -100.00, drawdown 100.00 from 5000.00; trading stops until `trader resume --clear-halt`
        breaker  open
        alert    Critical: circuit breaker opened: drawdown limit
        cancel   sell @ 2600.52
        alert    Error: ETHUSDC: base_size is below the venue's smallest order; nothing can be quoted
        breaker  half_open
        mode     halted drawdown
        position 0.05
        alert    Info: operator: resumed
        mode     halted drawdown
        position 0.05
        alert    Info: operator: resumed, halts cleared
        place    sell 0.010 @ 2600.52
        mode     quoting 
        position 0.05
        order    sell 0.010 @ 2600.52 pending_new filled 0.000
    "#]].assert_eq(&rig.script(
        "start 0.050
         book 2599.99 2600.01
         mark 2600
         ack all
         book 599.99 600.01
         mark 600              # 100 of 5000 is gone
         canceled ask
         book 2599.99 2600.01
         mark 2600             # and back: a latch is not a level
         advance 23h
         advance 61m
         armed
         book 2599.99 2600.01
         state
         resume
         state
         resume clear
         state",
    ));
}

#[test]
fn through_the_engine_the_day_is_closed_once() {
    let mut rig = Rig::new(config());
    rig.script("start 0.050\nmark 2600\nmark 2500");
    let mut closed = Vec::new();
    for hour in 1..=50 {
        rig.now = START + HOUR * hour;
        rig.step(&[]);
        closed.extend(rig.last.iter().filter_map(|output| match output {
            Output::Note(Note::DayClosed { day_pnl }) => Some((hour, *day_pnl)),
            _ => None,
        }));
    }
    assert_eq!(closed, [(24, usd("-5")), (48, Usd::ZERO)]);
}

/// The next step is due at midnight at the latest, so that the day ends on time.
#[test]
fn the_engine_asks_to_be_woken_at_midnight() {
    let mut rig = Rig::new(config());
    for offset in [0, 1, 3_600, 86_399] {
        rig.now = START + Duration::from_secs(offset);
        rig.step(&[]);
        assert!(rig.engine.next_deadline().is_some_and(|at| at <= START.next_utc_midnight()));
    }
}
