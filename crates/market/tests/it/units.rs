//! Units: only sensible arithmetic, never a silent overflow.

use std::panic::{AssertUnwindSafe, catch_unwind};

use market::{ClientOrderId, Decimal, FinePrice, Position, Price, Qty, Rate, Side, Ticks, Usd};
use proptest::prelude::*;

use crate::{config, decimal};

/// What an operator gives, or `None` when it panics.
fn caught<T>(operation: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(operation)).ok()
}

/// Any integer, often near the ends.
fn edgy() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -100_i64..100,
        (0_i64..100).prop_map(|n| i64::MAX - n),
        (0_i64..100).prop_map(|n| i64::MIN + n),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn checked_arithmetic_is_that_of_the_integers(a in edgy(), b in edgy()) {
        let position = (Position::new(a), Position::new(b));
        let sum = position.0.checked_add(position.1).map(Position::raw);
        prop_assert_eq!(sum, a.checked_add(b));
        let difference = position.0.checked_sub(position.1).map(Position::raw);
        prop_assert_eq!(difference, a.checked_sub(b));
        let (unsigned_a, unsigned_b) = (a as u64, b as u64);
        let difference = Qty::new(unsigned_a).checked_sub(Qty::new(unsigned_b)).map(Qty::raw);
        prop_assert_eq!(difference, unsigned_a.checked_sub(unsigned_b));
        let cut = Qty::new(unsigned_a).saturating_sub(Qty::new(unsigned_b)).raw();
        prop_assert_eq!(cut, unsigned_a.saturating_sub(unsigned_b));
        if let Some(sum) = a.checked_add(b) {
            prop_assert_eq!(Price::new(a) + Ticks::new(b), Price::new(sum));
            prop_assert_eq!(Side::Sell.away(Price::new(a), Ticks::new(b)), Price::new(sum));
            prop_assert_eq!(FinePrice::new(a) + FinePrice::new(b), FinePrice::new(sum));
        }
        if let Some(difference) = a.checked_sub(b) {
            prop_assert_eq!(Price::new(a) - Price::new(b), Ticks::new(difference));
            prop_assert_eq!(Side::Buy.away(Price::new(a), Ticks::new(b)), Price::new(difference));
        }
    }

    #[test]
    fn money_rounds_half_away_from_zero(raw in -10_i128.pow(29)..10_i128.pow(29)) {
        let e8 = 10_i128.pow(10);
        let wanted = (raw.abs() * 2 + e8) / (2 * e8) * raw.signum();
        prop_assert_eq!(Usd::new(raw).round_e8(), Usd::new(wanted * e8));
        let booked = Usd::new(raw).to_decimal().map(Decimal::units);
        prop_assert_eq!(booked, i64::try_from(wanted).ok());
    }

    #[test]
    fn money_prints_exactly(units in any::<i64>(), raw in any::<i64>()) {
        let value = Decimal::from_units(units);
        prop_assert_eq!(Usd::from_decimal(value).to_string(), value.to_string());
        let text = format!("{:.18}", Usd::new(i128::from(raw)));
        prop_assert_eq!(text.replace('.', "").parse::<i128>().unwrap(), i128::from(raw));
    }

    #[test]
    fn sides_mirror_each_other(a in -1_000_i64..1_000, b in -1_000_i64..1_000) {
        let (up, down) = ((Price::new(a), Price::new(b)), (Price::new(-a), Price::new(-b)));
        prop_assert_eq!(Side::Buy.is_better(up.0, up.1), Side::Sell.is_better(down.0, down.1));
        prop_assert_eq!(Side::Buy.crosses(up.0, up.1), Side::Sell.crosses(up.1, up.0));
        prop_assert_eq!(Side::Buy.crosses(up.0, up.1), !Side::Sell.is_better(up.0, up.1));
    }

    #[test]
    fn client_ids_survive_the_wire(session in any::<u32>(), sequence in any::<u32>()) {
        let id = ClientOrderId { session, sequence };
        let text = id.to_string();
        prop_assert!(text.len() <= 36);
        prop_assert_eq!(text.parse(), Ok(id));
    }
}

#[test]
fn overflow_is_never_silent() {
    let (most, least) = (i64::MAX, i64::MIN);
    assert_eq!(caught(|| Price::new(most) + Ticks::new(1)), None);
    assert_eq!(caught(|| Price::new(least) - Ticks::new(1)), None);
    assert_eq!(caught(|| Price::new(least) - Price::new(1)), None);
    assert_eq!(caught(|| Ticks::new(most) + Ticks::new(1)), None);
    assert_eq!(caught(|| -Ticks::new(least)), None);
    assert_eq!(caught(|| Qty::new(0) - Qty::new(1)), None);
    assert_eq!(caught(|| Qty::new(u64::MAX) + Qty::new(1)), None);
    assert_eq!(caught(|| [Qty::new(u64::MAX), Qty::new(1)].into_iter().sum::<Qty>()), None);
    assert_eq!(caught(|| Qty::new(most as u64 + 1).signed(Side::Buy)), None);
    assert_eq!(caught(|| Position::new(most) + Position::new(1)), None);
    assert_eq!(caught(|| -Position::new(least)), None);
    assert_eq!(caught(|| FinePrice::new(most) + FinePrice::new(1)), None);
    assert_eq!(caught(|| Usd::new(i128::MAX) + Usd::new(1)), None);
    assert_eq!(caught(|| Usd::new(i128::MAX) * 2), None);
    assert_eq!(caught(|| Usd::new(i128::MAX).times(Rate::new(2))), None);
    let mut money = Usd::new(i128::MIN);
    assert_eq!(caught(|| money -= Usd::new(1)), None);
    assert_eq!(Qty::new(most as u64).signed(Side::Sell), Position::new(-most));
    assert_eq!(Position::new(least).abs(), Qty::new(least.unsigned_abs()));
}

#[test]
fn a_position_knows_what_reduces_it() {
    for (raw, side, buy, sell) in
        [(0, None, 0, 0), (5, Some(Side::Buy), 0, 5), (-5, Some(Side::Sell), 5, 0)]
    {
        let position = Position::new(raw);
        assert_eq!(position.side(), side);
        assert_eq!(position.reducible_by(Side::Buy), Qty::new(buy));
        assert_eq!(position.reducible_by(Side::Sell), Qty::new(sell));
    }
    assert_eq!(Usd::new(-7).times(Rate::from_decimal(decimal("0.5"))), Usd::new(-3), "cut to zero");
    assert_eq!(Usd::new(1).ratio(Usd::ZERO), 0.0);
}
