//! `basic_mm`: what it quotes, number by number.

use std::hash::Hasher;
use std::time::Duration;

use market::{Book, Instrument, Qty, Side};
use quoting::{BasicMm, BasicMmConfig, DynamicSpreadConfig, Fees, Quotes, Strategy, View};

use crate::support::{at, book, config, eth, text, view};

/// Bid 2610.50, ask 2610.51: the mid is 2610.505.
fn eth_book() -> Book {
    book(&[(261_050, 5_000), (261_049, 2_000)], &[(261_051, 3_000), (261_052, 4_000)])
}

fn quote(config: &BasicMmConfig, position: i64) -> String {
    let (eth, book) = (eth(), eth_book());
    let quotes = BasicMm::new(config).quote(&view(at(1.0), &eth, &book, position));
    text(&eth, &quotes)
}

#[test]
fn quotes_by_the_formula() {
    // Half spread 1.3052525; full skew 0.7831515.
    for (levels, position, wanted) in [
        (1, 0, "0.010@2609.19 | 0.010@2611.82"),
        (1, 25, "0.010@2608.80 | 0.010@2611.42"),
        (1, -25, "0.010@2609.59 | 0.010@2612.21"),
        (1, 50, " | 0.010@2611.03"),
        (1, -50, "0.010@2609.98 | "),
        (2, 0, "0.010@2609.19 0.010@2607.89 | 0.010@2611.82 0.010@2613.12"),
        (2, 25, "0.010@2608.80 0.010@2607.50 | 0.010@2611.42 0.010@2612.73"),
        // Room for 13 lots, then for none; three lots are worth more than the smallest notional.
        (2, 37, "0.010@2608.62 0.003@2607.31 | 0.010@2611.24 0.010@2612.54"),
        // One lot is worth less than it.
        (2, 39, "0.010@2608.58 | 0.010@2611.20 0.010@2612.51"),
        // Far beyond the limit the skew goes on, up to the touch, and nothing adds to the position.
        (1, 500, " | 0.010@2610.51"),
    ] {
        let config = BasicMmConfig { levels, ..config() };
        assert_eq!(quote(&config, position), wanted, "{levels} rungs at {position}");
    }
}

#[test]
fn limits_of_the_spread() {
    let base = config();
    for (change, wanted) in [
        (BasicMmConfig { min_spread: 0.002, ..base.clone() }, "2607.89 2613.12"),
        (BasicMmConfig { max_spread: 0.0002, ..base.clone() }, "2610.24 2610.77"),
        (BasicMmConfig { fee_edge: 0.001, ..base.clone() }, "2607.89 2613.12"),
        (BasicMmConfig { fee_edge: 0.001, max_spread: 0.0002, ..base.clone() }, "2607.89 2613.12"),
        // Narrower than the market: nothing is nearer than one tick from the other side.
        (BasicMmConfig { base_spread: 0.0, ..base.clone() }, "2610.50 2610.51"),
    ] {
        let (eth, book) = (eth(), eth_book());
        let quotes = BasicMm::new(&change).quote(&view(at(1.0), &eth, &book, 0));
        let price = |side| eth.price_text(quotes.side(side)[0].price);
        assert_eq!(format!("{} {}", price(Side::Buy), price(Side::Sell)), wanted);
    }
    let (eth, book) = (eth(), eth_book());
    let fees = Fees { maker: 0.001, taker: 0.002 };
    let quotes = BasicMm::new(&base).quote(&View { fees, ..view(at(1.0), &eth, &book, 0) });
    assert_eq!(text(&eth, &quotes), "0.010@2607.89 | 0.010@2613.12", "fees are part of the floor");
}

#[test]
fn rungs_pressed_against_the_touch_merge() {
    // Skewed up by 4.6 half spreads: five bids want to be above the best ask.
    let config = BasicMmConfig {
        skew_factor: 2.3,
        levels: 10,
        level_spacing: 0.0004,
        max_inventory: Qty::new(1_000),
        ..config()
    };
    let bids = quote(&config, -999).split(" | ").next().unwrap().to_owned();
    let wanted = ["2610.50", "2609.97", "2608.93", "2607.88", "2606.84", "2605.80"];
    assert_eq!(bids, wanted.map(|price| format!("0.010@{price}")).join(" "));
}

fn dynamic() -> DynamicSpreadConfig {
    DynamicSpreadConfig {
        vol_multiplier: 2.0,
        horizon: Duration::from_secs(4),
        inventory_widen: 0.5,
        imbalance_widen: 0.4,
        depth_widen: 1.0,
        depth_reference: 8.0,
        depth_levels: 2,
    }
}

/// A strategy that has seen `book` for a minute, whose volatility is `sigma`.
fn warmed(config: &BasicMmConfig, sigma: f64, instrument: &Instrument, book: &Book) -> BasicMm {
    let mut config = config.clone();
    (config.volatility.floor, config.volatility.cap) = (sigma, sigma);
    let mut strategy = BasicMm::new(&config);
    for second in 0..60 {
        strategy.observe(&view(at(f64::from(second)), instrument, book, 0));
    }
    strategy
}

