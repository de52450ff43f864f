//! What a restart must not forget.

use engine::carry::{Carry, Meanwhile};
use engine::risk::{BreakerState, Mode, Standstill};
use engine::{Control, EngineConfig};
use market::venue::{AccountState, Fill, VenueReport};
use market::{ClientOrderId, FinePrice, Nanos, Position, Side, TradeId, Usd, VenueOrderId};

use crate::rig::{Rig, config, decimal, instrument, usd};

fn next_session() -> EngineConfig {
    EngineConfig { session: 2, ..config() }
}

/// A new session that begins with what another left.
fn restored(carry: &Carry, now: Nanos) -> Rig {
    let mut rig = Rig::new(next_session());
    rig.now = now;
    rig.control(Control::Restore(Box::new(carry.clone())));
    rig.script("book 2599.99 2600.01\nmark 2600.00\nstream up");
    rig
}

/// The venue's answer, fills and all.
fn account(rig: &mut Rig, position: &str, wallet: Usd, fills: Vec<Fill>, last: i64) -> String {
    let position = Position::new(decimal(position).units() / 100_000);
    let (query, entry) = (rig.query, FinePrice::from_decimal(decimal("2600")));
    let last_trade = (last > 0).then_some(TradeId(last));
    let open_orders = Vec::new();
    rig.script("");
    rig.report(VenueReport::Account(AccountState {
        query,
        position,
        entry,
        wallet,
        open_orders,
        fills,
        last_trade,
    }));
    rig.script("")
}

fn fill(id: i64, side: Side, price: &str, qty: &str, fee: &str) -> Fill {
    Fill {
        trade_id: TradeId(id),
        client_id: Some(ClientOrderId { session: 1, sequence: 1 }),
        venue_id: VenueOrderId(1),
        side,
        price: instrument().price(decimal(price)).unwrap(),
        qty: instrument().qty(decimal(qty)).unwrap(),
        cumulative: instrument().qty(decimal(qty)).unwrap(),
        maker: true,
        fee: usd(fee),
        ts_event: Nanos::ZERO,
    }
}

fn reasons(rig: &mut Rig) -> Vec<Standstill> {
    rig.engine.snapshot().desks[0].standstill.clone()
}

#[test]
fn position_cost_and_equity_go_on_to_the_last_unit() {
    let mut before = Rig::quoting(config());
    before.script("mark 2600.00\nfill bid 0.007");
    let pnl = before.engine.snapshot().pnl;
    let carry = before.engine.carry().unwrap();
    let booked: Vec<_> = carry.desks[0].booked.iter().map(|fill| fill.trade_id).collect();
    assert_eq!(booked, [TradeId(1)], "not agreed upon yet");

    // While we were dead: one fill that we know already, one that we do not.
    let mut after = restored(&carry, before.now);
    let fills = vec![
        fill(1, Side::Buy, "2598.70", "0.007", "0"),
        fill(2, Side::Sell, "2601.30", "0.002", "0.001"),
    ];
    let gained = usd("0.0052") - usd("0.001");
    let said = account(&mut after, "0.005", carry.desks[0].wallet + gained, fills, 2);
    assert!(said.is_empty(), "{said}");
    let desk = after.engine.snapshot().desks.remove(0);
    assert_eq!(desk.position, Position::new(5));
    assert!(!reasons(&mut after).contains(&Standstill::Drift));
    let now = after.engine.snapshot().pnl;
    let mark = |position: &str| usd(position).times(market::Rate::from_decimal(decimal("1")));
    // Equity moved by exactly what the fill earned beyond the mark of 2600.
    let earned = mark("0.0026") - usd("0.001");
    assert_eq!(now.equity, pnl.equity + earned);
    assert_eq!(now.peak, pnl.peak.max(now.equity));
}

#[test]
fn a_restart_resets_no_loss_limit() {
    let mut config = config();
    config.loss.daily_loss = usd("1");
    let mut before = Rig::quoting(config.clone());
    before.script("fill bid 0.010\nmark 2540.00");
    let lost = before.engine.snapshot().pnl.day;
    assert!(lost < usd("-0.58") && lost > usd("-1"), "{lost}");
    let carry = before.engine.carry().unwrap();

    let mut after = Rig::new(EngineConfig { session: 2, ..config });
    after.now = before.now;
    after.control(Control::Restore(Box::new(carry.clone())));
    after.script("book 2539.99 2540.01\nmark 2540.00\nstream up");
    account(&mut after, "0.010", carry.desks[0].wallet, Vec::new(), 1);
    assert_eq!(after.engine.snapshot().pnl.day, lost);
    assert!(!reasons(&mut after).contains(&Standstill::DailyLoss));
    after.script("book 2489.99 2490.01\nmark 2490.00");
    assert!(reasons(&mut after).contains(&Standstill::DailyLoss), "the rest of the limit was used");

    // And what had been reached stays reached, until midnight.
    let again = after.engine.carry().unwrap();
    let mut third = restored(&again, after.now);
    assert!(reasons(&mut third).contains(&Standstill::DailyLoss));
    third.advance("24h");
    assert!(!reasons(&mut third).contains(&Standstill::DailyLoss), "a new day");
}

