//! The other machine: a simulated exchange, as pure as the engine that trades on it.
//!
//! [`SimExchange`] is a whole market: order book, accounts, a crowd of participants, and the wire
//! between venue and trader. [`RecordedMarket`] is the same venue over recorded market data. Both
//! take time and commands and give market events and reports; nothing reads a clock or draws
//! entropy, so that the same seed and the same commands give the same run on every machine.
//!
//! Modules in reading order: [`config`] and [`faults`] (what a run is made of), [`book`] (price-time
//! priority), [`account`] (one ledger), `orders` (one account with its orders), `venue` (what
//! it does with each command), `gate` (what it accepts), `matching` (trades and fills), `truth` (what
//! auditors see), `latency` (the wire), `publish` (public market data), `mark` (mark price and
//! funding), `turn` (what both machines share), `fair`, `makers` and `crowd` (everybody else),
//! [`exchange`] and [`recorded`] (the two machines), `host` (both serving many accounts), [`reopen`]
//! (what accounts bring along from an earlier life of the venue).

pub mod account;
pub mod book;
pub mod config;
mod crowd;
pub mod exchange;
mod fair;
pub mod faults;
mod gate;
mod host;
mod latency;
mod makers;
mod mark;
mod matching;
mod orders;
mod publish;
pub mod recorded;
pub mod reopen;
mod rng;
mod truth;
mod turn;
mod venue;

use market::MarketEvent;
use market::venue::VenueReport;

pub use config::{AccountId, CrowdConfig, Fees, Latency, RateLimits, RecordedConfig, SimConfig};
pub use exchange::{Injection, SimExchange};
pub use faults::{Faults, Ppm};
pub use recorded::RecordedMarket;
pub use reopen::{Holdings, Rested};
pub use truth::{AccountEvent, Standing, Truth};

/// What reaches the trader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimOutput {
    /// A fact about the market.
    Market(MarketEvent),
    /// A report to the trader.
    Venue(VenueReport),
}
