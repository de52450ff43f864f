//! How the database behind the trading loop fares, as the outside sees it. Not every run has one.

use std::collections::BTreeMap;

use serde::Serialize;

/// The state of the store at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StoreView {
    /// Where it is; without password.
    pub database: String,
    /// Whether the database takes what it is given.
    pub up: bool,
    /// For how long it has failed; zero while it is up.
    pub failing_seconds: f64,
    /// Rows that wait in memory.
    pub queue: u64,
    /// Rows that wait in the spill file.
    pub spilled: u64,
    /// Age of the oldest row that is not in the database.
    pub lag_seconds: f64,
    /// The longest that a row has waited so far.
    pub worst_lag_seconds: f64,
    /// Rows written, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Transactions committed.
    pub transactions: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Snapshots of PnL left out for want of room.
    pub thinned: u64,
    /// Rows for which there was no room anywhere.
    pub lost: u64,
}
