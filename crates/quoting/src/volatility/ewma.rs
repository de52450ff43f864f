//! Exponentially weighted variance of returns on a grid.

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
