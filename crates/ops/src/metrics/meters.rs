//! Counters and histograms that the driver thread updates: atomics only, handles made in advance.

use std::fmt;

use engine::output::{Alert, AlertKind, AlertLevel, Note};
use engine::risk::Refusal;
use market::venue::RejectReason;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use crate::view;

/// Bounds of `order_latency_histogram`: they contain every threshold used in alerts and rollout.
pub const LATENCY_BUCKETS_MS: [f64; 14] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 250.0, 500.0, 1000.0, 2500.0];

const TURN_BUCKETS_SECONDS: [f64; 13] =
    [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 0.1];

const REJECTS: [RejectReason; 13] = [
    RejectReason::WouldTake,
    RejectReason::WouldNotFill,
    RejectReason::ReduceOnly,
    RejectReason::Margin,
    RejectReason::Filter,
    RejectReason::PriceBand,
    RejectReason::TooManyOrders,
    RejectReason::RateLimit,
    RejectReason::DuplicateId,
    RejectReason::UnknownOrder,
    RejectReason::NoChange,
    RejectReason::Unavailable,
    RejectReason::Other,
];

const LEVELS: [AlertLevel; 4] =
    [AlertLevel::Info, AlertLevel::Warning, AlertLevel::Error, AlertLevel::Critical];

const KINDS: [AlertKind; 16] = [
    AlertKind::BreakerOpen,
    AlertKind::DailyLoss,
    AlertKind::Drawdown,
    AlertKind::PositionLimit,
    AlertKind::InDoubt,
    AlertKind::Anomaly,
    AlertKind::Drift,
    AlertKind::MarketData,
    AlertKind::UserStream,
    AlertKind::Venue,
    AlertKind::DeadMan,
    AlertKind::Configuration,
    AlertKind::ForeignOrder,
    AlertKind::Operator,
    AlertKind::Flattened,
    AlertKind::ForcedClose,
];

/// What two sides can differ in.
const COMPARED: [&str; 3] = ["orders", "position", "wallet"];

/// What is counted as it happens.
pub struct Meters {
    registry: Registry,
    desks: Vec<DeskMeters>,
    levels: Vec<(AlertLevel, IntCounter)>,
    kinds: Vec<(AlertKind, IntCounter)>,
    turns: Histogram,
    inputs: IntCounter,
    journal: IntCounter,
}

struct DeskMeters {
    latency: Histogram,
    rejects: Vec<(RejectReason, IntCounter)>,
    refusals: Vec<(Refusal, IntCounter)>,
    comparisons: IntCounter,
    differences: [IntCounter; COMPARED.len()],
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").field("desks", &self.desks.len()).finish_non_exhaustive()
    }
}

impl Meters {
    /// Meters for these symbols, everything at zero.
    pub(crate) fn new(symbols: &[&str]) -> Self {
        let registry = Registry::new();
        let latency = histograms(
            &registry,
            "order_latency_histogram",
            "Order latency in milliseconds, from submission to the venue's acknowledgement.",
            &LATENCY_BUCKETS_MS,
            &["symbol"],
        );
        let rejects = counters(
            &registry,
            "mm_venue_rejects_total",
            "Requests the venue rejected, by reason (would_take is post-only flow control).",
            &["symbol", "reason"],
        );
        let refusals = counters(
            &registry,
            "mm_refusals_total",
            "Requests our own risk gate refused, by rule.",
            &["symbol", "rule"],
        );
        let comparisons = counters(
            &registry,
            "mm_reconciliations_total",
            "Comparisons of our records with the venue's.",
            &["symbol"],
        );
        let differences = counters(
            &registry,
            "mm_reconcile_differences_total",
            "Comparisons in which our records and the venue's differed, by what differed.",
            &["symbol", "what"],
        );
        let levels = counters(&registry, "mm_alerts_total", "Alerts raised, by level.", &["level"]);
        let kinds =
            counters(&registry, "mm_alerts_by_kind_total", "Alerts raised, by kind.", &["kind"]);
        let desk = |symbol: &&str| DeskMeters {
            latency: latency.with_label_values(&[*symbol]),
            rejects: REJECTS
                .map(|why| (why, rejects.with_label_values(&[*symbol, view::reject(why)])))
                .into(),
            refusals: Refusal::ALL
                .map(|rule| (rule, refusals.with_label_values(&[*symbol, rule.name()])))
                .into(),
            comparisons: comparisons.with_label_values(&[*symbol]),
            differences: COMPARED.map(|what| differences.with_label_values(&[*symbol, what])),
        };
        let turns = histograms(
            &registry,
            "mm_turn_duration_seconds",
            "Time of one turn of the engine loop: journal, step, dispatch.",
            &TURN_BUCKETS_SECONDS,
            &[],
        );
        let inputs = counters(&registry, "mm_inputs_total", "Facts the engine absorbed.", &[]);
        let journal =
            counters(&registry, "mm_journal_bytes_total", "Bytes written to the journal.", &[]);
        Self {
            desks: symbols.iter().map(desk).collect(),
            levels: LEVELS
                .map(|level| (level, levels.with_label_values(&[view::alert_level(level)])))
                .into(),
            kinds: KINDS
                .map(|kind| (kind, kinds.with_label_values(&[view::alert_kind(kind)])))
                .into(),
            turns: turns.with_label_values::<&str>(&[]),
            inputs: inputs.with_label_values::<&str>(&[]),
            journal: journal.with_label_values::<&str>(&[]),
            registry,
        }
    }

