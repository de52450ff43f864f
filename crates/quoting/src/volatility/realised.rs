//! Realised variance, and the part of it that is not jumps.

use std::f64::consts::FRAC_PI_2;

/// Sums of squared and of neighbouring absolute log returns over a window of equal steps.
///
/// Bipower variation: Barndorff-Nielsen & Shephard, "Power and bipower variation with stochastic
/// volatility and jumps", Journal of Financial Econometrics 2(1), 2004. A lone jump leaves it
/// untouched; steps without a move bias it down.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Realised {
    returns: u32,
    squares: f64,
    neighbours: f64,
    last_mid: Option<f64>,
    last_size: f64,
}

impl Realised {
    /// Takes in the mid at the next step.
    pub fn push(&mut self, mid: f64) {
        if let Some(before) = self.last_mid.replace(mid) {
            let size = libm::log(mid / before).abs();
            self.squares += size * size;
            self.neighbours += size * self.last_size;
            self.last_size = size;
            self.returns += 1;
        }
    }

    /// Number of returns so far.
    pub fn returns(&self) -> u32 {
        self.returns
    }

    /// Realised variance of the window: the sum of squared returns.
    pub fn variance(&self) -> f64 {
        self.squares
    }

    /// Bipower variation of the window, corrected for the missing first product; `None` below two
    /// returns.
    pub fn bipower(&self) -> Option<f64> {
        let n = f64::from(self.returns);
        (self.returns >= 2).then(|| FRAC_PI_2 * self.neighbours * n / (n - 1.0))
    }

    /// The part of the variance that came in jumps; `None` below two returns.
    pub fn jump(&self) -> Option<f64> {
        Some((self.variance() - self.bipower()?).max(0.0))
    }
}
