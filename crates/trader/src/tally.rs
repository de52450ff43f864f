//! What the trading thread tells the rest of the process, and what a session's review needs beyond
//! the engine's own counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use binance::client::{Log, Status};
use engine::output::Note;
use engine::{Output, Snapshot};
use indicatif::{ProgressBar, ProgressStyle};
use market::venue::RequestKind;
use market::{BookStatus, Instrument, Nanos};
use ops::config::Config;
use ops::logging::LogHandle;
use ops::recorder::{Build, LogStats, Recorder, RecorderConfig, Shared};
use runtime::Observer;
use runtime::store::Sink;

/// The state of a desk with orders in the book.
const QUOTED: &str = "quoted";

/// How the time of a session was spent, and which requests came to nothing.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Time in each state: with orders in the book, or the first reason for having none.
    spent: BTreeMap<&'static str, Duration>,
    last: Option<(Nanos, &'static str)>,
    /// Whether the book was ever whole.
    pub(crate) synced: bool,
    /// Amendments the venue rejected.
    pub(crate) amends_rejected: u64,
    /// Cancels the venue rejected.
    pub(crate) cancels_rejected: u64,
}

impl Tally {
    pub(crate) fn outputs(&mut self, outputs: &[Output]) {
        for output in outputs {
            if let Output::Note(Note::Rejected { request, .. }) = output {
                match request {
                    RequestKind::Place => {}
                    RequestKind::Amend => self.amends_rejected += 1,
                    RequestKind::Cancel => self.cancels_rejected += 1,
                }
            }
        }
    }

    pub(crate) fn snapshot(&mut self, snapshot: &Snapshot) {
        let Some(desk) = snapshot.desks.first() else { return };
        self.synced |= desk.book_status == BookStatus::Synced;
        if let Some((at, state)) = self.last {
            *self.spent.entry(state).or_default() += snapshot.now.since(at);
        }
        let why = desk.standstill.first().map_or("no_orders", |why| why.name());
        self.last = Some((snapshot.now, if desk.orders.is_empty() { why } else { QUOTED }));
    }

    /// The share of time with orders in the book; `None` when no time has passed.
    pub(crate) fn quoted(&self) -> Option<f64> {
        let whole: Duration = self.spent.values().sum();
        let quoted = self.spent.get(QUOTED).copied().unwrap_or_default();
        (!whole.is_zero()).then(|| quoted.as_secs_f64() / whole.as_secs_f64())
    }

    /// The shares of time without, by reason, largest first.
    pub(crate) fn idle(&self) -> Vec<(&'static str, f64)> {
        let whole: Duration = self.spent.values().sum();
        let idle = self.spent.iter().filter(|(state, span)| **state != QUOTED && !span.is_zero());
        let share = |(&state, span): (&&'static str, &Duration)| {
            (state, span.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE))
        };
        let mut idle: Vec<_> = idle.map(share).collect();
        idle.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        idle
    }
}

/// Watches the trading thread.
pub(crate) struct Glue {
    recorder: Recorder,
    bar: Option<ProgressBar>,
    journaled: u64,
    pub(crate) tally: Tally,
    /// The way to the store, if records are kept.
    pub(crate) sink: Option<Sink>,
}

impl Glue {
    pub(crate) fn new(recorder: Recorder, bar: Option<ProgressBar>, sink: Option<Sink>) -> Self {
        Self { recorder, bar, journaled: 0, tally: Tally::default(), sink }
    }
}

impl Observer for Glue {
    fn turn(&mut self, now: Nanos, outputs: &[Output], batch: usize, took: Duration) {
        self.recorder.outputs(now, outputs);
        self.recorder.turn(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), batch);
        self.tally.outputs(outputs);
        if let Some(sink) = &mut self.sink {
            sink.turn(now, outputs);
        }
    }

    fn snapshot(&mut self, snapshot: Snapshot, journal_bytes: u64) {
        self.tally.snapshot(&snapshot);
        if let Some(sink) = &mut self.sink {
            sink.snapshot(&snapshot);
        }
        self.recorder.snapshot(snapshot);
        self.recorder.journaled(journal_bytes.saturating_sub(self.journaled));
        self.journaled = journal_bytes;
    }

    fn link(&mut self, status: Status) {
        self.recorder.link(crate::link::view(&status));
    }

    fn log(&mut self, log: &Log) {
        crate::link::log(log);
    }

    fn progress(&mut self, share: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position((share * 1_000.0) as u64);
        }
    }
}

/// Who is told what happens, and what readers see of it.
pub(crate) fn recorder(
    config: &Config,
    instrument: &Instrument,
    log: &Arc<LogHandle>,
) -> (Recorder, Arc<Shared>) {
    let counts = Arc::clone(log);
    Recorder::new(RecorderConfig {
        instruments: vec![instrument.clone()],
        build: Build {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("TRADER_COMMIT").to_owned(),
            config_hash: format!("{:016x}", config.config_hash()),
        },
        clock: runtime::clock::now,
        log: Arc::new(move || LogStats {
            messages: counts.counts(),
            dropped: counts.dropped_lines(),
            write_failures: counts.write_failures(),
        }),
    })
}

/// A bar on a terminal; nothing in a pipe.
pub(crate) fn progress_bar(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent:>3}% {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(1_000).with_style(style);
    bar.set_message(what.to_owned());
    bar
}
