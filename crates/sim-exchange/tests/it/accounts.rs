//! Nothing is created or lost: positions sum to zero, wallets move by fees, realized PnL, funding.

use market::venue::VenueCommand;
use market::{Decimal, FinePrice, Side, Usd};
use proptest::prelude::*;
use sim_exchange::{AccountId, CrowdConfig, Injection, SimExchange, SimOutput};

use crate::support::{amend, at, busy, cancel, instrument, ms, order, quiet, run};
use market::venue::{NewOrder, OrderKind, TimeInForce, VenueReport};

/// A random command around 2610, often marketable.
pub(crate) fn any_command(names: u32) -> impl Strategy<Value = VenueCommand> {
    let tif = prop_oneof![
        4 => Just(TimeInForce::Gtc),
        2 => Just(TimeInForce::PostOnly),
        1 => Just(TimeInForce::Ioc),
        1 => Just(TimeInForce::Fok),
    ];
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let fresh = (1..=names, side.clone(), 260_995..261_006_i64, 8..40_u64, tif, any::<bool>());
    let limit = fresh.clone().prop_map(|(n, side, price, qty, tif, ro)| {
        VenueCommand::Place(NewOrder {
            reduce_only: ro && n % 3 == 0,
            ..order(n, side, price, qty, tif)
        })
    });
    let market = fresh.prop_map(|(n, side, price, qty, tif, reduce_only)| {
        let order = order(n, side, price, qty, tif);
        VenueCommand::Place(NewOrder { kind: OrderKind::Market, reduce_only, ..order })
    });
    let change = (1..=names, side, 260_995..261_006_i64, 4..40_u64)
        .prop_map(|(n, side, price, qty)| amend(n, side, price, qty));
    prop_oneof![6 => limit, 1 => market, 2 => change, 2 => (1..=names).prop_map(cancel)]
}

fn check_ledgers(
    sim: &SimExchange,
    accounts: &[AccountId],
    first: Usd,
) -> Result<(), TestCaseError> {
    let mut cash = Usd::ZERO;
    for &account in accounts {
        let truth = sim.truth_of(account);
        prop_assert_eq!(truth.wallet, first + truth.realized - truth.fees + truth.funding);
        prop_assert_eq!(truth.wallet.round_e8(), truth.wallet);
        cash += truth.realized + truth.unrealized;
    }
    // With every account known and marked at one price, what one gains another loses.
    prop_assert_eq!(cash, Usd::ZERO);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_created_or_lost(
        commands in prop::collection::vec((0..3_u16, any_command(12)), 1..150),
        mark in 250_000_000_000..270_000_000_000_i64,
    ) {
        let mut config = quiet();
        config.balance = Usd::from_decimal(Decimal::from_units(10_000_000 * Decimal::SCALE));
        let first = config.balance;
        let accounts = [AccountId(0), AccountId(1), AccountId(2)];
        let mut sim = SimExchange::new(config);
        for (step, (account, command)) in commands.iter().enumerate() {
            sim.command_as(AccountId(*account), at(step as u64 * 300), command);
            sim.assert_invariants();
        }
        let now = at(commands.len() as u64 * 300);
        for account in accounts {
            let query = VenueCommand::QueryAccount { instrument: instrument().id, since: None, query: 0 };
            sim.command_as(account, now, &query);
        }
        check_ledgers(&sim, &accounts, first)?;
        sim.inject(Injection::Mark(FinePrice::new(mark)));
        check_ledgers(&sim, &accounts, first)?;
        let before: Usd = accounts.map(|a| sim.truth_of(a).funding).into_iter().sum();
        let mut out = Vec::new();
        run(&mut sim, now + ms(8 * 3_600_000), &mut out);
        sim.assert_invariants();
        let after: Usd = accounts.map(|a| sim.truth_of(a).funding).into_iter().sum();
        // Each payment is rounded by itself.
        prop_assert!((after - before).abs() <= Usd::new(30_000_000_000));
        check_ledgers(&sim, &accounts, first)?;
    }
}

#[test]
fn fills_told_add_up_to_the_truth() {
    let mut config = busy(11);
    config.crowd = CrowdConfig { sweep_rate: 1.0, ..CrowdConfig::default() };
    let mut sim = SimExchange::new(config);
    let (mut out, mut n) = (Vec::new(), 0);
    for second in 1..120 {
        run(&mut sim, at(second * 1_000), &mut out);
        let touch = |side| sim.book().best(side).unwrap().price.raw();
        let (bid, ask) = (touch(Side::Buy), touch(Side::Sell));
        n += 2;
        let commands = [
            VenueCommand::CancelAll { instrument: instrument().id },
            VenueCommand::Place(order(n, Side::Buy, bid, 100, TimeInForce::PostOnly)),
            VenueCommand::Place(order(n + 1, Side::Sell, ask, 100, TimeInForce::PostOnly)),
        ];
        sim.step(at(second * 1_000), &commands, &mut out);
        sim.assert_invariants();
    }
    run(&mut sim, at(121_000), &mut out);
    let fills: Vec<_> = out
        .iter()
        .filter_map(|o| match o {
            SimOutput::Venue(VenueReport::Fill(fill)) => Some(*fill),
            _ => None,
        })
        .collect();
    let truth = sim.truth();
    assert!(fills.len() > 20, "only {} fills", fills.len());
    assert!(fills.is_sorted_by(|a, b| a.trade_id < b.trade_id), "trade ids ascend");
    assert_eq!(fills.len() as u64, truth.fills);
    assert_eq!(
        fills.iter().map(|f| f.qty.signed(f.side)).sum::<market::Position>(),
        truth.position
    );
    assert_eq!(fills.iter().map(|f| f.fee).sum::<Usd>(), truth.fees);
}
