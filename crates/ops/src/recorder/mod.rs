//! What the driver thread tells the outside, and how readers see it.
//!
//! The driver owns a [`Recorder`]; everybody else holds the [`Shared`] behind it. Nothing a reader
//! does can hold the driver up: numbers are atomics, the snapshot is swapped, and the short lists of
//! fills, alerts and PnL points are written only when nobody is copying them at that moment.

mod log;
mod ring;

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use engine::output::{AlertLevel, Note, Output};
use engine::snapshot::Snapshot;
use market::venue::Fill;
use market::{Instrument, InstrumentId, Nanos, Position, Usd};

pub use ring::Ring;

use crate::link::LinkView;
use crate::metrics::{Meters, Metrics};
use crate::store::StoreView;
use crate::view;
use log::RiskLog;

/// Fills kept for display.
pub const FILLS_KEPT: usize = 500;
/// Alerts kept for display.
pub const ALERTS_KEPT: usize = 200;
/// PnL points kept: one per second of engine time, four hours.
pub const HISTORY_KEPT: usize = 4 * 3600;

/// How the log fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Messages so far, per level, most severe first.
    pub messages: [(&'static str, u64); 5],
    /// Lines dropped because an output could not keep up.
    pub dropped: u64,
    /// Lines lost, and rotations failed, because an output refused them.
    pub write_failures: u64,
}

/// Asks whoever logs how the log fares.
pub type LogCounts = Arc<dyn Fn() -> LogStats + Send + Sync>;

/// Asks the store how it fares.
pub type StoreLook = Arc<dyn Fn() -> StoreView + Send + Sync>;

/// Which build and configuration runs.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// Version of the binary.
    pub version: String,
    /// Commit it was built from.
    pub commit: String,
    /// Hash of the active configuration.
    pub config_hash: String,
}

/// What a recorder has to know.
pub struct RecorderConfig {
    /// The instruments, indexed by their id.
    pub instruments: Vec<Instrument>,
    /// Shown in `mm_build_info` and the console.
    pub build: Build,
    /// The wall clock, for everything that must not depend on engine time (is it still turning?).
    pub clock: fn() -> Nanos,
    /// How the log fares.
    pub log: LogCounts,
}

impl fmt::Debug for RecorderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbols: Vec<_> = self.instruments.iter().map(Instrument::symbol).collect();
        f.debug_struct("RecorderConfig").field("symbols", &symbols).finish_non_exhaustive()
    }
}

/// One execution, for display.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillRecord {
    /// Engine time at which it was counted.
    pub at: Nanos,
    /// Which instrument.
    pub instrument: InstrumentId,
    /// The execution.
    pub fill: Fill,
    /// Position after it.
    pub position: Position,
    /// Distance to the mid at that moment, positive when earned.
    pub edge: Usd,
}

/// One alert, for display.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRecord {
    /// Engine time.
    pub at: Nanos,
    /// Urgency.
    pub level: AlertLevel,
    /// Subject.
    pub kind: &'static str,
    /// What happened.
    pub message: Arc<str>,
}

/// One second of the PnL chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PnlPoint {
    /// Engine time.
    pub at: Nanos,
    /// Realized PnL after fees and funding.
    pub realized: Usd,
    /// Open positions against their cost.
    pub unrealized: Usd,
}

impl PnlPoint {
    /// The two parts together.
    pub fn total(&self) -> Usd {
        self.realized + self.unrealized
    }
}

/// A snapshot and when it was published.
#[derive(Debug)]
pub struct Published {
    /// The engine at one moment.
    pub snapshot: Snapshot,
    /// Wall clock at publication.
    pub at: Nanos,
}

