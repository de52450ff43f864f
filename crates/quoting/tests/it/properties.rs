//! `basic_mm`: what it never does, whatever it is given.

use std::time::Duration;

use market::{Book, Decimal, Instrument, Position, Qty, Side, Usd};
use proptest::prelude::*;
use quoting::Strategy as _;
use quoting::{BasicMm, BasicMmConfig, DynamicSpreadConfig, Fees, Quotes, View};

use crate::support::{at, book, config, decimal, eth, instrument, volatility};

/// Levels of both sides, (ticks, lots).
type Levels = [Vec<(i64, u64)>; 2];

/// Up to 12 levels a side at any price, one to 400 ticks apart.
fn levels() -> impl Strategy<Value = Levels> {
    let side = || prop::collection::vec((1_i64..40, 1_u64..5_000_000), 1..12);
    (2_i64..5_000_000, 1_i64..400, side(), side()).prop_map(|(bid, spread, bids, asks)| {
        let ladder = |mut price: i64, direction: i64, steps: Vec<(i64, u64)>| {
            let mut levels = Vec::new();
            for (gap, qty) in steps {
                if price > 0 {
                    levels.push((price, qty));
                }
                price += direction * gap;
            }
            levels
        };
        [ladder(bid, -1, bids), ladder(bid + spread, 1, asks)]
    })
}

/// Any float at all: NaN, infinities and subnormals too, with a bias to what makes sense.
fn wild() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => 0.0..0.01_f64,
        1 => -1e6..1e6_f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0]),
    ]
}

fn wild_config() -> impl Strategy<Value = BasicMmConfig> {
    let floats = prop::array::uniform8(wild());
    let dynamic = prop::option::of(prop::array::uniform5(wild()));
    let sizes = (any::<u8>(), prop_oneof![0_u64..5_000, any::<u64>()], 0_u64..50_000);
    (floats, dynamic, sizes).prop_map(|(f, dynamic, (levels, size, inventory))| BasicMmConfig {
        base_spread: f[0],
        base_size: Qty::new(size),
        max_inventory: Qty::new(inventory),
        skew_factor: f[1],
        levels,
        level_spacing: f[2],
        min_spread: f[3],
        max_spread: f[4],
        fee_edge: f[5],
        volatility: quoting::VolatilityConfig {
            warmup: Duration::ZERO,
            floor: f[6],
            cap: f[7],
            ..volatility()
        },
        dynamic_spread: dynamic.map(|d| DynamicSpreadConfig {
            vol_multiplier: d[0],
            horizon: Duration::from_secs(u64::from(levels)),
            inventory_widen: d[1],
            imbalance_widen: d[2],
            depth_widen: d[3],
            depth_reference: d[4],
            depth_levels: levels,
        }),
    })
}

/// A configuration within the documented ranges, without dynamic spread.
fn sane_config() -> impl Strategy<Value = BasicMmConfig> {
    let spreads = (1e-5..0.01_f64, 0.0..2.0_f64, 0.0..0.002_f64, 0.0..0.001_f64);
    (spreads, 1_u8..=10, 1_u64..500, 500_u64..5_000).prop_map(
        |((base_spread, skew_factor, level_spacing, fee_edge), levels, size, inventory)| {
            BasicMmConfig {
                base_spread,
                skew_factor,
                level_spacing,
                fee_edge,
                levels,
                base_size: Qty::new(size),
                max_inventory: Qty::new(inventory),
                ..config()
            }
        },
    )
}

fn free() -> Instrument {
    instrument(decimal("0.01"), decimal("0.001"), Decimal::ZERO)
}

fn view<'a>(instrument: &'a Instrument, book: &'a Book, position: i64, maker: f64) -> View<'a> {
    let fees = Fees { maker, taker: 0.0004 };
    View { now: at(100.0), instrument, book, position: Position::new(position), fees }
}

/// What a fresh strategy quotes, after two observations that give it a volatility.
fn decide(config: &BasicMmConfig, view: &View<'_>) -> (Quotes, quoting::Diagnostics) {
    let mut strategy = BasicMm::new(config);
    for seconds in [90.0, 93.0] {
        strategy.observe(&View { now: at(seconds), ..*view });
    }
    let quotes = strategy.quote(view);
    (quotes, strategy.diagnostics())
}