#[test]
fn dynamic_spread_by_the_formula() {
    let (eth, book) = (eth(), eth_book());
    let config = BasicMmConfig { dynamic_spread: Some(dynamic()), ..config() };
    let mut strategy = warmed(&config, 0.0002, &eth, &book);
    let quotes = strategy.quote(&view(at(60.0), &eth, &book, 25));
    // Base 0.001 + 2 * 2 * 0.0002 * sqrt 4 = 0.0026; inventory 0.5 * 0.5; imbalance 0 of 7 against 7;
    // the sides hold 7 of 8. So 0.0026 * (1 + 0.25 + 0.125) / 2 of the mid.
    let diagnostics = strategy.diagnostics();
    let wanted = 2_610.505 * 0.0026 * 1.375 / 2.0;
    assert!((diagnostics.half_spread - wanted).abs() < 1e-9, "{diagnostics:?}");
    assert!((diagnostics.reservation - (2_610.505 * (1.0 - 0.00015))).abs() < 1e-9);
    assert_eq!((diagnostics.sigma, diagnostics.imbalance, diagnostics.warm), (0.0002, 0.0, true));
    assert_eq!(text(&eth, &quotes), "0.010@2605.44 | 0.010@2614.78");
}

#[test]
fn imbalance_widens() {
    let (eth, config) = (eth(), BasicMmConfig { dynamic_spread: Some(dynamic()), ..config() });
    let half = |bid: u64, ask: u64| {
        let book = book(&[(261_050, bid)], &[(261_051, ask)]);
        let mut strategy = warmed(&config, 0.0, &eth, &book);
        strategy.quote(&view(at(60.0), &eth, &book, 0));
        (strategy.diagnostics().imbalance, strategy.diagnostics().half_spread / 2_610.505)
    };
    let (imbalance, fraction) = half(30_000, 10_000);
    assert_eq!(imbalance, 0.5);
    assert!((fraction - 0.0005 * 1.2).abs() < 1e-12);
    assert_eq!(half(10_000, 30_000), (-0.5, fraction));
}

#[test]
fn quotes_nothing_before_volatility_is_warm() {
    let (eth, book) = (eth(), eth_book());
    let config = BasicMmConfig { dynamic_spread: Some(dynamic()), ..config() };
    let mut strategy = BasicMm::new(&config);
    for second in 0..=12 {
        let view = view(at(f64::from(second)), &eth, &book, 0);
        strategy.observe(&view);
        let quotes = strategy.quote(&view);
        assert_eq!(quotes.is_empty(), second < 10, "after {second} s");
        assert_eq!(strategy.diagnostics().warm, second >= 10);
    }
}

#[test]
fn reload_keeps_what_is_warm() {
    let (eth, book) = (eth(), eth_book());
    let mut config = BasicMmConfig { dynamic_spread: Some(dynamic()), ..config() };
    let mut strategy = warmed(&config, 0.0002, &eth, &book);
    config.base_spread = 0.002;
    config.volatility.half_life = Duration::from_secs(20);
    let now = at(60.0);
    strategy.reconfigure(&config);
    assert!(!strategy.quote(&view(now, &eth, &book, 0)).is_empty());
    config.volatility.grid = Duration::from_millis(500);
    strategy.reconfigure(&config);
    assert!(
        strategy.quote(&view(now, &eth, &book, 0)).is_empty(),
        "another grid, another estimate"
    );
}

#[test]
fn unusable_books_are_not_quoted() {
    let eth = eth();
    for book in [
        Book::default(),
        book(&[(100, 1)], &[]),
        book(&[], &[(100, 1)]),
        book(&[(100, 1)], &[(100, 1)]),
        book(&[(101, 1)], &[(100, 1)]),
    ] {
        let mut strategy = BasicMm::new(&config());
        let view = view(at(1.0), &eth, &book, 0);
        strategy.observe(&view);
        assert_eq!(strategy.quote(&view), Quotes::NONE);
    }
}

#[test]
fn the_hash_tells_states_apart() {
    let (eth, book) = (eth(), eth_book());
    let hash = |strategy: &BasicMm| {
        let mut hasher = std::hash::DefaultHasher::new();
        strategy.hash_into(&mut hasher);
        hasher.finish()
    };
    let mut strategy = BasicMm::new(&config());
    let cold = hash(&strategy);
    assert_eq!(cold, hash(&BasicMm::new(&config())));
    strategy.observe(&view(at(1.0), &eth, &book, 0));
    let seen = hash(&strategy);
    assert_ne!(cold, seen);
    strategy.quote(&view(at(1.0), &eth, &book, 7));
    assert_eq!(seen, hash(&strategy), "deciding changes nothing");
    strategy.reconfigure(&BasicMmConfig { fee_edge: 0.1, ..config() });
    assert_ne!(seen, hash(&strategy));
}
