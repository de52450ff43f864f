//! The other machine: a simulated exchange, as pure as the engine that trades on it.
//!
//! [`SimExchange`] is a whole market: order book, accounts, a crowd of participants, and the wire
//! between venue and trader. [`RecordedMarket`] is the same venue over recorded market data. Both
//! take time and commands and give market events and reports; nothing reads a clock or draws
//! entropy, so that the same seed and the same commands give the same run on every machine.
//!
//! Modules in reading order: [`config`] and [`faults`] (what a run is made of), [`book`] (price-time
//! priority), [`account`] (one ledger), `orders` (one account with its orders), `gate` (what is
//! accepted), `venue` (matching and everything a venue does), `latency` (the wire), `publish`
//! (public market data), `mark` (mark price and funding), `fair` and `crowd` (everybody else),
//! [`exchange`] and [`recorded`] (the two machines).

pub mod account;
pub mod book;
pub mod config;
pub mod faults;
mod orders;
mod venue;
mod latency;
mod publish;
mod mark;
mod rng;
mod turn;
mod fair;
mod makers;
mod crowd;
pub mod exchange;
pub mod recorded;

use market::MarketEvent;
use market::venue::VenueReport;

pub use config::{AccountId, CrowdConfig, Fees, Latency, RateLimits, RecordedConfig, SimConfig};
pub use exchange::{Injection, SimExchange};
pub use faults::{Faults, Ppm};
pub use recorded::RecordedMarket;
pub use venue::Truth;

/// What reaches the trader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimOutput {
    /// A fact about the market.
    Market(MarketEvent),
    /// A report to the trader.
    Venue(VenueReport),
}
