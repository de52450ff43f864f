//! The running estimate: sampling, guards, reload.

use std::time::Duration;

use market::Nanos;
use proptest::prelude::*;
use quoting::volatility::Volatility;
use quoting::volatility::bars::{self, Bar, LogBar};
use quoting::{Estimator, VolatilityConfig};

use crate::support::{at, volatility};

const BARS: [Estimator; 4] =
    [Estimator::Parkinson, Estimator::GarmanKlass, Estimator::RogersSatchell, Estimator::YangZhang];

/// The mid that stood at a time: the last one observed at or before it.
fn standing(path: &[(u64, f64)], time: u64) -> Option<f64> {
    path.iter().take_while(|(seen, _)| *seen <= time).last().map(|(_, mid)| *mid)
}

/// EWMA by walking over every grid point up to, not including, the last observation.
fn naive_ewma(path: &[(u64, f64)], step: u64, half_life_s: f64) -> Option<f64> {
    let lambda = libm::exp2(-(step as f64 / 1e9) / half_life_s);
    let (first, last) = (path.first()?.0, path.last()?.0);
    let mids: Vec<f64> = (first.div_ceil(step)..)
        .map(|index| index * step)
        .take_while(|time| *time < last)
        .filter_map(|time| standing(path, time))
        .collect();
    let mut variance = None;
    for pair in mids.windows(2) {
        let square = libm::log(pair[1] / pair[0]).powi(2);
        variance = Some(variance.map_or(square, |v: f64| lambda * v + (1.0 - lambda) * square));
    }
    variance.map(|v| (v / (step as f64 / 1e9)).sqrt())
}

/// Bars by looking at every observation of each; the first, cut short, only gives its close.
fn naive_bars(path: &[(u64, f64)], step: u64, bars: usize) -> Vec<LogBar> {
    let (first, last) = (path[0].0, path[path.len() - 1].0);
    let mut logs = Vec::new();
    let mut close = None;
    for index in first / step..last / step {
        let (start, end) = (index * step, (index + 1) * step);
        let open = standing(path, start.saturating_sub(1)).or(standing(path, first)).unwrap();
        let mut bar = Bar::at(open);
        for (_, mid) in path.iter().filter(|(time, _)| (start..end).contains(time)) {
            bar = Bar { high: bar.high.max(*mid), low: bar.low.min(*mid), close: *mid, ..bar };
        }
        if let Some(before) = close.replace(bar.close) {
            logs.push(LogBar::new(before, &bar));
        }
    }
    logs.split_off(logs.len().saturating_sub(bars))
}

fn paths() -> impl Strategy<Value = Vec<(u64, f64)>> {
    let steps = prop::collection::vec((0_u64..3_000, -20_i32..=20), 1..300);
    (1_000_u64..100_000, steps).prop_map(|(start, steps)| {
        let (mut time, mut mid) = (start * 1_000_000, 2_000.0);
        let mut path = vec![(time, mid)];
        for (millis, move_ticks) in steps {
            time += millis * 1_000_000;
            mid += f64::from(move_ticks) * 0.01;
            path.push((time, mid));
        }
        path
    })
}

fn run(config: &VolatilityConfig, path: &[(u64, f64)]) -> Volatility {
    let mut estimate = Volatility::new(config);
    for (time, mid) in path {
        estimate.observe(Nanos(*time), *mid);
    }
    estimate
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-12 + 1e-9 * b.abs(),
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lazy_grid_equals_the_walk_over_it(path in paths(), grid_ms in 50_u64..2_500) {
        // Never warm, hence never winsorised.
        let config = VolatilityConfig {
            grid: Duration::from_millis(grid_ms),
            warmup: Duration::MAX,
            ..volatility()
        };
        let got = run(&config, &path).sigma();
        let want = naive_ewma(&path, grid_ms * 1_000_000, 10.0);
        prop_assert!(close(got, want), "{got:?}, want {want:?}");
    }

    #[test]
    fn how_often_it_is_fed_does_not_matter(path in paths(), warmup in 0_u64..60) {
        let mut often = Vec::new();
        for pair in path.windows(2) {
            often.push(pair[0]);
            often.extend((1..5).map(|k| (pair[0].0 + (pair[1].0 - pair[0].0) * k / 5, pair[0].1)));
        }
        often.push(path[path.len() - 1]);
        for estimator in [Estimator::Ewma, Estimator::YangZhang] {
            let config = VolatilityConfig {
                estimator,
                bar: Duration::from_secs(3),
                warmup: Duration::from_secs(warmup),
                // Far above what moves here: whether it is warm yet decides nothing.
                floor: 1e-3,
                ..volatility()
            };
            prop_assert!(close(run(&config, &path).sigma(), run(&config, &often).sigma()));
        }
    }

    #[test]
    fn bars_equal_those_of_the_naive_builder(
        path in paths(),
        bar_ms in 3_000_u64..20_000,
        bars in 1_u16..20,
    ) {
        for estimator in BARS {
            let bar = Duration::from_millis(bar_ms);
            let config = VolatilityConfig { estimator, bar, bars, ..volatility() };
            let got = run(&config, &path).sigma();
            let window = naive_bars(&path, bar_ms * 1_000_000, usize::from(bars));
            let want = bars::variance(estimator, window.iter())
                .map(|variance| (variance / bar.as_secs_f64()).sqrt());
            prop_assert!(close(got, want), "{estimator:?}: {got:?}, want {want:?}");
        }
    }

    #[test]
    fn any_stream_gives_a_finite_number(
        stream in prop::collection::vec((any::<u64>(), any::<f64>()), 0..50),
        sorted in any::<bool>(),
    ) {
        let mut stream = stream;
        if sorted {
            stream.sort_by_key(|(time, _)| *time);
        }
        for estimator in BARS.into_iter().chain([Estimator::Ewma]) {
            let config = VolatilityConfig { estimator, ..volatility() };
            if let Some(sigma) = run(&config, &stream).sigma() {
                prop_assert!((0.0..=1.0).contains(&sigma), "{estimator:?}: {sigma}");
            }
        }
    }
}

