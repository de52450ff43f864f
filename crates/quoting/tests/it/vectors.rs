//! The reference vectors, computed independently in Python; definitions in `models.md` beside them.

use std::path::PathBuf;

use market::{Decimal, Instrument, Level, Price, Qty, Side};
use quoting::signal::Depth;
use quoting::spread;
use quoting::volatility::bars::{self, Bar, LogBar};
use quoting::volatility::ewma::{self, Ewma};
use quoting::{DynamicSpreadConfig, Estimator};
use serde_json::Value;

use crate::support;

/// One suite with its tolerances.
struct Suite {
    name: &'static str,
    relative: f64,
    absolute: f64,
    cases: Vec<Value>,
}

impl Suite {
    /// `None`, loudly, where the vectors are not checked out.
    fn load(name: &'static str) -> Option<Self> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/reference/vectors")
            .join(format!("{name}.json"));
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("SKIPPED: no reference vectors at {}", path.display());
            return None;
        };
        let mut suite: Value = serde_json::from_str(&text).unwrap();
        let number = |key: &str| suite[key].as_f64().unwrap();
        let (relative, absolute) = (number("rel_tol"), number("abs_tol"));
        let Value::Array(cases) = suite["cases"].take() else { panic!("{name} has no cases") };
        Some(Self { name, relative, absolute, cases })
    }

    fn close(&self, case: &Value, key: &str, got: f64) {
        self.close_value(case, key, &case["outputs"][key], got);
    }

    fn close_value(&self, case: &Value, key: &str, want: &Value, got: f64) {
        let want = want.as_f64().unwrap_or_else(|| panic!("{} has no {key}", case["id"]));
        let tolerance = self.absolute.max(self.relative * want.abs());
        assert!((got - want).abs() <= tolerance, "{} {key}: {got}, want {want}", case["id"]);
    }

    fn done(&self, checked: usize, expected: usize) {
        eprintln!("{}: {checked} of {} cases", self.name, self.cases.len());
        assert_eq!(checked, expected, "{}: a case was lost", self.name);
    }
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|item| item.as_f64().unwrap()).collect()
}

/// The decimal a JSON number spells.
fn decimal(value: &Value) -> Decimal {
    support::decimal(&value.to_string())
}

#[test]
fn vol_streams() {
    let Some(suite) = Suite::load("vol_streams") else { return };
    let mut checked = 0;
    for case in &suite.cases {
        let inputs = &case["inputs"];
        let mids = floats(&inputs["mids"]);
        match inputs["op"].as_str().unwrap() {
            "ewma_grid" => {
                let step_s = inputs["dt_s"].as_f64().unwrap();
                let lambda = match inputs["half_life_s"].as_f64() {
                    Some(half_life_s) => ewma::lambda(step_s, half_life_s),
                    None => inputs["lam"].as_f64().unwrap(),
                };
                suite.close(case, "lam", lambda);
                let mut ewma = Ewma::new(lambda);
                let wanted = case["outputs"]["var_per_step"].as_array().unwrap();
                for (pair, want) in mids.windows(2).zip(wanted) {
                    ewma.push(libm::log(pair[1] / pair[0]));
                    suite.close_value(case, "var_per_step", want, ewma.variance.unwrap());
                }
                let sigma = (ewma.variance.unwrap() / step_s).sqrt();
                suite.close(case, "sigma_per_sqrt_s", sigma);
                checked += 1;
            }
            // Not used by any strategy yet.
            "ewma_irregular" | "realised" => continue,
            other => panic!("unknown op {other}"),
        }
    }
    suite.done(checked, 8);
}

#[test]
fn vol_ohlc() {
    let Some(suite) = Suite::load("vol_ohlc") else { return };
    for case in &suite.cases {
        let rows: Vec<Bar> = case["inputs"]["bars"]
            .as_array()
            .unwrap()
            .iter()
            .map(floats)
            .map(|row| Bar { open: row[0], high: row[1], low: row[2], close: row[3] })
            .collect();
        let window: Vec<LogBar> =
            rows.windows(2).map(|pair| LogBar::new(pair[0].close, &pair[1])).collect();
        for (estimator, key) in [
            (Estimator::Parkinson, "parkinson"),
            (Estimator::GarmanKlass, "garman_klass"),
            (Estimator::RogersSatchell, "rogers_satchell"),
            (Estimator::YangZhang, "yang_zhang"),
        ] {
            suite.close(case, key, bars::variance(estimator, window.iter()).unwrap());
        }
    }
    suite.done(suite.cases.len(), 16);
}