#[test]
fn a_halt_outlives_a_process_that_never_knew_its_account() {
    let mut before = Rig::new(config());
    assert!(before.engine.carry().is_none(), "nothing worth keeping");
    before.script("halt");
    let carry = before.engine.carry().unwrap();
    assert!(carry.latches.halted && carry.desks.is_empty() && carry.baselines.is_none());

    let mut after = restored(&carry, before.now);
    account(&mut after, "0", usd("1000"), Vec::new(), 0);
    assert!(reasons(&mut after).contains(&Standstill::OperatorHalt));
    after.script("resume clear");
    assert!(!reasons(&mut after).contains(&Standstill::OperatorHalt));
}

#[test]
fn halts_pauses_and_the_breaker_outlive_the_process() {
    let mut before = Rig::quoting(config());
    before.script("halt\npause\ncanceled bid\ncanceled ask");
    for _ in 0..5 {
        before.report(VenueReport::DeadManFailed);
    }
    let carry = before.engine.carry().unwrap();
    assert!(matches!(carry.breaker.state, BreakerState::Open { .. }));
    let text = format!("{carry:?}");
    assert!(text.contains("dead-man"), "{text}");

    let mut after = restored(&carry, before.now);
    account(&mut after, "0", carry.desks[0].wallet, Vec::new(), 0);
    let held = reasons(&mut after);
    for reason in [Standstill::OperatorHalt, Standstill::Paused, Standstill::BreakerOpen] {
        assert!(held.contains(&reason), "{reason}: {held:?}");
    }
    assert_eq!(after.engine.snapshot().desks[0].mode, Mode::Halted);
    assert_eq!(after.engine.carry().unwrap().breaker.opened, carry.breaker.opened);
    after.script("resume clear");
    assert!(!reasons(&mut after).contains(&Standstill::OperatorHalt));
}

#[test]
fn cash_that_moved_meanwhile_is_no_surprise() {
    let before = Rig::quoting(config());
    let mut carry = before.engine.carry().unwrap();
    carry.meanwhile = Meanwhile { funding: usd("-0.75"), transfers: usd("-4000") };
    let mut after = restored(&carry, before.now);
    account(&mut after, "0", carry.desks[0].wallet - usd("4000.75"), Vec::new(), 0);
    let pnl = after.engine.snapshot().pnl;
    assert_eq!((pnl.day, pnl.funding, pnl.transfers), (usd("-0.75"), usd("-0.75"), usd("-4000")));
    let drawdown = after.engine.snapshot().pnl.drawdown;
    assert!(drawdown <= usd("0.75"), "a withdrawal is no loss: {drawdown}");
}

#[test]
fn a_position_that_no_fill_explains_halts() {
    let before = Rig::quoting(config());
    let carry = before.engine.carry().unwrap();
    let mut after = restored(&carry, before.now);
    // Once may be the venue's parts lagging behind each other; nothing is quoted meanwhile.
    account(&mut after, "0.010", carry.desks[0].wallet, Vec::new(), 0);
    assert!(reasons(&mut after).contains(&Standstill::PositionUnknown));
    assert!(!reasons(&mut after).contains(&Standstill::Drift));
    after.now = after.now + std::time::Duration::from_millis(600);
    after.step(&[]);
    account(&mut after, "0.010", carry.desks[0].wallet, Vec::new(), 0);
    assert!(reasons(&mut after).contains(&Standstill::Drift));
    // Which is not forgotten either.
    let again = after.engine.carry().unwrap();
    let mut third = restored(&again, after.now);
    assert!(reasons(&mut third).contains(&Standstill::Drift));
}

#[test]
fn nonsense_is_not_restored() {
    let before = Rig::quoting(config());
    let good = before.engine.carry().unwrap();
    let mut other = good.clone();
    other.desks[0].symbol = "BTCUSDC".to_owned();
    let mut torn = good.clone();
    torn.desks[0].cost = usd("5");
    for carry in [other, torn] {
        let mut after = restored(&carry, before.now);
        account(&mut after, "0.010", usd("5000"), Vec::new(), 0);
        assert_eq!(after.engine.snapshot().desks[0].position, Position::new(10), "taken over");
        assert!(!reasons(&mut after).contains(&Standstill::Drift));
    }
    // Too late: the account is known.
    let mut late = Rig::quoting(next_session());
    let mut halted = good;
    halted.latches.halted = true;
    late.control(Control::Restore(Box::new(halted)));
    assert!(!reasons(&mut late).contains(&Standstill::OperatorHalt));
}

#[test]
fn before_the_account_is_known_there_is_nothing_to_keep() {
    assert_eq!(Rig::new(config()).engine.carry(), None);
}
