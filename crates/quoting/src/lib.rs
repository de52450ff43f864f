//! What to quote: pure functions of the book, the clock that is passed in and the position.
//!
//! The only core crate with floats. Integers come in through [`View`], integers go out in [`Quotes`];
//! no float leaves except for display ([`Diagnostics`]). Transcendental functions are taken from
//! `libm`, whose results do not depend on the machine, so that a replay computes the same quotes.
//!
//! Modules in reading order: [`view`] (what a strategy sees), [`quotes`] (what it answers),
//! [`strategy`] (the trait and every strategy's name), [`basic`] (symmetric quotes skewed by
//! inventory), [`dynamic_spread`] (wider when it is dangerous), [`spread`] (the rules both are made
//! of), [`volatility`], [`signal`].

pub mod basic;
pub mod dynamic_spread;
pub mod quotes;
pub mod signal;
pub mod spread;
pub mod strategy;
pub mod view;
pub mod volatility;

pub use basic::{BasicMm, BasicMmConfig};
pub use dynamic_spread::DynamicSpreadConfig;
pub use quotes::{MAX_RUNGS, Quote, Quotes};
pub use strategy::{AnyStrategy, Diagnostics, Strategy, StrategyConfig};
pub use view::{Fees, View};
pub use volatility::{Estimator, VolatilityConfig};