/// What the position changes by if every rung of a side fills.
fn total(quotes: &Quotes, side: Side) -> Qty {
    quotes.side(side).iter().map(|quote| quote.qty).sum()
}

fn check_ladder(quotes: &Quotes, view: &View<'_>, max_inventory: Qty) {
    let least = Usd::from_decimal(view.instrument.rules().min_notional);
    for side in Side::BOTH {
        let rungs = quotes.side(side);
        assert!(rungs.is_sorted_by(|a, b| side.is_better(a.price, b.price)), "{quotes:?}");
        let other = view.book.best(side.opposite()).unwrap();
        for rung in rungs {
            assert!(!side.crosses(rung.price, other.price), "{quotes:?} would take {other:?}");
            assert!(rung.price.raw() > 0 && !rung.qty.is_zero(), "{quotes:?}");
            assert!(view.instrument.notional(rung.price, rung.qty) >= least, "{quotes:?}");
        }
        if !rungs.is_empty() {
            let after = view.position + total(quotes, side).signed(side);
            let reached = i128::from(after.raw()) * i128::from(side.sign());
            assert!(reached <= i128::from(max_inventory.raw()), "{quotes:?} from {view:?}");
        }
    }
    if let (Some(bid), Some(ask)) =
        (quotes.side(Side::Buy).first(), quotes.side(Side::Sell).first())
    {
        assert!(bid.price < ask.price, "{quotes:?}");
    }
}

