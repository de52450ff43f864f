//! How much the mid moves: volatility of returns per square root of a second.
//!
//! [`Volatility`] is what a strategy holds: it samples the mid on a fixed grid or into bars, whatever
//! the rhythm of the events, and adds the guards that make an estimate fit for quoting (warm-up,
//! floor, cap, winsorised returns, silences). The estimators proper are in [`ewma`] and [`bars`].
//!
//! Sampled from the mid, not from trades: prints bounce between bid and ask, which is not volatility.

pub mod bars;
pub mod ewma;

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::Nanos;
use serde::{Deserialize, Serialize};

use bars::BarWindow;
use ewma::Ewma;

/// How volatility is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Estimator {
    /// Exponentially weighted squared returns on a grid: quick, the default.
    Ewma,
    /// High-low range (Parkinson 1980).
    Parkinson,
    /// Range and close (Garman & Klass 1980).
    GarmanKlass,
    /// Range, indifferent to a trend (Rogers & Satchell 1991).
    RogersSatchell,
    /// Range, trend and gaps between bars (Yang & Zhang 2000).
    YangZhang,
}

/// How volatility is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolatilityConfig {
    /// The estimator.
    pub estimator: Estimator,
    /// Sampling interval of [`Estimator::Ewma`], above zero, usually 100 ms to 5 s; finer ones
    /// measure the flicker of the touch.
    pub grid: Duration,
    /// Age at which a squared return counts half, for [`Estimator::Ewma`]; above zero, usually 10 s
    /// to 120 s.
    pub half_life: Duration,
    /// Length of a bar, for the other estimators; above zero.
    pub bar: Duration,
    /// Bars in the rolling window, for the other estimators; 1 and above, 2 for Yang-Zhang.
    pub bars: u16,
    /// No estimate is trusted before this much time has been watched; at least three half-lives.
    pub warmup: Duration,
    /// Smallest volatility reported, per square root of a second, 0 and above: quiet minutes end.
    pub floor: f64,
    /// Largest volatility reported, per square root of a second, at least `floor`.
    pub cap: f64,
}

/// Returns beyond this many standard deviations count as this many: one jump is not a regime.
const WINSOR: f64 = 10.0;
/// Silences up to here are a quiet market whatever the memory of the estimator.
const SILENCE_MIN: Duration = Duration::from_secs(10);

/// A running estimate of volatility, fed with the mid at irregular times.
///
/// Grid points and bar edges are multiples of their interval since the epoch. They are filled lazily:
/// each gets the mid that stood at that time, so the estimate does not depend on how often it is fed
/// while nothing moves.
///
/// A silence longer than the estimator's memory (a half-life or a bar, 10 s at least) is an outage:
/// what the mid did meanwhile is unknown, so the estimate is held as it was and sampling restarts.
#[derive(Clone, Debug)]
pub struct Volatility {
    config: VolatilityConfig,
    source: Source,
    /// First observation, from which warm-up counts.
    started: Option<Nanos>,
    /// Last observation.
    seen: Nanos,
}

#[derive(Clone, Debug)]
enum Source {
    Grid(Grid),
    Bars(BarWindow),
}

/// EWMA over lazily filled grid points.
#[derive(Clone, Debug)]
struct Grid {
    ewma: Ewma,
    step: u64,
    /// The grid point to be filled next.
    next: u64,
    /// Mid at the grid point before, once there is one.
    sampled: Option<f64>,
    /// Mid that stands now.
    standing: f64,
}

impl Volatility {
    /// Starts cold.
    pub fn new(config: &VolatilityConfig) -> Self {
        let source = match config.estimator {
            Estimator::Ewma => Source::Grid(Grid::new(config)),
            Estimator::Parkinson
            | Estimator::GarmanKlass
            | Estimator::RogersSatchell
            | Estimator::YangZhang => {
                Source::Bars(BarWindow::new(config.estimator, config.bar, config.bars))
            }
        };
        Self { config: config.clone(), source, started: None, seen: Nanos::ZERO }
    }

    /// Takes in the mid as it stands from `now` on. Ignores a mid that is no price.
    pub fn observe(&mut self, now: Nanos, mid: f64) {
        if !(mid.is_finite() && mid > 0.0) || now < self.seen {
            return;
        }
        let memory = match self.source {
            Source::Grid(_) => self.config.half_life,
            Source::Bars(_) => self.config.bar,
        };
        let fresh = self.started.is_none() || now.since(self.seen) > memory.max(SILENCE_MIN);
        let trusted_floor = self.is_warm(now).then_some(self.config.floor);
        match &mut self.source {
            Source::Grid(grid) if fresh => grid.restart(now, mid),
            Source::Grid(grid) => grid.observe(now, mid, trusted_floor),
            Source::Bars(bars) if fresh => bars.restart(now, mid),
            Source::Bars(bars) => bars.observe(now, mid),
        }
        self.started.get_or_insert(now);
        self.seen = now;
    }

