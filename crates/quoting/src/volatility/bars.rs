//! Bars of the mid, and variance from their ranges.

use std::collections::VecDeque;
use std::f64::consts::LN_2;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::Nanos;

use super::{Estimator, nanos};

/// Open, high, low and close of the mid over one interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// First.
    pub open: f64,
    /// Highest.
    pub high: f64,
    /// Lowest.
    pub low: f64,
    /// Last.
    pub close: f64,
}

impl Bar {
    /// A bar in which nothing moved yet.
    pub fn at(mid: f64) -> Self {
        Self { open: mid, high: mid, low: mid, close: mid }
    }

    fn extend(&mut self, mid: f64) {
        self.high = self.high.max(mid);
        self.low = self.low.min(mid);
        self.close = mid;
    }
}

/// The logarithms the estimators are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogBar {
    /// Open against the close before.
    gap: f64,
    /// High against open.
    up: f64,
    /// Low against open.
    down: f64,
    /// Close against open.
    drift: f64,
}

impl LogBar {
    /// Of a bar that follows another's close.
    pub fn new(close_before: f64, bar: &Bar) -> Self {
        Self {
            gap: libm::log(bar.open / close_before),
            up: libm::log(bar.high / bar.open),
            down: libm::log(bar.low / bar.open),
            drift: libm::log(bar.close / bar.open),
        }
    }
}

/// Variance per bar; `None` with too few bars (Yang-Zhang needs two) and for [`Estimator::Ewma`],
/// which does not use bars.
///
/// - Parkinson, "The extreme value method for estimating the variance of the rate of return",
///   Journal of Business 53(1), 1980.
/// - Garman & Klass, "On the estimation of security price volatilities from historical data",
///   Journal of Business 53(1), 1980 (the practical form without cross terms).
/// - Rogers & Satchell, "Estimating variance from high, low and closing prices", Annals of Applied
///   Probability 1(4), 1991.
/// - Yang & Zhang, "Drift-independent volatility estimation based on high, low, open and close
///   prices", Journal of Business 73(3), 2000.
pub fn variance<'a, I>(estimator: Estimator, bars: I) -> Option<f64>
where
    I: Iterator<Item = &'a LogBar> + Clone,
{
    match estimator {
        Estimator::Ewma => None,
        Estimator::Parkinson => {
            let range = mean(bars.map(|bar| (bar.up - bar.down) * (bar.up - bar.down)))?;
            Some(range / (4.0 * LN_2))
        }
        Estimator::GarmanKlass => mean(bars.map(|bar| {
            let range = bar.up - bar.down;
            0.5 * range * range - (2.0 * LN_2 - 1.0) * bar.drift * bar.drift
        })),
        Estimator::RogersSatchell => mean(bars.map(rogers_satchell)),
        Estimator::YangZhang => {
            let n = bars.clone().count() as f64;
            let gaps = sample_variance(bars.clone().map(|bar| bar.gap))?;
            let drifts = sample_variance(bars.clone().map(|bar| bar.drift))?;
            let weight = 0.34 / (1.34 + (n + 1.0) / (n - 1.0));
            let inner = mean(bars.map(rogers_satchell))?;
            Some(gaps + weight * drifts + (1.0 - weight) * inner)
        }
    }
}

fn rogers_satchell(bar: &LogBar) -> f64 {
    bar.up * (bar.up - bar.drift) + bar.down * (bar.down - bar.drift)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

/// Variance around the mean with `n - 1` in the denominator; `None` below two values.
fn sample_variance(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let centre = mean(values.clone())?;
    let (sum, n) = values
        .fold((0.0, 0.0), |(sum, n), value| (sum + (value - centre) * (value - centre), n + 1.0));
    (n > 1.0).then(|| sum / (n - 1.0))
}

/// The last complete bars and the one being built.
#[derive(Clone, Debug)]
pub(super) struct BarWindow {
    estimator: Estimator,
    step: u64,
    bars: usize,
    window: VecDeque<LogBar>,
    /// Close of the last complete bar; `None` until the first one, which is usually cut short and
    /// gives nothing but its close.
    close_before: Option<f64>,
    current: Bar,
    /// Where the current bar ends.
    end: u64,
    /// Variance per bar, refreshed when a bar is complete.
    variance: Option<f64>,
}

impl BarWindow {
    pub(super) fn new(estimator: Estimator, bar: Duration, bars: u16) -> Self {
        let bars = usize::from(bars.max(1));
        Self {
            estimator,
            step: nanos(bar),
            bars,
            window: VecDeque::with_capacity(bars),
            close_before: None,
            current: Bar::at(0.0),
            end: 0,
            variance: None,
        }
    }

    /// Starts a bar that will only give its close; complete bars stay.
    pub(super) fn restart(&mut self, now: Nanos, mid: f64) {
        self.close_before = None;
        self.current = Bar::at(mid);
        self.end = self.end_after(now);
    }

    /// Completes the bars that ended, then extends the current one. A bar opens with the mid that
    /// stood at its edge.
    pub(super) fn observe(&mut self, now: Nanos, mid: f64) {
        if now.0 >= self.end {
            let still = (now.0 - self.end) / self.step;
            let standing = self.current.close;
            self.complete();
            for _ in 0..still.min(self.bars as u64) {
                self.current = Bar::at(standing);
                self.complete();
            }
            self.variance = variance(self.estimator, self.window.iter());
            self.current = Bar::at(standing);
            self.end = self.end_after(now);
        }
        self.current.extend(mid);
    }

    fn end_after(&self, now: Nanos) -> u64 {
        (now.0 / self.step).saturating_add(1).saturating_mul(self.step)
    }

    fn complete(&mut self) {
        if let Some(close_before) = self.close_before.replace(self.current.close) {
            if self.window.len() == self.bars {
                self.window.pop_front();
            }
            self.window.push_back(LogBar::new(close_before, &self.current));
        }
    }

    /// Changes estimator and length of the window and keeps the bars that still fit.
    pub(super) fn reshape(&mut self, estimator: Estimator, bars: u16) {
        self.estimator = estimator;
        self.bars = usize::from(bars.max(1));
        let surplus = self.window.len().saturating_sub(self.bars);
        self.window.drain(..surplus);
        self.window.reserve(self.bars - self.window.len());
        self.variance = variance(self.estimator, self.window.iter());
    }

    /// Variance per second.
    pub(super) fn rate(&self) -> Option<f64> {
        Some(self.variance? / (self.step as f64 / 1e9))
    }

    pub(super) fn hash_into(&self, hasher: &mut impl Hasher) {
        (self.end, self.close_before.map(f64::to_bits), self.window.len()).hash(hasher);
        let current = [self.current.open, self.current.high, self.current.low, self.current.close];
        current.map(f64::to_bits).hash(hasher);
        for bar in &self.window {
            [bar.gap, bar.up, bar.down, bar.drift].map(f64::to_bits).hash(hasher);
        }
    }
}
