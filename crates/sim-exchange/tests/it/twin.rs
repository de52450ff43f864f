//! The oracle: a slow and obvious exchange, compared with the real one after every command.

use market::venue::{OrderKind, TimeInForce, VenueCommand};
use market::{Decimal, Price, Side, Usd};
use proptest::prelude::*;
use sim_exchange::{AccountId, RateLimits, SimExchange};

use crate::accounts::any_command;
use crate::support::{START, quiet};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Naive {
    account: u16,
    name: u32,
    side: Side,
    price: Price,
    qty: u64,
    filled: u64,
    post_only: bool,
    age: u64,
}

/// Every order in one list; the best is found by looking at all of them.
#[derive(Debug, Default)]
struct NaiveExchange {
    orders: Vec<Naive>,
    positions: [i64; 3],
    clock: u64,
}

impl NaiveExchange {
    fn sorted(&self, side: Side) -> Vec<Naive> {
        let mut orders: Vec<_> = self.orders.iter().filter(|o| o.side == side).cloned().collect();
        orders.sort_by_key(|o| (-side.sign() * o.price.raw(), o.age));
        orders
    }

    fn execute(&mut self, account: u16, command: &VenueCommand) {
        self.clock += 1;
        match command {
            VenueCommand::Place(new) => {
                let name = new.client_id.sequence;
                let known = |o: &Naive| (o.account, o.name) == (account, name);
                if self.orders.iter().any(known) || new.qty.raw() < 8 {
                    return;
                }
                let (price, tif) = match new.kind {
                    OrderKind::Limit { price, tif } => (price, tif),
                    OrderKind::Market => {
                        let edge = if new.side == Side::Buy { 274_050 } else { 247_950 };
                        (Price::new(edge), TimeInForce::Ioc)
                    }
                };
                let post_only = tif == TimeInForce::PostOnly;
                let age = self.clock;
                let (side, qty) = (new.side, new.qty.raw());
                let order = Naive { account, name, side, price, qty, filled: 0, post_only, age };
                let against = self.sorted(side.opposite());
                let crossing = || against.iter().filter(|o| side.crosses(price, o.price));
                let others: u64 =
                    crossing().filter(|o| o.account != account).map(|o| o.qty - o.filled).sum();
                let refused = (post_only && crossing().next().is_some())
                    || (tif == TimeInForce::Fok && others < qty);
                if !refused {
                    self.enter(order, matches!(tif, TimeInForce::Ioc | TimeInForce::Fok));
                }
            }
            VenueCommand::Amend(amend) => {
                let known = |o: &Naive| (o.account, o.name) == (account, amend.client_id.sequence);
                let Some(index) = self.orders.iter().position(known) else { return };
                let old = self.orders[index].clone();
                let same = (old.price, old.qty) == (amend.price, amend.qty.raw());
                let ends = amend.qty.raw() <= old.filled;
                // Below 20 of notional, that is 8 lots, the filter holds it back.
                let small = !ends && amend.qty.raw() - old.filled < 8;
                if old.side != amend.side || same || small {
                    return;
                }
                self.orders.remove(index);
                let best = self.sorted(old.side.opposite()).first().map(|o| o.price);
                let takes = best.is_some_and(|best| old.side.crosses(amend.price, best));
                if ends || (old.post_only && takes) {
                    return;
                }
                let age = self.clock;
                self.enter(Naive { price: amend.price, qty: amend.qty.raw(), age, ..old }, false);
            }
            VenueCommand::Cancel { client_id, .. } => {
                self.orders.retain(|o| (o.account, o.name) != (account, client_id.sequence));
            }
            _ => {}
        }
    }

    fn enter(&mut self, mut order: Naive, immediate: bool) {
        while order.filled < order.qty {
            let against = self.sorted(order.side.opposite());
            let Some(best) = against.first() else { break };
            if !order.side.crosses(order.price, best.price) {
                break;
            }
            let index = self.orders.iter().position(|o| o == best).unwrap();
            if best.account == order.account {
                self.orders.remove(index);
                continue;
            }
            let qty = (order.qty - order.filled).min(best.qty - best.filled);
            order.filled += qty;
            self.positions[usize::from(order.account)] += order.side.sign() * qty as i64;
            self.positions[usize::from(best.account)] -= order.side.sign() * qty as i64;
            self.orders[index].filled += qty;
            self.orders.retain(|o| o.filled < o.qty);
        }
        if order.filled < order.qty && !immediate {
            self.orders.push(order);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_exchange_equals_its_naive_twin(
        commands in prop::collection::vec((0..3_u16, any_command(8)), 1..200),
    ) {
        let mut config = quiet();
        config.balance = Usd::from_decimal(Decimal::from_units(10_000_000 * Decimal::SCALE));
        config.rate_limits = RateLimits { per_10s: 10_000, per_minute: 10_000 };
        let mut sim = SimExchange::new(config);
        let mut twin = NaiveExchange::default();
        for (account, command) in &commands {
            // Reduce-only has tables of its own.
            let mut command = command.clone();
            if let VenueCommand::Place(order) = &mut command {
                order.reduce_only = false;
            }
            sim.command_as(AccountId(*account), START, &command);
            twin.execute(*account, &command);
            for side in Side::BOTH {
                let real: Vec<_> = sim
                    .book()
                    .orders(side)
                    .map(|o| (o.owner.0, o.price, o.qty.raw()))
                    .collect();
                let naive: Vec<_> = twin
                    .sorted(side)
                    .iter()
                    .map(|o| (o.account, o.price, o.qty - o.filled))
                    .collect();
                prop_assert_eq!(real, naive, "{} after {:?}", side, command);
            }
            let held = sim.truth_of(AccountId(*account)).position.raw();
            prop_assert_eq!(held, twin.positions[usize::from(*account)]);
            sim.assert_invariants();
        }
    }
}