    /// Volatility of returns per square root of a second, between floor and cap; `None` before the
    /// first estimate.
    pub fn sigma(&self) -> Option<f64> {
        let raw = match &self.source {
            Source::Grid(grid) => grid.rate(),
            Source::Bars(bars) => bars.rate(),
        }?;
        Some(crate::spread::clamp(raw.sqrt(), self.config.floor, self.config.cap))
    }

    /// Whether the estimate may be trusted.
    pub fn is_warm(&self, now: Nanos) -> bool {
        let watched = self.started.is_some_and(|started| now.since(started) >= self.config.warmup);
        watched && self.sigma().is_some()
    }

    /// Takes new parameters. Only a different estimator, grid or bar length starts anew.
    pub fn reconfigure(&mut self, config: &VolatilityConfig) {
        let kept = match &mut self.source {
            Source::Grid(grid) => {
                let kept = config.estimator == Estimator::Ewma && config.grid == self.config.grid;
                grid.ewma.lambda = decay(config);
                kept
            }
            Source::Bars(bars) => {
                let kept = config.estimator != Estimator::Ewma && config.bar == self.config.bar;
                bars.reshape(config.estimator, config.bars);
                kept
            }
        };
        if kept {
            self.config = config.clone();
        } else {
            *self = Self::new(config);
        }
    }

    /// Feeds everything that decides future estimates into a hasher.
    pub fn hash_into(&self, hasher: &mut impl Hasher) {
        let config = &self.config;
        (config.estimator, config.grid, config.half_life, config.bar, config.bars, config.warmup)
            .hash(hasher);
        (config.floor.to_bits(), config.cap.to_bits(), self.started, self.seen).hash(hasher);
        match &self.source {
            Source::Grid(grid) => {
                let bits = |value: Option<f64>| value.map(f64::to_bits);
                (bits(grid.ewma.variance), grid.next, bits(grid.sampled)).hash(hasher);
                grid.standing.to_bits().hash(hasher);
            }
            Source::Bars(bars) => bars.hash_into(hasher),
        }
    }
}

fn decay(config: &VolatilityConfig) -> f64 {
    ewma::lambda(config.grid.as_secs_f64(), config.half_life.as_secs_f64())
}

/// An interval in nanoseconds, never zero.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1)
}

impl Grid {
    fn new(config: &VolatilityConfig) -> Self {
        let ewma = Ewma::new(decay(config));
        Self { ewma, step: nanos(config.grid), next: 0, sampled: None, standing: 0.0 }
    }

    /// Starts sampling at the first grid point from `now` on, without a return across the gap.
    fn restart(&mut self, now: Nanos, mid: f64) {
        self.next = now.0.div_ceil(self.step).saturating_mul(self.step);
        self.sampled = None;
        self.standing = mid;
    }

    /// Fills the grid points before `now` with the mid that stood there.
    fn observe(&mut self, now: Nanos, mid: f64, trusted_floor: Option<f64>) {
        if now.0 > self.next {
            let passed = (now.0 - 1 - self.next) / self.step + 1;
            if let Some(sampled) = self.sampled.replace(self.standing) {
                let moved = libm::log(self.standing / sampled);
                self.ewma.push(self.winsorised(moved, trusted_floor));
            }
            self.ewma.rest(passed - 1);
            self.next = self.next.saturating_add(passed.saturating_mul(self.step));
        }
        self.standing = mid;
    }

    /// The return, cut off at [`WINSOR`] standard deviations once the estimate is trusted.
    fn winsorised(&self, moved: f64, trusted_floor: Option<f64>) -> f64 {
        let (Some(floor), Some(variance)) = (trusted_floor, self.ewma.variance) else {
            return moved;
        };
        let limit = WINSOR * variance.sqrt().max(floor * self.step_s().sqrt());
        if limit > 0.0 { crate::spread::clamp(moved, -limit, limit) } else { moved }
    }

    fn rate(&self) -> Option<f64> {
        Some(self.ewma.variance? / self.step_s())
    }

    fn step_s(&self) -> f64 {
        self.step as f64 / 1e9
    }
}
