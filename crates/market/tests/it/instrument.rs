//! Instruments: the doors between decimals, floats and integers.

use market::{
    Decimal, FinePrice, Instrument, InstrumentError, InstrumentId, Position, Price, Qty, Rules,
    Side, Usd,
};
use proptest::prelude::*;

use crate::{config, decimal};

fn rules() -> Rules {
    Instrument::known(InstrumentId(0), "ETHUSDC").unwrap().rules().clone()
}

fn instruments() -> impl Strategy<Value = Instrument> {
    let tick = prop::sample::select(vec!["0.01", "0.1", "0.5", "0.00000001", "0.0002", "5"]);
    let step = prop::sample::select(vec!["0.001", "1", "0.1", "0.00000001", "0.005"]);
    let multiplier = prop::sample::select(vec!["1", "1", "0.1", "100"]);
    (tick, step, multiplier).prop_filter_map("too fine", |(tick, step, multiplier)| {
        let (tick, step, multiplier) = (decimal(tick), decimal(step), decimal(multiplier));
        Instrument::new(InstrumentId(3), Rules { tick, step, multiplier, ..rules() }).ok()
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn decimals_on_the_grid_convert_and_others_are_refused(
        instrument in instruments(),
        count in 1_i64..10_000_000,
        off in any::<prop::sample::Index>(),
    ) {
        let (tick, step) = (instrument.rules().tick, instrument.rules().step);
        let price = Decimal::from_units(count * tick.units());
        prop_assert_eq!(instrument.price(price), Ok(Price::new(count)));
        prop_assert_eq!(instrument.price_decimal(Price::new(count)), price);
        prop_assert_eq!(instrument.fine(Price::new(count)).decimal(), price);
        prop_assert_eq!(decimal(&instrument.price_text(Price::new(count))), price);
        if tick.units() > 1 {
            let between = off.index(tick.units() as usize - 1) as i64 + 1;
            let astray = Decimal::from_units(price.units() + between);
            prop_assert_eq!(instrument.price(astray), Err(InstrumentError::OffTick(astray, tick)));
        }
        for not_positive in [Decimal::ZERO, Decimal::from_units(-price.units())] {
            prop_assert!(instrument.price(not_positive).is_err());
        }

        let qty = Decimal::from_units(count * step.units());
        prop_assert_eq!(instrument.qty(qty), Ok(Qty::new(count as u64)));
        prop_assert_eq!(instrument.qty_decimal(Qty::new(count as u64)), qty);
        prop_assert_eq!(decimal(&instrument.qty_text(Qty::new(count as u64))), qty);
        prop_assert_eq!(instrument.position_decimal(Position::new(-count)).units(), -qty.units());
        if step.units() > 1 {
            let between = off.index(step.units() as usize - 1) as i64 + 1;
            let astray = Decimal::from_units(qty.units() + between);
            prop_assert_eq!(instrument.qty(astray), Err(InstrumentError::OffStep(astray, step)));
            prop_assert_eq!(instrument.qty_at_most(astray), Qty::new(count as u64));
        }
        let negative = Decimal::from_units(-qty.units());
        prop_assert!(instrument.qty(negative).is_err());
        prop_assert_eq!(instrument.qty_at_most(negative), Qty::ZERO);
    }

    #[test]
    fn fine_prices_round_outwards(instrument in instruments(), raw in -10_i64.pow(15)..10_i64.pow(15)) {
        let (fine, tick) = (FinePrice::new(raw), instrument.rules().tick.units());
        let (below, above) = (instrument.price_at_or_below(fine), instrument.price_at_or_above(fine));
        prop_assert!(below.raw() * tick <= raw && raw < (below.raw() + 1) * tick);
        prop_assert!(above.raw() * tick >= raw && raw > (above.raw() - 1) * tick);
        prop_assert_eq!(below == above, raw % tick == 0);
    }

    #[test]
    fn mid_is_exact_or_the_unit_below(
        instrument in instruments(),
        bid in 1_i64..1_000_000,
        spread in 0_i64..100,
    ) {
        let (bid, ask) = (Price::new(bid), Price::new(bid + spread));
        let twice = instrument.fine(bid).raw() + instrument.fine(ask).raw();
        prop_assert_eq!(instrument.mid(bid, ask).raw(), twice / 2);
        prop_assert!(twice % 2 == 0 || instrument.rules().tick.units() % 2 == 1);
    }

    #[test]
    fn floats_on_the_grid_stay_there(instrument in instruments(), count in 1_i64..2_000_000) {
        let (price, qty) = (Price::new(count), Qty::new(count as u64));
        let float = instrument.price_f64(price);
        prop_assert_eq!(instrument.float_at_or_below(float), Some(price));
        prop_assert_eq!(instrument.float_at_or_above(float), Some(price));
        let half = instrument.tick_f64() / 2.0;
        prop_assert_eq!(instrument.float_at_or_below(float + half), Some(price));
        prop_assert_eq!(instrument.float_at_or_above(float - half), Some(price));
        prop_assert_eq!(instrument.float_qty_at_most(instrument.qty_f64(qty)), Some(qty));
    }

    #[test]
    fn floats_that_are_no_price_are_refused(instrument in instruments(), float in any::<f64>()) {
        for price in [instrument.float_at_or_below(float), instrument.float_at_or_above(float)] {
            prop_assert!(price.is_none_or(|price| price > Price::ZERO && float > 0.0));
        }
        prop_assert!(instrument.float_qty_at_most(float).is_none() || float > -1e-6);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0] {
            prop_assert_eq!(instrument.float_at_or_below(bad), None);
            prop_assert_eq!(instrument.float_at_or_above(bad), None);
        }
    }

    #[test]
    fn notional_is_price_times_quantity(
        instrument in instruments(),
        price in 1_i64..1_000_000,
        lots in 0_i64..100_000,
    ) {
        let rules = instrument.rules();
        // Three counts of 1e-8 make 1e-24; money is counted in 1e-18.
        let exact = [price, rules.tick.units(), lots, rules.step.units(), rules.multiplier.units()]
            .into_iter()
            .fold(1, |product, factor| product * i128::from(factor));
        prop_assert_eq!(exact % 1_000_000, 0);
        let wanted = Usd::new(exact / 1_000_000);
        prop_assert_eq!(instrument.notional(Price::new(price), Qty::new(lots as u64)), wanted);
        let short = Position::new(-lots);
        prop_assert_eq!(instrument.position_value(Price::new(price), short), -wanted);
        prop_assert_eq!(instrument.value_at(instrument.fine(Price::new(price)), short), -wanted);
    }

    #[test]
    fn the_average_price_is_within_half_a_unit(
        instrument in instruments(),
        fills in prop::collection::vec((1_i64..10_000_000, 1_u64..100_000), 1..10),
        side in prop::sample::select(Side::BOTH.to_vec()),
    ) {
        let (mut cost, mut position) = (Usd::ZERO, Position::ZERO);
        for (price, lots) in fills {
            cost += instrument.notional(Price::new(price), Qty::new(lots)) * side.sign();
            position += Qty::new(lots).signed(side);
        }
        let average = instrument.average_price(cost, position);
        let miss = (instrument.value_at(average, position) - cost).abs().raw();
        let unit = instrument.value_at(FinePrice::new(1), position).abs().raw();
        prop_assert!(2 * miss <= unit, "{miss} of {unit}");
        prop_assert_eq!(instrument.average_price(cost, Position::ZERO), FinePrice::ZERO);
    }
}

#[test]
fn rules_that_cannot_work_are_refused() {
    type Change = fn(&mut Rules);
    let changes: [(&str, Change); 9] = [
        ("tick", |r| r.tick = Decimal::ZERO),
        ("tick", |r| r.tick = Decimal::from_units(-1)),
        ("step", |r| r.step = Decimal::from_units(-5)),
        ("step", |r| (r.step, r.multiplier) = (decimal("0.001"), Decimal::from_units(1))),
        ("min_qty", |r| r.min_qty = Decimal::ZERO),
        ("max_qty", |r| r.max_qty = Decimal::ZERO),
        ("market_max_qty", |r| r.market_max_qty = Decimal::ZERO),
        ("band_up", |r| r.band_up = Decimal::ZERO),
        ("multiplier", |r| r.multiplier = Decimal::ZERO),
    ];
    for (wanted, change) in changes {
        let mut rules = rules();
        change(&mut rules);
        match Instrument::new(InstrumentId(0), rules) {
            Err(InstrumentError::BadRule { rule, .. }) => assert_eq!(rule, wanted),
            other => panic!("{wanted}: {other:?}"),
        }
    }
    assert!(Instrument::known(InstrumentId(0), "DOGEUSDT").is_err());
}

#[test]
fn the_mid_of_the_largest_prices_fits() {
    let instrument = Instrument::known(InstrumentId(0), "ETHUSDC").unwrap();
    let most = Price::new(i64::MAX / 1_000_000);
    assert_eq!(instrument.mid(most, most), instrument.fine(most));
}