    /// Where others may register collectors of their own; they appear in every scrape.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Refusals so far, by rule, over all desks.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::ALL.into_iter().map(|rule| {
            let of = |desk: &DeskMeters| find(&desk.refusals, rule).map_or(0, IntCounter::get);
            (rule.name(), self.desks.iter().map(of).sum())
        })
    }

    pub(crate) fn note(&self, note: &Note) {
        match note {
            Note::Acked { instrument, latency, .. } => {
                if let Some(desk) = self.desks.get(usize::from(instrument.0)) {
                    desk.latency.observe(latency.as_secs_f64() * 1e3);
                }
            }
            Note::Rejected { instrument, reason, .. } => {
                let desk = self.desks.get(usize::from(instrument.0));
                count(desk.and_then(|desk| find(&desk.rejects, *reason)));
            }
            Note::Refused { instrument, refusal } => {
                let desk = self.desks.get(usize::from(instrument.0));
                count(desk.and_then(|desk| find(&desk.refusals, *refusal)));
            }
            Note::Compared { instrument, orders, position_off, wallet_off } => {
                let Some(desk) = self.desks.get(usize::from(instrument.0)) else { return };
                desk.comparisons.inc();
                let differ = [*orders > 0, !position_off.is_zero(), !wallet_off.is_zero()];
                for (counter, _) in
                    desk.differences.iter().zip(differ).filter(|(_, differ)| *differ)
                {
                    counter.inc();
                }
            }
            // The engine counts these itself; its counters come with the snapshot.
            Note::Sent { .. }
            | Note::Filled { .. }
            | Note::Ended { .. }
            | Note::InDoubt { .. }
            | Note::Anomaly { .. }
            | Note::Mode { .. }
            | Note::Breaker { .. }
            | Note::RiskLevel { .. }
            | Note::DayClosed { .. }
            | Note::Funding { .. }
            | Note::Quoted { .. }
            | Note::Configured => {}
        }
    }

    pub(crate) fn alert(&self, alert: &Alert) {
        count(find(&self.levels, alert.level));
        count(find(&self.kinds, alert.kind));
    }

    pub(crate) fn turn(&self, nanos: u64, batch_len: usize) {
        self.turns.observe(nanos as f64 / 1e9);
        self.inputs.inc_by(batch_len as u64);
    }

    pub(crate) fn journaled(&self, bytes: u64) {
        self.journal.inc_by(bytes);
    }
}

fn find<K: PartialEq>(counters: &[(K, IntCounter)], key: K) -> Option<&IntCounter> {
    counters.iter().find(|(own, _)| *own == key).map(|(_, counter)| counter)
}

fn count(counter: Option<&IntCounter>) {
    if let Some(counter) = counter {
        counter.inc();
    }
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let made = IntCounterVec::new(Opts::new(name, help), labels);
    let Ok(counters) = made else { unreachable!("{name} is a valid metric name") };
    register(registry, name, counters.clone());
    counters
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let Ok(histograms) = HistogramVec::new(options, labels) else {
        unreachable!("{name} is a valid metric name")
    };
    register(registry, name, histograms.clone());
    histograms
}

fn register(
    registry: &Registry,
    name: &str,
    collector: impl prometheus::core::Collector + 'static,
) {
    if let Err(error) = registry.register(Box::new(collector)) {
        unreachable!("{name} is registered once: {error}");
    }
}
