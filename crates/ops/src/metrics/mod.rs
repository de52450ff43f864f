//! Prometheus text: counters and histograms kept as things happen ([`Meters`]), gauges read from the
//! latest snapshot when somebody asks, and the process itself.
//!
//! Every series is there from the start, at zero, so that `rate()` sees the first event. A price or
//! time of zero means there is none.

mod link;
mod meters;
mod process;
mod samples;
mod snapshot;
mod store;

use std::sync::Arc;

use prometheus::TextEncoder;

use crate::recorder::Shared;

pub use meters::{LATENCY_BUCKETS_MS, Meters};

/// Names that break the naming rules because dashboards of others rely on them, and why.
pub const LINT_EXCEPTIONS: [(&str, &str); 2] = [
    ("trading_pnl_total", "a gauge that ends in _total"),
    ("order_latency_histogram", "names its type and is in milliseconds"),
];

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Renders everything there is to measure.
#[derive(Clone, Debug)]
pub struct Metrics {
    shared: Arc<Shared>,
}

impl Metrics {
    /// Over what a recorder shares.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// One scrape, sorted by name.
    pub fn render(&self) -> String {
        let mut families = self.shared.meters().registry().gather();
        families.extend(snapshot::families(&self.shared));
        families.extend(process::families(&self.shared));
        families.extend(link::families(&self.shared));
        families.extend(store::families(&self.shared));
        // A family without a series would end the rendering.
        families.retain(|family| !family.get_metric().is_empty());
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let mut text = String::with_capacity(64 * 1024);
        if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
            tracing::error!(%error, "metrics could not be rendered");
        }
        text
    }
}
