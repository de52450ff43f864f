//! The database behind the trading loop; nothing when there is none.

use prometheus::proto::MetricFamily;

use super::samples::{counter, gauge};
use crate::recorder::Shared;

pub(super) fn families(shared: &Shared) -> Vec<MetricFamily> {
    let Some(store) = shared.store() else { return Vec::new() };
    let one = |value: f64| [(vec![], value)];
    let rows = store.rows.iter().map(|(table, count)| (vec![("table", *table)], *count as f64));
    vec![
        gauge(
            "mm_store_up",
            "Whether the database takes what it is given: 1 or 0.",
            one(f64::from(u8::from(store.up))),
        ),
        gauge(
            "mm_store_queue",
            "Rows for the database that wait in memory.",
            one(store.queue as f64),
        ),
        gauge(
            "mm_store_spilled",
            "Rows for the database that wait in the spill file.",
            one(store.spilled as f64),
        ),
        gauge(
            "mm_store_lag_seconds",
            "Age of the oldest row that is not in the database.",
            one(store.lag_seconds),
        ),
        gauge(
            "mm_store_worst_lag_seconds",
            "The longest that a row has waited for the database.",
            one(store.worst_lag_seconds),
        ),
        counter("mm_store_rows_total", "Rows written, by table.", rows),
        counter(
            "mm_store_transactions_total",
            "Transactions committed by the database.",
            one(store.transactions as f64),
        ),
        counter(
            "mm_store_failures_total",
            "Attempts to write to the database that failed.",
            one(store.failures as f64),
        ),
        counter(
            "mm_store_thinned_total",
            "Snapshots of PnL left out for want of room.",
            one(store.thinned as f64),
        ),
        counter(
            "mm_store_lost_total",
            "Rows that neither the database nor the spill file had room for.",
            one(store.lost as f64),
        ),
    ]
}