/// Checks that no rung of a side is nearer the market in `b` than the same rung in `a`. Where rungs
/// were merged or had no room, only the first one is the same in both.
fn check_not_nearer(side: Side, a: &Quotes, b: &Quotes, levels: u8) {
    let whole = [a, b].iter().all(|quotes| quotes.side(side).len() == usize::from(levels));
    let compared = if whole { usize::from(levels) } else { 1 };
    for (a, b) in a.side(side).iter().zip(b.side(side)).take(compared) {
        assert!(!side.is_better(b.price, a.price), "{side}: {b:?} is nearer than {a:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_the_ladder(
        config in wild_config(),
        [bids, asks] in levels(),
        position in prop_oneof![-60_000_i64..60_000, any::<i64>().prop_map(|p| p / 4)],
        maker in wild(),
        min_notional in prop::sample::select(vec!["0", "5", "20", "1000"]),
    ) {
        let instrument = instrument(decimal("0.01"), decimal("0.001"), decimal(min_notional));
        let book = book(&bids, &asks);
        let view = view(&instrument, &book, position, maker);
        let (quotes, diagnostics) = decide(&config, &view);
        check_ladder(&quotes, &view, config.max_inventory);
        let shown = [
            diagnostics.mid,
            diagnostics.reservation,
            diagnostics.half_spread,
            diagnostics.sigma,
            diagnostics.imbalance,
        ];
        prop_assert!(shown.iter().all(|value| value.is_finite()), "{diagnostics:?}");
    }

    #[test]
    fn skew_leans_against_inventory_in_every_level_count(
        config in sane_config(),
        [bids, asks] in levels(),
        less in -6_000_i64..6_000,
        more in -6_000_i64..6_000,
    ) {
        let (less, more) = (less.min(more), less.max(more));
        let (instrument, book) = (free(), book(&bids, &asks));
        let mut reservations = Vec::new();
        for levels in [1, 2, 5, 10] {
            let config = BasicMmConfig { levels, ..config.clone() };
            let (low, low_view) = decide(&config, &view(&instrument, &book, less, 0.0002));
            let (high, high_view) = decide(&config, &view(&instrument, &book, more, 0.0002));
            prop_assert!(high_view.reservation <= low_view.reservation);
            prop_assert!(less < 0 || low_view.reservation <= low_view.mid);
            prop_assert!(more > 0 || high_view.reservation >= high_view.mid);
            let limit = config.max_inventory.raw() as i64;
            if less < more && less.abs() < limit && config.skew_factor > 0.01 {
                prop_assert!(high_view.reservation < low_view.reservation);
            }
            check_not_nearer(Side::Buy, &low, &high, levels);
            check_not_nearer(Side::Sell, &high, &low, levels);
            reservations.push((low_view.reservation, high_view.reservation));
        }
        reservations.dedup();
        prop_assert_eq!(reservations.len(), 1, "the skew depends on the number of rungs");
    }

    #[test]
    fn more_volatility_never_quotes_nearer(
        config in sane_config(),
        [bids, asks] in levels(),
        position in -400_i64..400,
        calm in 0.0..0.002_f64,
        extra in 0.0..0.002_f64,
    ) {
        let (instrument, book) = (free(), book(&bids, &asks));
        let view = view(&instrument, &book, position, 0.0002);
        let with = |sigma: f64| {
            let mut config = config.clone();
            config.volatility.warmup = Duration::ZERO;
            (config.volatility.floor, config.volatility.cap) = (sigma, sigma);
            config.dynamic_spread = Some(DynamicSpreadConfig {
                vol_multiplier: 1.5,
                horizon: Duration::from_secs(3),
                inventory_widen: 0.5,
                imbalance_widen: 0.5,
                depth_widen: 0.5,
                depth_reference: 100.0,
                depth_levels: 5,
            });
            decide(&config, &view)
        };
        let ((near, near_view), (far, far_view)) = (with(calm), with(calm + extra));
        prop_assert!(near_view.warm && far_view.warm);
        prop_assert!(!near.is_empty());
        prop_assert!(far_view.half_spread >= near_view.half_spread);
        for side in Side::BOTH {
            check_not_nearer(side, &near, &far, config.levels);
        }
    }

    #[test]
    fn a_round_trip_pays_its_fees(
        config in sane_config(),
        [bids, asks] in levels(),
        position in -400_i64..400,
        maker in -0.0005..0.001_f64,
        max_spread in 0.0..0.001_f64,
    ) {
        let (instrument, book) = (free(), book(&bids, &asks));
        let config = BasicMmConfig { max_spread, ..config };
        let (quotes, seen) = decide(&config, &view(&instrument, &book, position, maker));
        prop_assert!(seen.half_spread >= seen.mid * (maker + config.fee_edge));
        let best = |side| quotes.side(side).first().map(|rung| instrument.price_f64(rung.price));
        if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
            let kept = ask - bid - 2.0 * seen.mid * maker;
            prop_assert!(kept >= 2.0 * seen.mid * config.fee_edge - 1e-7, "{kept}");
        }
    }

    #[test]
    fn another_currency_gives_the_same_ladder(
        config in sane_config(),
        [bids, asks] in levels(),
        position in -400_i64..400,
        doublings in 1_u32..6,
    ) {
        let book = book(&bids, &asks);
        let rules = free().rules().clone();
        let factor = 1_i64 << doublings;
        let scaled = |tick: i64, step: i64| {
            let times = |value: Decimal, factor| Decimal::from_units(value.units() * factor);
            instrument(times(rules.tick, tick), times(rules.step, step), Decimal::ZERO)
        };
        let ladder = |instrument: &Instrument| {
            decide(&config, &view(instrument, &book, position, 0.0002)).0
        };
        let plain = ladder(&free());
        prop_assert_eq!(&plain, &ladder(&scaled(factor, 1)), "prices times a power of two");
        prop_assert_eq!(&plain, &ladder(&scaled(1, factor)), "quantities times a power of two");
        let dime = ladder(&scaled(10, 1));
        for side in Side::BOTH {
            prop_assert_eq!(plain.side(side).len(), dime.side(side).len());
            for (a, b) in plain.side(side).iter().zip(dime.side(side)) {
                prop_assert!((a.price - b.price).raw().abs() <= 1, "prices times ten");
            }
        }
    }
}

#[test]
fn every_rung_filling_ends_at_the_limit() {
    let (eth, config) = (eth(), BasicMmConfig { levels: 10, ..config() });
    let book = book(&[(261_050, 5_000)], &[(261_051, 3_000)]);
    for position in -60..=60 {
        let view = view(&eth, &book, position, 0.0);
        let (quotes, _) = decide(&config, &view);
        check_ladder(&quotes, &view, config.max_inventory);
        let after = position + total(&quotes, Side::Buy).raw() as i64;
        // One lot alone is worth less than the smallest notional; ten rungs are a hundred lots.
        let wanted = if position >= 49 { position } else { 49.min(position + 100) };
        assert!(after == wanted || after == wanted + 1, "stops at {after} from {position}");
    }
}