/// What readers see. Lock-free, except for the lists, whose locks the driver never waits for.
pub struct Shared {
    instruments: Vec<Instrument>,
    build: ArcSwap<Build>,
    clock: fn() -> Nanos,
    started: Nanos,
    published: ArcSwapOption<Published>,
    link: ArcSwapOption<LinkView>,
    store: OnceLock<StoreLook>,
    last_turn: AtomicU64,
    reload: Reload,
    fills: Ring<FillRecord>,
    alerts: Ring<AlertRecord>,
    history: Ring<PnlPoint>,
    meters: Meters,
    log: LogCounts,
}

/// The last reload of the configuration.
#[derive(Debug, Default)]
struct Reload {
    succeeded: AtomicU8,
    at: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("build", &self.build).finish_non_exhaustive()
    }
}

impl Shared {
    /// The instruments, indexed by their id.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Which build and configuration runs.
    pub fn build(&self) -> Arc<Build> {
        self.build.load_full()
    }

    /// The wall clock.
    pub fn now(&self) -> Nanos {
        (self.clock)()
    }

    /// Wall clock at the start.
    pub fn started(&self) -> Nanos {
        self.started
    }

    /// The latest snapshot; `None` before the first.
    pub fn published(&self) -> Option<Arc<Published>> {
        self.published.load_full()
    }

    /// The link to the venue; `None` in paper trading and before the first look.
    pub fn link(&self) -> Option<Arc<LinkView>> {
        self.link.load_full()
    }

    /// How the store fares; `None` when there is none.
    pub fn store(&self) -> Option<StoreView> {
        self.store.get().map(|look| look())
    }

    /// Says whom to ask how the store fares. The first one stays.
    pub fn has_store(&self, look: StoreLook) {
        let _ = self.store.set(look);
    }

    /// Shows and logs an alert that does not come from the engine. Not for the driver's thread: it may
    /// wait for a reader.
    pub fn alert(&self, level: AlertLevel, kind: &'static str, message: &str) {
        log::say(level, kind, message);
        let record = AlertRecord { at: self.now(), level, kind, message: message.into() };
        self.alerts.push(record);
    }

    /// Wall clock at the end of the last turn; `None` before the first.
    pub fn last_turn(&self) -> Option<Nanos> {
        match self.last_turn.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Nanos(at)),
        }
    }

    /// Recent executions.
    pub fn fills(&self) -> &Ring<FillRecord> {
        &self.fills
    }

    /// Recent alerts.
    pub fn alerts(&self) -> &Ring<AlertRecord> {
        &self.alerts
    }

    /// The PnL of the last four hours, second by second.
    pub fn history(&self) -> &Ring<PnlPoint> {
        &self.history
    }

    /// Counters and histograms.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// How the log fares.
    pub fn log(&self) -> LogStats {
        (self.log)()
    }

    /// Notes which configuration is in force now, by its hash.
    pub fn configured(&self, config_hash: u64) {
        let config_hash = format!("{config_hash:016x}");
        self.build.rcu(|build| Build { config_hash: config_hash.clone(), ..(**build).clone() });
    }

    /// Notes that the configuration was reloaded, or that a reload was refused.
    pub fn reloaded(&self, succeeded: bool) {
        self.reload.succeeded.store(u8::from(succeeded), Ordering::Relaxed);
        self.reload.at.store(self.now().0, Ordering::Relaxed);
    }

    /// Whether the last load of the configuration succeeded, and when it was.
    pub fn last_reload(&self) -> (bool, Nanos) {
        let at = Nanos(self.reload.at.load(Ordering::Relaxed));
        (self.reload.succeeded.load(Ordering::Relaxed) == 1, at)
    }

    /// The spelling of an instrument; `?` for an id that is not ours.
    pub fn symbol(&self, id: InstrumentId) -> &str {
        self.instruments.get(usize::from(id.0)).map_or("?", Instrument::symbol)
    }
}

/// The driver's end. Calls cost nanoseconds when nothing happened.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    fills: ring::Writer<FillRecord>,
    alerts: ring::Writer<AlertRecord>,
    history: ring::Writer<PnlPoint>,
    log: RiskLog,
    last_point: Nanos,
}