/// A walk of one step of one basis point, up or down, every second.
fn walk(seconds: u64) -> Vec<(u64, f64)> {
    let (mut mid, mut state) = (2_000.0, 1_u64);
    let mut path = Vec::new();
    for second in 0..seconds {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        mid *= if state >> 63 == 0 { 1.0001 } else { 1.0 / 1.0001 };
        path.push((second * 1_000_000_000, mid));
    }
    path
}

#[test]
fn every_estimator_finds_the_volatility_of_a_walk() {
    let path = walk(20_000);
    for estimator in BARS.into_iter().chain([Estimator::Ewma]) {
        let config = VolatilityConfig {
            estimator,
            half_life: Duration::from_secs(2_000),
            bar: Duration::from_secs(300),
            bars: 60,
            ..volatility()
        };
        let sigma = run(&config, &path).sigma().unwrap();
        // Ranges of a walk with few steps fall short of those of a diffusion.
        assert!((0.85e-4..1.1e-4).contains(&sigma), "{estimator:?}: {sigma}");
    }
}

#[test]
fn floor_cap_and_warm_up() {
    let config = VolatilityConfig { floor: 0.5e-4, cap: 2e-4, ..volatility() };
    let mut estimate = Volatility::new(&config);
    assert_eq!(estimate.sigma(), None);
    for second in 0..100 {
        estimate.observe(at(f64::from(second)), 2_000.0);
        assert_eq!(estimate.sigma().is_some(), second >= 2, "a return needs two grid points");
        assert_eq!(estimate.is_warm(at(f64::from(second))), second >= 10);
    }
    assert_eq!(estimate.sigma(), Some(0.5e-4));
    let wild = [
        (0, 2_000.0),
        (1_000_000_000, 2_100.0),
        (2_000_000_000, 2_000.0),
        (3_000_000_000, 2_000.0),
    ];
    assert_eq!(run(&config, &wild).sigma(), Some(2e-4));
}

#[test]
fn one_jump_is_not_a_regime() {
    let mut path = walk(200);
    let before = run(&volatility(), &path).sigma().unwrap();
    let mid = path[199].1 * 1.05;
    path.extend([(200_000_000_000, mid), (201_000_000_000, mid)]);
    let after = run(&volatility(), &path).sigma().unwrap();
    let lambda = libm::exp2(-0.1_f64);
    let most = before * (lambda + (1.0 - lambda) * 100.0).sqrt();
    assert!(after > before && after <= most * (1.0 + 1e-9), "{before} to {after}, most {most}");
}

#[test]
fn an_outage_leaves_the_estimate_as_it_was() {
    let path = walk(200);
    for estimator in [Estimator::Ewma, Estimator::Parkinson] {
        let config = VolatilityConfig { estimator, bar: Duration::from_secs(10), ..volatility() };
        let mut estimate = run(&config, &path);
        let before = estimate.sigma();
        estimate.observe(at(260.0), 2_500.0);
        estimate.observe(at(260.9), 2_500.0);
        assert_eq!(estimate.sigma(), before, "{estimator:?}");
        assert!(estimate.is_warm(at(260.9)));
    }
}

#[test]
fn reload_keeps_an_estimate_that_still_means_the_same() {
    let path = walk(600);
    let base = VolatilityConfig { bar: Duration::from_secs(10), ..volatility() };
    let bars = VolatilityConfig { estimator: Estimator::Parkinson, ..base.clone() };
    for (from, to, kept) in [
        (&base, VolatilityConfig { half_life: Duration::from_secs(99), ..base.clone() }, true),
        (&base, VolatilityConfig { warmup: Duration::from_secs(99), ..base.clone() }, true),
        (&base, VolatilityConfig { grid: Duration::from_secs(2), ..base.clone() }, false),
        (&base, bars.clone(), false),
        (&bars, VolatilityConfig { estimator: Estimator::YangZhang, ..bars.clone() }, true),
        (&bars, VolatilityConfig { bars: 3, ..bars.clone() }, true),
        (&bars, VolatilityConfig { bar: Duration::from_secs(5), ..bars.clone() }, false),
        (&bars, base.clone(), false),
    ] {
        let mut estimate = run(from, &path);
        estimate.reconfigure(&to);
        assert_eq!(estimate.sigma().is_some(), kept, "{from:?} to {to:?}");
    }
    // A shorter window is that of the same estimator started with it.
    let mut estimate = run(&bars, &path);
    let shorter = VolatilityConfig { bars: 3, ..bars };
    estimate.reconfigure(&shorter);
    assert_eq!(estimate.sigma(), run(&shorter, &path).sigma());
}
