//! The machine: facts in, commands out. No clock, no I/O, no randomness, no locks.
//!
//! [`Engine::step`] is the only trading logic there is. Live, paper, backtest, replay and fault test
//! are loops around it, so what is tested is what trades.
//!
//! Modules in reading order: [`input`] (everything that can wake it), [`output`] (everything it can
//! ask for), [`config`], `desk` (one instrument), [`orders`], [`ledger`], [`risk`], [`snapshot`] (the
//! only thing the outside may see of the inside), [`carry`] (what outlives a session), [`mutants`]
//! (what is broken on purpose, in no build that trades).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm)]
#![deny(clippy::float_arithmetic)]

pub mod carry;
pub mod config;
mod desk;
pub mod input;
pub mod ledger;
mod machine;
pub mod mutants;
pub mod orders;
pub mod output;
pub mod risk;
pub mod snapshot;

pub use carry::Carry;
pub use config::EngineConfig;
pub use input::{Control, Input};
pub use machine::Engine;
pub use output::{Alert, AlertKind, AlertLevel, Note, Output, RecordedOutput};
pub use snapshot::Snapshot;
