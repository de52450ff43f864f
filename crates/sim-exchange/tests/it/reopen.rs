//! A venue that opens again with what its accounts had.

use market::venue::{OpenOrder, TimeInForce, VenueReport};
use market::{Position, Price, Qty, Side, Usd, VenueOrderId};
use sim_exchange::{AccountId, Holdings, Injection, Rested, SimExchange};

use crate::support::{at, busy, cancel, ms, name, quiet, run};

fn usd(whole: i128) -> Usd {
    Usd::new(whole * 1_000_000_000_000_000_000)
}

fn rested(n: u32, side: Side, price: i64, qty: u64) -> Rested {
    Rested {
        client_id: name(n),
        venue_id: VenueOrderId(i64::from(n) - 100),
        side,
        price: Price::new(price),
        tif: TimeInForce::PostOnly,
        qty: Qty::new(qty),
        filled: Qty::new(1),
        reduce_only: false,
    }
}

fn holdings(account: u16, orders: Vec<Rested>) -> Holdings {
    Holdings {
        account: AccountId(account),
        position: Position::new(5),
        cost: usd(13),
        wallet: usd(500),
        realized: usd(-7),
        leverage: 3,
        dead_man: None,
        orders,
    }
}

#[test]
fn accounts_have_what_they_had_and_positions_still_sum_to_zero() {
    let orders = vec![rested(1, Side::Buy, 260_990, 10), rested(2, Side::Sell, 261_010, 10)];
    let accounts = [holdings(0, orders), holdings(1, Vec::new())];
    let sim = SimExchange::reopen(quiet(), &accounts);
    sim.assert_invariants();
    for account in [0, 1] {
        let truth = sim.truth_of(AccountId(account));
        assert_eq!((truth.position, truth.wallet), (Position::new(5), usd(500)));
        assert_eq!(truth.realized, usd(-7));
    }
    let open: Vec<OpenOrder> = sim.truth().open_orders;
    assert_eq!(open.len(), 2);
    assert_eq!((open[0].venue_id, open[0].filled), (VenueOrderId(-99), Qty::new(1)));
    assert_eq!(sim.book().qty_at(Side::Buy, Price::new(260_990)), Qty::new(9));
}

#[test]
fn those_that_came_first_trade_first_and_can_be_canceled() {
    let orders = vec![rested(2, Side::Buy, 260_990, 10), rested(1, Side::Buy, 260_990, 10)];
    let mut sim = SimExchange::reopen(quiet(), &[holdings(0, orders)]);
    run(&mut sim, at(1), &mut Vec::new());
    let sell =
        Injection::Trade { aggressor: Side::Sell, price: Price::new(260_990), qty: Qty::new(9) };
    sim.inject(sell);
    let left: Vec<_> = sim.truth().open_orders.iter().map(|order| order.client_id).collect();
    assert_eq!(left, [Some(name(1))]);
    let said = sim.command_as(AccountId(0), at(2), &cancel(1));
    assert!(matches!(said[..], [VenueReport::Canceled { .. }]), "{said:?}");
    sim.assert_invariants();
}

#[test]
fn a_countdown_that_ran_down_in_between_cancels_at_once() {
    let mut account = holdings(0, vec![rested(1, Side::Buy, 260_000, 10)]);
    account.dead_man = Some(at(0) - ms(5_000));
    let mut sim = SimExchange::reopen(quiet(), &[account]);
    run(&mut sim, at(0), &mut Vec::new());
    assert!(sim.truth().open_orders.is_empty() && sim.truth().dead_man.is_none());
}

/// A crowd that is born with its fair value beyond a resting order quotes around it: the order trades
/// at its own price or not at all.
#[test]
fn a_new_crowd_does_not_trade_through_old_orders() {
    for seed in 0..20 {
        let orders =
            vec![rested(1, Side::Buy, 261_010, 2_000), rested(2, Side::Sell, 261_040, 2_000)];
        let mut sim = SimExchange::reopen(busy(seed), &[holdings(0, orders)]);
        sim.assert_invariants();
        let ask = sim.book().best(Side::Sell).unwrap().price;
        assert!(ask > Price::new(261_010), "{ask:?}");
        assert_eq!(sim.truth().open_orders.len(), 2, "nothing trades before the venue opens");
        sim.keep_all_reports();
        let mut events = Vec::new();
        for step in 1..200 {
            sim.step(at(step * 10), &[], &mut Vec::new());
            sim.take_events(&mut events);
        }
        for event in &events {
            if let VenueReport::Fill(fill) = &event.report {
                let own = if fill.side == Side::Buy { 261_010 } else { 261_040 };
                assert_eq!((fill.price, fill.maker), (Price::new(own), true));
            }
        }
        sim.assert_invariants();
    }
}
