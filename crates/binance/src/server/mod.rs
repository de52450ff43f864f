//! The venue's side of the protocol, for `trader exchange`: requests to commands, reports to
//! replies and events.
//!
//! Pure: a [`Front`] is handed requests, reports and market events with the time at which they
//! happen, and gives replies and [`Push`]es. Matching is somebody else's: a [`Machine`].
//!
//! Modules in reading order: [`error`], [`params`], [`verify`], [`limits`] (who may ask, how
//! much), `record` (orders, trades and income as the wire shows them), `account` (one account),
//! [`front`] (all of it; the way in), `routes` (which call is which), `trade`, `place`,
//! `holdings`, `settings`, `public` (what the calls do), `absorb` (reports to user events), `user_events`,
//! [`streams`], `market` and `history` (market data), [`ws_api`], [`faults`], `disguise`
//! and `actions` (what goes wrong on purpose), [`saved`] (what outlives the process).

mod absorb;
mod account;
mod actions;
mod disguise;
pub mod error;
pub mod faults;
pub mod front;
mod history;
mod holdings;
pub mod limits;
mod market;
pub mod params;
mod place;
mod public;
mod record;
mod routes;
pub mod saved;
mod settings;
pub mod streams;
mod trade;
mod user_events;
pub mod verify;
pub mod ws_api;

pub use self::account::AccountConfig;
pub use self::error::ApiError;
pub use self::faults::{Action, Faults, Hand};
pub use self::front::{Fate, Front, FrontConfig, Push, Reply, Request};
pub use self::limits::LimitRules;
pub use self::saved::{Changes, Kept, KeptOrder, Revival, SavedError};
pub use self::streams::{Control, Route, Topic};
pub use self::ws_api::Session;

use ::market::venue::{VenueCommand, VenueReport};
use ::market::{FinePrice, Instrument, Nanos, Position, Price, Qty, Rate, Side, Usd};
use serde::{Deserialize, Serialize};

/// A holding and its cash right after a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Signed holding.
    pub position: Position,
    /// Average entry price; zero when flat.
    pub entry: FinePrice,
    /// What the holding cost; negative for shorts.
    pub cost: Usd,
    /// Wallet balance, unrealized PnL not included.
    pub wallet: Usd,
    /// Realized PnL so far, fees and funding not included.
    pub realized: Usd,
}

/// Something the machine said to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEvent {
    /// To whom: index into [`FrontConfig::accounts`].
    pub account: usize,
    /// When.
    pub at: Nanos,
    /// What.
    pub report: VenueReport,
    /// The account right after it.
    pub after: Standing,
}

/// The matching machine behind the protocol.
pub trait Machine {
    /// The contract it trades.
    fn instrument(&self) -> &Instrument;
    /// Carries out a command at once.
    fn execute(&mut self, account: usize, now: Nanos, command: &VenueCommand);
    /// What was said to accounts since the last call, in order.
    fn take_events(&mut self, into: &mut Vec<AccountEvent>);
    /// Holding and cash of an account.
    fn standing(&self, account: usize) -> Standing;
    /// Best price of a side right now.
    fn best(&self, side: Side) -> Option<Price>;
    /// The margin price; zero until known.
    fn mark(&self) -> FinePrice;
    /// From now on initial margin is notional divided by this.
    fn set_leverage(&mut self, account: usize, leverage: u32);
    /// Deposit or withdrawal.
    fn transfer(&mut self, account: usize, amount: Usd);
    /// A trade by an order that is not the account's own: liquidation, ADL, placed by hand.
    fn trade_for(&mut self, account: usize, side: Side, price: Price, qty: Qty);
    /// Mark and index become this.
    fn set_mark(&mut self, price: FinePrice);
    /// Funding at this rate is paid now.
    fn pay_funding(&mut self, rate: Rate);
    /// How far a recording has been played, on its own clock; `None` for a simulated market.
    fn played(&self) -> Option<Nanos>;
}
