//! The vocabulary every other crate speaks: pure data, no clock, no I/O, no floats for money.
//!
//! Modules in reading order: [`decimal`] (text to integers and back), [`units`] (prices,
//! quantities, money), [`time`], [`ids`], [`instrument`] (the only doors between decimals and
//! integers), [`event`] (what the market tells us), [`book`] (L2 depth that knows whether it may be
//! trusted), [`venue`] (the order protocol every venue speaks).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm)]
#![deny(clippy::float_arithmetic)]

pub mod book;
pub mod decimal;
pub mod event;
pub mod ids;
pub mod instrument;
pub mod time;
pub mod units;
pub mod venue;

pub use book::{Book, BookStatus};
pub use decimal::{Decimal, DecimalError};
pub use event::{
    BookTicker, DepthDiff, DepthSnapshot, Level, MarkUpdate, MarketEvent, MarketKind, Trade,
};
pub use ids::{ClientOrderId, InstrumentId, TradeId, VenueOrderId};
pub use instrument::{Instrument, InstrumentError, Rules};
pub use time::Nanos;
pub use units::{FinePrice, Position, Price, Qty, Rate, Side, Ticks, Usd};
