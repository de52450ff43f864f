//! A spread that widens with volatility, inventory, imbalance and thin depth.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::signal::Depth;
use crate::spread;

/// Parameters of the dynamic spread.
///
/// Full spread, as a fraction of the mid, before the limits `min_spread` and `max_spread`:
///
/// `(base_spread + 2 vol_multiplier sigma sqrt(horizon))
///  * (1 + inventory_widen |u| + imbalance_widen |I| + depth_widen max(0, 1 - depth / depth_reference))`
///
/// with `u` the inventory ratio, `I` the depth imbalance and `depth` the thinner side, both over
/// `depth_levels` levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DynamicSpreadConfig {
    /// How many standard deviations of the move over `horizon` each side is paid for;
    /// dimensionless, 0 and above, usually 0.5 to 3.
    pub vol_multiplier: f64,
    /// Time we expect to hold what we bought, above zero, usually 1 s to 30 s.
    pub horizon: Duration,
    /// Relative widening at full inventory; dimensionless, 0 and above.
    pub inventory_widen: f64,
    /// Relative widening when all depth is on one side; dimensionless, 0 and above.
    pub imbalance_widen: f64,
    /// Relative widening when the book is empty; dimensionless, 0 and above.
    pub depth_widen: f64,
    /// Depth per side that counts as normal, in base asset, above zero.
    pub depth_reference: f64,
    /// Book levels that count for imbalance and depth, 1 and above.
    pub depth_levels: u8,
}

impl DynamicSpreadConfig {
    /// The full spread as a fraction of the mid; not finite when an input is not.
    pub fn spread(&self, base_spread: f64, sigma: f64, inventory_ratio: f64, depth: Depth) -> f64 {
        let horizon_s = self.horizon.as_secs_f64();
        let half =
            spread::vol_scaled_half(base_spread / 2.0, self.vol_multiplier, sigma, horizon_s);
        let missing = 1.0 - depth.thinner() / self.depth_reference;
        let thin = if missing < 0.0 { 0.0 } else { missing };
        let widening = 1.0
            + self.inventory_widen * inventory_ratio.abs()
            + self.imbalance_widen * depth.imbalance().abs()
            + self.depth_widen * thin;
        2.0 * half * widening
    }
}