#[test]
fn spread_models() {
    let Some(suite) = Suite::load("spread_models") else { return };
    let mut checked = 0;
    for case in &suite.cases {
        let inputs = &case["inputs"];
        let number = |key: &str| inputs[key].as_f64().unwrap();
        match inputs["kind"].as_str().unwrap() {
            "vol_scaled" => {
                let half = spread::vol_scaled_half(
                    number("base_bps") * 1e-4,
                    number("mult"),
                    number("sigma_1s"),
                    number("horizon_s"),
                );
                suite.close(case, "raw_bps", half * 1e4);
                let (low, high) = (number("min_bps") * 1e-4, number("max_bps") * 1e-4);
                let held = spread::clamp(half, low, high);
                suite.close(case, "half_bps", held * 1e4);
                suite.close(case, "half_price", held * number("mid"));
                let dynamic = DynamicSpreadConfig {
                    vol_multiplier: number("mult"),
                    horizon: std::time::Duration::from_secs_f64(number("horizon_s")),
                    inventory_widen: 0.0,
                    imbalance_widen: 0.0,
                    depth_widen: 0.0,
                    depth_reference: 1.0,
                    depth_levels: 1,
                };
                let depth = Depth { bid: 1.0, ask: 1.0 };
                let base = 2.0 * number("base_bps") * 1e-4;
                let full = dynamic.spread(base, number("sigma_1s"), 0.0, depth);
                suite.close(case, "raw_bps", full / 2.0 * 1e4);
            }
            "skew_linear" => skew_linear(&suite, case),
            "fee_floor" => {
                let (mid, edge) = (number("mid"), number("edge_bps") * 1e-4 / 2.0);
                let floor = spread::fee_floor(mid, number("maker_fee"), edge);
                suite.close(case, "half_floor", floor);
                suite.close(case, "half_used", floor.max(number("half")));
            }
            "ladder" if inputs["spacing"] == "arithmetic" => {
                let side = if inputs["side"] == "buy" { Side::Buy } else { Side::Sell };
                for (index, want) in (0_u8..).zip(case["outputs"]["prices"].as_array().unwrap()) {
                    let got = spread::rung(side, number("first"), index, number("step"));
                    suite.close_value(case, "prices", want, got);
                }
            }
            // Rules that no strategy uses yet.
            "ladder" | "skew_exp_price" | "skew_exp_size" => continue,
            other => panic!("unknown kind {other}"),
        }
        checked += 1;
    }
    suite.done(checked, 8 + 9 + 2 + 1);
}

fn skew_linear(suite: &Suite, case: &Value) {
    let inputs = &case["inputs"];
    let number = |key: &str| inputs[key].as_f64().unwrap();
    let ratio = spread::inventory_ratio(number("q"), number("q_max"));
    suite.close(case, "u", ratio);
    let centre = spread::skewed_centre(number("mid"), ratio, number("skew_bps") * 1e-4);
    suite.close(case, "reservation", centre);
    let half = number("half_bps") * 1e-4 * number("mid");
    let tick = decimal(&inputs["tick"]);
    let instrument = support::instrument(tick, support::decimal("0.001"), Decimal::ZERO);
    for (side, key, tick_key, other_key, nowhere) in [
        (Side::Buy, "bid", "bid_tick", "best_ask", i64::MAX / 2),
        (Side::Sell, "ask", "ask_tick", "best_bid", 0),
    ] {
        let price = centre - side.sign() as f64 * half;
        suite.close(case, key, price);
        let other = match &inputs[other_key] {
            Value::Null => Price::new(nowhere),
            best => instrument.price(decimal(best)).unwrap(),
        };
        let other = Level { price: other, qty: Qty::new(1) };
        let got = spread::maker_price(&instrument, side, price, other).unwrap();
        assert_eq!(got.raw(), case["outputs"][tick_key].as_i64().unwrap(), "{}", case["id"]);
    }
}

#[test]
fn book_signals() {
    let Some(suite) = Suite::load("book_signals") else { return };
    let thousandth = support::decimal("0.001");
    let instrument = support::instrument(thousandth, thousandth, Decimal::ZERO);
    for case in &suite.cases {
        let levels = |key: &str| -> Vec<(i64, u64)> {
            let level = |row: &Value| {
                let price = instrument.price(decimal(&row[0])).unwrap();
                (price.raw(), instrument.qty(decimal(&row[1])).unwrap().raw())
            };
            case["inputs"][key].as_array().unwrap().iter().map(level).collect()
        };
        let book = support::book(&levels("bids"), &levels("asks"));
        suite.close(case, "mid", mid(&instrument, &book));
        let touch = Depth::of(&book, &instrument, 1);
        suite.close(case, "imbalance_signed", touch.imbalance());
        let n = u8::try_from(case["inputs"]["n"].as_u64().unwrap()).unwrap();
        let depth = Depth::of(&book, &instrument, n);
        suite.close(case, "depth_imbalance", depth.imbalance());
    }
    suite.done(suite.cases.len(), 18);
}

fn mid(instrument: &Instrument, book: &market::Book) -> f64 {
    let (bid, ask) = book.touch().unwrap();
    instrument.mid(bid.price, ask.price).to_f64()
}
