//! What all sessions have in common, whatever they trade against: who watches, how they end.

use std::time::Duration;

use binance::CaptureError;
use binance::client::{Log, Status};
use engine::{Output, Snapshot};
use journal::WriteError;
use market::venue::{AccountState, OpenOrder};
use market::{Nanos, Position, Usd};
use sim_exchange::Truth;

/// Watches a session from the outside. Called on the trading thread: it must be quick.
pub trait Observer {
    /// After every turn, with its effects and how long it took.
    fn turn(&mut self, now: Nanos, outputs: &[Output], batch: usize, took: Duration);
    /// A few times a second.
    fn snapshot(&mut self, snapshot: Snapshot, journal_bytes: u64);
    /// How far a bounded run has come, between 0 and 1.
    fn progress(&mut self, _share: f64) {}
    /// The state of the link to a real venue, once a second.
    fn link(&mut self, _status: Status) {}
    /// Something about the link to a real venue, for the log.
    fn log(&mut self, _log: &Log) {}
}

/// Why a session ended badly. The orders have been withdrawn all the same, as far as possible.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The recorded data cannot be read on.
    #[error("market data: {0}")]
    Capture(#[from] CaptureError),
    /// The journal could not be written.
    #[error("journal: {0}; trading was stopped because it could not be recorded")]
    Journal(#[from] WriteError),
    /// Orders were left at the venue.
    #[error("{0} orders are still open at the venue after the time allowed for canceling them")]
    OrdersLeft(usize),
    /// The venue could not be asked at the end.
    #[error(
        "whether orders are left at the venue is not known: it did not answer; the dead-man's \
         switch cancels them when its time is up"
    )]
    Unknown,
    /// The network cannot be used at all.
    #[error("network: {0}")]
    Network(String),
}

/// The venue's own record of our account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueRecord {
    /// Signed holding.
    pub position: Position,
    /// Wallet balance, unrealized PnL not included.
    pub wallet: Usd,
    /// Open orders, those of others included.
    pub open_orders: Vec<OpenOrder>,
    /// Fills of the session, where the venue counts them.
    pub fills: Option<u64>,
}

impl VenueRecord {
    /// Open orders of ours.
    pub fn ours(&self) -> usize {
        self.open_orders.iter().filter(|order| order.client_id.is_some()).count()
    }
}

impl From<Truth> for VenueRecord {
    fn from(truth: Truth) -> Self {
        let Truth { position, wallet, open_orders, fills, .. } = truth;
        Self { position, wallet, open_orders, fills: Some(fills) }
    }
}

impl From<AccountState> for VenueRecord {
    fn from(state: AccountState) -> Self {
        let AccountState { position, wallet, open_orders, .. } = state;
        Self { position, wallet, open_orders, fills: None }
    }
}

/// A finished session.
#[derive(Debug)]
pub struct Summary {
    /// The engine's last state.
    pub snapshot: Snapshot,
    /// The venue's own record of our account; `None` when it could not be asked.
    pub truth: Option<VenueRecord>,
    /// Time of the first and last turn.
    pub span: (Nanos, Nanos),
    /// Turns.
    pub turns: u64,
    /// Market events taken in.
    pub events: u64,
    /// Wall time.
    pub took: Duration,
    /// Equal hashes mean equal runs.
    pub state_hash: u64,
    /// What ended the session before its time, or was left undone.
    pub failure: Option<SessionError>,
}
