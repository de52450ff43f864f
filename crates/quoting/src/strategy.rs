//! The contract of a strategy, and the enum that names every strategy.

use std::hash::Hasher;

use market::{Instrument, Nanos, Trade};
use serde::{Deserialize, Serialize};

use crate::basic::{BasicMm, BasicMmConfig};
use crate::quotes::Quotes;
use crate::view::View;

/// Decides what should rest in the book. It proposes; limits and orders are not its business.
///
/// A strategy is a state machine without a clock: equal calls give equal quotes, on every machine.
/// Nothing here allocates once the strategy is built.
pub trait Strategy {
    /// Takes in the book. Called after every batch while the book is usable, in every mode, so that
    /// signals are warm when quoting is allowed again. Cheap.
    fn observe(&mut self, view: &View<'_>);

    /// Takes in a public print.
    fn trade(&mut self, now: Nanos, trade: &Trade) {
        let _ = (now, trade);
    }

    /// What should rest now. Empty when in doubt: a number that is not finite never becomes a price.
    fn quote(&mut self, view: &View<'_>) -> Quotes;

    /// What the last observation or decision was based on.
    fn diagnostics(&self) -> Diagnostics;

    /// Feeds everything that decides future quotes into a hasher: equal hashes, equal futures.
    fn hash_into(&self, hasher: &mut dyn Hasher);
}

/// Numbers behind a decision, for metrics and the console. Never read back by the engine.
///
/// Every field is finite; what is not known yet is zero.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Middle of best bid and ask, in quote currency.
    pub mid: f64,
    /// The mid shifted for inventory: the centre of our quotes, in quote currency.
    pub reservation: f64,
    /// Distance of the first rung from the reservation price before rounding, in quote currency.
    pub half_spread: f64,
    /// Volatility of returns per square root of a second (`0.0001` is 1 bp).
    pub sigma: f64,
    /// Depth imbalance, -1 (only asks) to 1 (only bids).
    pub imbalance: f64,
    /// Whether every signal that quoting depends on has warmed up.
    pub warm: bool,
    /// Whether the configured size is less than the venue takes at this price, so that nothing can be
    /// quoted.
    pub too_small: bool,
}

/// Which strategy, and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StrategyConfig {
    /// `basic_mm`.
    BasicMm(BasicMmConfig),
}

/// Every strategy there is.
#[derive(Clone, Debug)]
pub enum AnyStrategy {
    /// `basic_mm`: symmetric quotes around the mid, skewed by inventory.
    BasicMm(BasicMm),
}

impl AnyStrategy {
    /// Builds a strategy for an instrument, allocating everything it will ever need.
    ///
    /// The instrument is for strategies that calibrate per tick; `basic_mm` reads the rules from each
    /// [`View`].
    pub fn new(config: &StrategyConfig, _instrument: &Instrument) -> Self {
        match config {
            StrategyConfig::BasicMm(config) => Self::BasicMm(BasicMm::new(config)),
        }
    }

    /// Takes new parameters while running; signals that they leave meaningful stay warm.
    pub fn reconfigure(&mut self, config: &StrategyConfig) {
        match (self, config) {
            (Self::BasicMm(strategy), StrategyConfig::BasicMm(config)) => {
                strategy.reconfigure(config);
            }
        }
    }
}

impl Strategy for AnyStrategy {
    fn observe(&mut self, view: &View<'_>) {
        match self {
            Self::BasicMm(strategy) => strategy.observe(view),
        }
    }

    fn trade(&mut self, now: Nanos, trade: &Trade) {
        match self {
            Self::BasicMm(strategy) => strategy.trade(now, trade),
        }
    }

    fn quote(&mut self, view: &View<'_>) -> Quotes {
        match self {
            Self::BasicMm(strategy) => strategy.quote(view),
        }
    }

    fn diagnostics(&self) -> Diagnostics {
        match self {
            Self::BasicMm(strategy) => strategy.diagnostics(),
        }
    }

    fn hash_into(&self, hasher: &mut dyn Hasher) {
        match self {
            Self::BasicMm(strategy) => strategy.hash_into(hasher),
        }
    }
}
