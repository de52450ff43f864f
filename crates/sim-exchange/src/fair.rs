//! The hidden fair value: a random walk whose volatility clusters, with rare jumps.
//!
//! It moves on a fixed grid by its own stream of draws, so that the same seed gives the same path
//! whatever anybody trades.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::Nanos;

use crate::config::CrowdConfig;
use crate::rng::Dice;

/// Grid of the walk.
const STEP: Duration = Duration::from_millis(5);
const STEP_S: f64 = 0.005;
/// Past values kept for those who see late: 320 ms.
const MEMORY: usize = 64;
/// Time in which log-volatility forgets, in seconds.
const VOL_MEMORY_S: f64 = 120.0;
/// Standard deviation of log-volatility.
const VOL_SPREAD: f64 = 0.42;
/// Log-volatility stays within this.
const VOL_BOUND: f64 = 1.0;
const BPS: f64 = 1e-4;

const STREAM_FAIR: u64 = 10;

/// Fair value in ticks, as a float: the only place where a price is one.
#[derive(Clone, Debug)]
pub(crate) struct FairValue {
    dice: Dice,
    next: Nanos,
    vol: f64,
    jump_chance: f64,
    jump: f64,
    log_vol: f64,
    value: f64,
    past: [f64; MEMORY],
    head: usize,
}

impl FairValue {
    pub(crate) fn new(config: &CrowdConfig, seed: u64, start: Nanos, ticks: f64) -> Self {
        let mut dice = Dice::new(seed, STREAM_FAIR);
        let log_vol = (dice.normal() * VOL_SPREAD).clamp(-VOL_BOUND, VOL_BOUND);
        let jumps = config.jump_every_s > 0.0;
        Self {
            dice,
            next: start + STEP,
            vol: config.vol_bps * BPS,
            jump_chance: if jumps { STEP_S / config.jump_every_s } else { 0.0 },
            jump: config.jump_bps * BPS,
            log_vol,
            value: ticks,
            past: [ticks; MEMORY],
            head: 0,
        }
    }

    /// Walks up to `now`.
    pub(crate) fn advance(&mut self, now: Nanos) {
        while self.next <= now {
            self.next = self.next + STEP;
            let pull = STEP_S / VOL_MEMORY_S;
            let kick = VOL_SPREAD * libm::sqrt(2.0 * pull) * self.dice.normal();
            self.log_vol = (self.log_vol * (1.0 - pull) + kick).clamp(-VOL_BOUND, VOL_BOUND);
            let mut change = self.vol * self.activity() * libm::sqrt(STEP_S) * self.dice.normal();
            if self.dice.unit() < self.jump_chance {
                change += self.jump * self.dice.normal();
            }
            self.value *= libm::exp(change);
            self.head = (self.head + 1) % MEMORY;
            self.past[self.head] = self.value;
        }
    }

    /// Now, in ticks.
    pub(crate) fn value(&self) -> f64 {
        self.value
    }

    /// As it was this long ago, in ticks.
    pub(crate) fn seen_after(&self, lag: Duration) -> f64 {
        let steps = (lag.as_nanos() / STEP.as_nanos()) as usize;
        self.past[(self.head + MEMORY - steps.min(MEMORY - 1)) % MEMORY]
    }

    /// Present volatility relative to the typical: around 1, above when busy.
    pub(crate) fn activity(&self) -> f64 {
        libm::exp(self.log_vol)
    }

    /// Jumps to a value that everybody sees.
    pub(crate) fn set(&mut self, ticks: f64) {
        self.value = ticks;
        self.past = [ticks; MEMORY];
    }

    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        self.dice.hash_into(hasher);
        (self.next, self.head, self.value.to_bits(), self.log_vol.to_bits()).hash(hasher);
        for value in self.past {
            hasher.write_u64(value.to_bits());
        }
    }
}