impl Recorder {
    /// A recorder and what readers see of it.
    pub fn new(config: RecorderConfig) -> (Self, Arc<Shared>) {
        let symbols: Vec<_> = config.instruments.iter().map(Instrument::symbol).collect();
        let meters = Meters::new(&symbols);
        let started = (config.clock)();
        let shared = Arc::new(Shared {
            build: ArcSwap::from_pointee(config.build),
            clock: config.clock,
            started,
            published: ArcSwapOption::empty(),
            link: ArcSwapOption::empty(),
            store: OnceLock::new(),
            last_turn: AtomicU64::new(0),
            reload: Reload { succeeded: AtomicU8::new(1), at: AtomicU64::new(started.0) },
            fills: Ring::with_capacity(FILLS_KEPT),
            alerts: Ring::with_capacity(ALERTS_KEPT),
            history: Ring::with_capacity(HISTORY_KEPT),
            meters,
            log: config.log,
            instruments: config.instruments,
        });
        let recorder = Self {
            fills: ring::Writer::default(),
            alerts: ring::Writer::default(),
            history: ring::Writer::default(),
            log: RiskLog::default(),
            last_point: Nanos::ZERO,
            shared: Arc::clone(&shared),
        };
        (recorder, shared)
    }

    /// A scrape of everything, for a metrics listener or a test.
    pub fn metrics(&self) -> Metrics {
        Metrics::new(Arc::clone(&self.shared))
    }

    /// Takes in what one step asked for and told.
    pub fn outputs(&mut self, now: Nanos, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Venue(approved) => log::command(&self.shared, approved.command()),
                Output::Alert(alert) => {
                    self.shared.meters.alert(alert);
                    log::alert(alert);
                    let (level, kind) = (alert.level, view::alert_kind(alert.kind));
                    let record = AlertRecord {
                        at: now,
                        level,
                        kind,
                        message: alert.message.as_str().into(),
                    };
                    self.alerts.push(&self.shared.alerts, record);
                }
                Output::Note(note) => self.note(now, note),
            }
        }
    }

    fn note(&mut self, now: Nanos, note: &Note) {
        let shared = &self.shared;
        shared.meters.note(note);
        self.log.note(shared, now, note);
        if let Note::Filled { instrument, fill, position, edge } = *note {
            let record = FillRecord { at: now, instrument, fill, position, edge };
            self.fills.push(&shared.fills, record);
        }
    }

    /// Publishes a snapshot; call it a few times a second.
    pub fn snapshot(&mut self, snapshot: Snapshot) {
        let now = snapshot.now;
        if now.since(self.last_point) >= Duration::from_secs(1) || self.last_point == Nanos::ZERO {
            self.last_point = now;
            let pnl = &snapshot.pnl;
            let realized = pnl.realized - pnl.fees + pnl.funding;
            let point = PnlPoint { at: now, realized, unrealized: pnl.unrealized };
            self.history.push(&self.shared.history, point);
        }
        self.fills.flush(&self.shared.fills);
        self.alerts.flush(&self.shared.alerts);
        let at = self.shared.now();
        self.shared.published.store(Some(Arc::new(Published { snapshot, at })));
    }

    /// Publishes the state of the link to the venue; call it about once a second.
    pub fn link(&mut self, link: LinkView) {
        self.shared.link.store(Some(Arc::new(link)));
    }

    /// Counts one turn of the loop: how long it took and how many facts it absorbed.
    pub fn turn(&mut self, nanos: u64, batch_len: usize) {
        self.shared.meters.turn(nanos, batch_len);
        self.shared.last_turn.store(self.shared.now().0, Ordering::Relaxed);
    }

    /// Adds to `mm_journal_bytes_total`.
    pub fn journaled(&mut self, bytes: u64) {
        self.shared.meters.journaled(bytes);
    }
}
