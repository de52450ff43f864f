//! Exponentially weighted variance of returns, on a grid and at irregular times.

use market::Nanos;

/// Exponentially weighted mean of squared returns per grid step; no mean is subtracted.
///
/// `v_1 = r_1^2`, `v_i = lambda v_{i-1} + (1 - lambda) r_i^2`: J.P. Morgan/Reuters, "RiskMetrics
/// Technical Document", 4th edition, 1996, section 5.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ewma {
    /// Weight of the past per step, 0 to 1.
    pub lambda: f64,
    /// Variance per step; `None` before the first return.
    pub variance: Option<f64>,
}

impl Ewma {
    /// Starts without an estimate.
    pub fn new(lambda: f64) -> Self {
        Self { lambda, variance: None }
    }

    /// Takes in the log return of one step.
    pub fn push(&mut self, log_return: f64) {
        let square = log_return * log_return;
        self.variance = Some(match self.variance {
            None => square,
            Some(variance) => self.lambda * variance + (1.0 - self.lambda) * square,
        });
    }

    /// Takes in so many steps in which nothing moved, in constant time.
    pub fn rest(&mut self, steps: u64) {
        if steps > 0 {
            let kept = libm::pow(self.lambda, steps as f64);
            self.variance = Some(self.variance.map_or(0.0, |variance| variance * kept));
        }
    }
}

/// Weight of the past per step for which a value counts half after `half_life_s`.
pub fn lambda(step_s: f64, half_life_s: f64) -> f64 {
    libm::exp2(-step_s / half_life_s)
}

/// Exponentially weighted variance per second, fed whenever there is a mid.
///
/// `u = r^2 / dt`, weight of the past `2^(-dt / half_life)`. Very short intervals are mostly bounce:
/// feed it no finer than 100 ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IrregularEwma {
    half_life_s: f64,
    last: Option<(Nanos, f64)>,
    rate: Option<f64>,
}

impl IrregularEwma {
    /// Starts without an estimate.
    pub fn new(half_life_s: f64) -> Self {
        Self { half_life_s, last: None, rate: None }
    }

    /// Takes in the mid at a time; one that does not advance is ignored.
    pub fn observe(&mut self, now: Nanos, mid: f64) {
        let Some((then, before)) = self.last else {
            self.last = Some((now, mid));
            return;
        };
        if now <= then {
            return;
        }
        let dt = now.since(then).as_secs_f64();
        let moved = libm::log(mid / before);
        let fresh = moved * moved / dt;
        let kept = lambda(dt, self.half_life_s);
        self.rate = Some(self.rate.map_or(fresh, |rate| kept * rate + (1.0 - kept) * fresh));
        self.last = Some((now, mid));
    }

    /// Variance per second; `None` before the first return.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }
}
