//! The store of a session: where it is, what it begins with, and who hears of its troubles.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::{Context as _, Result};
use engine::output::AlertLevel;
use engine::{Carry, Control, EngineConfig};
use market::{Instrument, TradeId};
use ops::config::Config;
use ops::recorder::Shared;
use ops::store::StoreView;
use runtime::live::net::NetConfig;
use runtime::store::{
    Booked, Cause, Comparison, Ending, Handle, Payment, SessionRecord, Sink, Store, StoreConfig,
    Target,
};
use runtime::{SessionError, Summary};

use crate::live;
use crate::summary::Report;
use crate::tally::Tally;

/// The database's file in the data folder.
const FILE: &str = "store.sqlite";
/// The file for rows that the database does not take.
const SPILL: &str = "store.spill";

/// An operator who stops a trader waits no longer for a database that fails.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// What a session brings along from before it runs.
pub(crate) struct Records {
    /// Whose fills they are.
    account: String,
    /// Cash that moved since an earlier session.
    income: Vec<Payment>,
    /// Fills that an earlier session has booked.
    booked: Option<Booked>,
}

impl Records {
    /// A paper account begins and ends with its session.
    pub(crate) fn paper(config: &Config, session: u32) -> Self {
        let account = format!("paper {} {session:08x}", config.store.trader.as_str());
        Self { account, income: Vec::new(), booked: None }
    }

    /// A real account goes on; the venue tells what is missing.
    pub(crate) fn live(
        config: &Config,
        ready: &binance::preflight::Ready,
        account: String,
        carry: Option<&Carry>,
        income: Vec<Payment>,
    ) -> Result<Self> {
        let (net, credentials) = (live::net(config)?, live::credentials(config)?);
        let (window, ready) = (config.exchange.recv_window, ready.clone());
        let instrument = ready.instrument.clone();
        let ask = move |since: Option<TradeId>| {
            let (net, since): (NetConfig, _) = (net.clone(), Some(since.unwrap_or_default()));
            let told = runtime::live::account(net, &credentials, window, &ready, since);
            told.map(|state| state.fills).map_err(|error| error.to_string())
        };
        let booked = carry.map(|carry| Booked::new(instrument, carry, Box::new(ask)));
        Ok(Self { account, income, booked })
    }
}

/// Where a configuration keeps its records.
pub(crate) fn target(config: &Config) -> Target {
    match &config.store.url {
        Some(url) => {
            Target::Postgres { url: url.expose().to_owned(), ca_file: config.store.ca_file.clone() }
        }
        None => Target::Sqlite(config.data.dir.join(FILE)),
    }
}

/// The file in the default data folder, for commands without a configuration.
pub(crate) fn default_target() -> Target {
    Target::Sqlite(Path::new("data").join(FILE))
}

/// A session that is about to run.
pub(crate) struct Beginning<'a> {
    pub(crate) config: &'a Config,
    pub(crate) engine: &'a EngineConfig,
    pub(crate) venue: String,
    pub(crate) journal: Option<&'a Path>,
    pub(crate) controls: &'a SyncSender<Control>,
    pub(crate) shared: &'a Arc<Shared>,
}

/// Opens the store and begins the session in it.
///
/// # Errors
/// When it can never be used as it is. One that is merely away is no error.
pub(crate) fn open(records: Records, beginning: &Beginning<'_>) -> Result<(Store, Sink)> {
    let Beginning { config, engine, venue, journal, controls, shared } = beginning;
    // The next start may have another working directory.
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let session = SessionRecord {
        trader: config.store.trader.as_str().to_owned(),
        account: records.account,
        number: engine.session,
        mode: config.mode.as_str().to_owned(),
        venue: venue.clone(),
        version: concat!(env!("CARGO_PKG_VERSION"), "+", env!("TRADER_COMMIT")).to_owned(),
        config_hash: format!("{:016x}", config.config_hash()),
        config_text: config.canonical_yaml(),
        journal: journal.map(whole),
        started: runtime::clock::now(),
    };
    let (halt_after, told) = (config.store.halt_after, Arc::clone(shared));
    let (store, sink) = Store::open(StoreConfig {
        target: target(config),
        spill: spill(config),
        halt_after: (!halt_after.is_zero()).then_some(halt_after),
        pnl_every: config.store.pnl_interval,
        close_limit: CLOSE_LIMIT,
        session,
        instruments: engine.desks.iter().map(|desk| desk.instrument.clone()).collect(),
        controls: SyncSender::clone(controls),
        income: records.income,
        booked: records.booked,
        tell: Box::new(move |news| {
            let level = if news.is_bad() { AlertLevel::Error } else { AlertLevel::Info };
            told.alert(level, news.kind(), &news.to_string());
        }),
    })
    .context("set store.enabled: false to trade without a store")?;
    let (handle, database) = (store.handle(), target(config).to_string());
    shared.has_store(Arc::new(move || view(&handle, &database)));
    Ok((store, sink))
}

/// Ends the session in the store.
pub(crate) fn close(
    store: Store,
    sink: Sink,
    result: &Result<Summary, SessionError>,
    resumed: bool,
) {
    match result {
        Ok(summary) => {
            let (tally, captures) = (&Tally::default(), &[]);
            let report = Report { summary, captures, journal: None, tally, resumed };
            store.close(sink, Ending::Summary { summary, agrees: report.venue_agrees() });
        }
        Err(error) => {
            let (at, why) = (runtime::clock::now(), error.to_string());
            store.close(sink, Ending::Failure { at, why: &why });
        }
    }
}

fn spill(config: &Config) -> PathBuf {
    config.data.dir.join(SPILL)
}

fn view(handle: &Handle, database: &str) -> StoreView {
    let stats = handle.stats();
    StoreView {
        database: database.to_owned(),
        up: stats.failing.is_none(),
        failing_seconds: stats.failing.unwrap_or_default().as_secs_f64(),
        queue: stats.queue,
        spilled: stats.spilled,
        lag_seconds: stats.lag.as_secs_f64(),
        worst_lag_seconds: stats.worst_lag.as_secs_f64(),
        rows: stats.rows.into_iter().collect(),
        transactions: stats.transactions,
        failures: stats.failures,
        thinned: stats.thinned,
        lost: stats.lost,
    }
}

/// Keeps a comparison of the records that a session left behind with the venue's, if records are kept.
///
/// # Errors
/// When neither database nor spill file takes it.
pub(crate) fn compared(
    config: &Config,
    carry: Option<&Carry>,
    instrument: &Instrument,
    cause: Cause,
    comparison: Comparison,
) -> Result<()> {
    if !config.store.enabled {
        return Ok(());
    }
    let trader = config.store.trader.as_str();
    let session = carry.map_or(0, |carry| carry.session);
    let session = format!("{trader}-{session:08x}");
    let (target, spill, symbol) = (target(config), spill(config), instrument.symbol());
    runtime::store::keep_comparison(&target, &spill, &session, symbol, cause, comparison)?;
    Ok(())
}
