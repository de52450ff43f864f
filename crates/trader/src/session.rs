//! A trading session: configuration, log, journal, engine and venue on a thread of their own, the API
//! on another, until the end or a signal.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use binance::{CaptureInfo, CaptureReader};
use engine::{Control, EngineConfig};
use market::{Instrument, Nanos};
use ops::api::Token;
use ops::config::{Config, Mode};
use ops::logging::{Console, Log};
use runtime::store::Store;
use runtime::{Live, Observer, Pace, Paper, SessionError, Summary, Venue};
use sim_exchange::{RecordedMarket, SimExchange};

use crate::cli::Demo;
use crate::folder::Folder;
use crate::live::Remembered;
use crate::output::{complain, say};
use crate::server::{self, Desk, Server, Sockets, Source};
use crate::signals::{Hangup, Signals};
use crate::store::{Beginning, Records};
use crate::summary::Report;
use crate::tally::{Glue, progress_bar, recorder};
use crate::{FAILED, FINE, build, live, on_thread, store};

/// The demo's configuration.
const DEMO: &str = include_str!("../../../configs/demo.yaml");
/// The demo on recorded data: the fees of a regular account on USDT contracts.
const ON_CAPTURE: [(&str, &str); 2] =
    [("exchange.fees.maker", "0.0002"), ("exchange.fees.taker", "0.0005")];
/// The demo on recorded bitcoin: sizes of about the same value as those of the demo in ether.
const IN_BITCOIN: [(&str, &str); 3] = [
    ("strategy.base_size", "0.002"),
    ("strategy.max_inventory", "0.02"),
    ("risk.max_position", "0.04"),
];
/// Simulated runs begin here: 2026-01-05 00:00:00 UTC, so that equal seeds give equal runs.
const SIMULATED_START: Nanos = Nanos(1_767_571_200_000_000_000);
/// Session number of simulated runs, for the same reason.
const SIMULATED_SESSION: u32 = 1;
/// Operator requests that may wait.
const CONTROLS_MAX: usize = 64;

/// Why the demo does not take `mode: live`.
const NO_LIVE_DEMO: &str = "mode: live is not for the demo, which trades on paper only; \
    trade with `trader run --config FILE`";

/// A request to trade that this build or configuration cannot grant.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// `trader`: paper trading without any set-up.
pub(crate) fn demo(options: &Demo) -> Result<u8> {
    if options.speed == Pace::Max && options.duration.is_none() && options.replay.is_empty() {
        return Err(anyhow::Error::new(Refused(String::from(
            "--speed max on the simulated market never ends by itself: add --for, e.g. --for 10m",
        ))));
    }
    if options.set.iter().any(|(key, value)| key == "mode" && value == Mode::Live.as_str()) {
        return Err(anyhow::Error::new(Refused(String::from(NO_LIVE_DEMO))));
    }
    let seed = options.seed.map(|seed| seed.to_string());
    let mut set: Vec<(&str, &str)> = Vec::new();
    let infos = scan(&options.replay)?;
    if let Some(info) = infos.first() {
        set.push(("strategy.symbol", &info.symbol));
        if options.config.is_none() {
            set.extend(ON_CAPTURE);
            if info.symbol.starts_with("BTC") {
                set.extend(IN_BITCOIN);
            }
        }
    }
    if let Some(seed) = &seed {
        set.push(("simulation.seed", seed));
    }
    set.extend(options.set.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let env = &ops::config::process_env;
    let config = match &options.config {
        Some(path) => ops::config::load_with(path, env, &set)?,
        None => ops::config::parse_with("configs/demo.yaml", DEMO, env, &set)?,
    };
    if config.mode == Mode::Live {
        return Err(anyhow::Error::new(Refused(String::from(NO_LIVE_DEMO))));
    }
    let source = options.config.clone().map(|path| Source {
        path,
        set: set.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
    });
    let plan = Plan {
        config,
        source,
        pace: options.speed,
        captures: infos,
        duration: options.duration,
        is_demo: true,
        json: options.json,
    };
    plan.run()
}

/// `trader run`: the market maker as configured. `arm` is the operator's word that real money may be
/// traded with.
pub(crate) fn run(path: &Path, arm: bool) -> Result<u8> {
    let config = ops::config::load(path, &ops::config::process_env)?;
    if config.mode == Mode::Live {
        let file = path.display().to_string();
        live::armed(&config, arm).map_err(|missing| live::not_armed(&file, &missing))?;
    }
    let plan = Plan {
        config,
        source: Some(Source { path: path.to_owned(), set: Vec::new() }),
        pace: Pace::Times(1.0),
        captures: Vec::new(),
        duration: None,
        is_demo: false,
        json: false,
    };
    plan.run()
}

/// Reads captures once, to know symbol and times.
fn scan(paths: &[PathBuf]) -> Result<Vec<CaptureInfo>> {
    let mut infos: Vec<CaptureInfo> = Vec::new();
    for path in paths {
        let bar = progress_bar(&format!("reading {}", path.display()));
        let info = CaptureInfo::scan_with_progress(path, |read, whole| {
            bar.set_position(read * 1_000 / whole.max(1));
        })?;
        bar.finish_and_clear();
        infos.push(info);
    }
    Ok(infos)
}

/// What is to be run.
struct Plan {
    config: Config,
    source: Option<Source>,
    pace: Pace,
    captures: Vec<CaptureInfo>,
    duration: Option<Duration>,
    is_demo: bool,
    json: bool,
}

/// What serves operators. A batch run, as fast as possible, has none and may share the folder.
struct Front {
    sockets: Sockets,
    token: Token,
    /// Whether the file of the token was written by this process.
    is_new: bool,
    folder: Folder,
}

/// What is traded against, and how.
enum Trading {
    Paper(Box<Paper>),
    Live(Box<Live>),
}

impl Trading {
    fn run(self, observer: &mut dyn Observer) -> Result<Summary, SessionError> {
        match self {
            Self::Paper(paper) => paper.run(observer),
            Self::Live(live) => live.run(observer),
        }
    }

    /// Whether the books of an earlier session are taken over.
    fn is_resumed(&self) -> bool {
        match self {
            Self::Paper(_) => false,
            Self::Live(live) => live.carry.is_some(),
        }
    }

    fn engine(&self) -> &EngineConfig {
        match self {
            Self::Paper(paper) => &paper.config,
            Self::Live(live) => &live.config,
        }
    }

    fn venue(&self) -> String {
        match self {
            Self::Live(live) => live.client.endpoints.rest.clone(),
            Self::Paper(paper) => match paper.venue {
                Venue::Simulated(_) => String::from("simulated"),
                Venue::Recorded { .. } => String::from("recorded"),
            },
        }
    }
}

/// A plan with everything it needs from the machine.
struct Session {
    plan: Plan,
    trading: Trading,
    controls: SyncSender<Control>,
    instrument: Instrument,
    fees: build::VenueFees,
    journal: Option<PathBuf>,
    log: Log,
    front: Option<Front>,
    /// What the store begins with, if records are kept.
    records: Option<Records>,
}

impl Plan {
    fn run(self) -> Result<u8> {
        match self.config.mode {
            Mode::Live => self.prepare_live()?.run(),
            Mode::Paper => self.prepare()?.run(),
        }
    }

    /// As [`prepare`](Self::prepare), and the venue is asked whether it is set up as we need it. No
    /// order is sent before it is.
    fn prepare_live(self) -> Result<Session> {
        let config = &self.config;
        let (sockets, folder) = (Sockets::bind(config)?, Folder::claim(&config.data.dir)?);
        let log = ops::logging::init(&config.logging, Console::Stdout)?;
        let ready = live::ask_venue(config)?;
        let clock = runtime::clock::now();
        let session = folder.next_session((clock.0 / 1_000_000_000) as u32)?;
        let Remembered { carry, keeper, records } =
            live::remembered(config, &ready, folder.carry_path())?;
        let engine = live::engine(config, &ready, session)?;
        let front = Some(Front::open(sockets, folder, config)?);
        let (journal, writer) = self.begin_journal(&engine, clock, front.as_ref())?;
        let (controls, receiver) = sync_channel(CONTROLS_MAX);
        let (instrument, fees) = (ready.instrument.clone(), Some(ready.fees));
        let trading = Live {
            config: engine,
            client: live::client(config, ready, session)?,
            net: live::net(config)?,
            journal: writer,
            duration: self.duration,
            controls: receiver,
            carry,
            keeper: Some(keeper),
        };
        let records = self.config.store.enabled.then_some(records);
        let trading = Trading::Live(Box::new(trading));
        Ok(Session {
            plan: self,
            trading,
            controls,
            instrument,
            fees,
            journal,
            log,
            front,
            records,
        })
    }

    /// Begins the record of the session; takes back what a failed start has left.
    fn begin_journal(
        &self,
        engine: &EngineConfig,
        created: Nanos,
        front: Option<&Front>,
    ) -> Result<(Option<PathBuf>, Option<journal::Writer>)> {
        let written = journal(&self.config, engine, created, front.is_some());
        if let (Err(_), Some(front)) = (&written, front) {
            front.undo();
        }
        Ok(written?.unzip())
    }

    /// Takes what the session needs. The order matters: what may be refused comes before what leaves
    /// traces, so that a failed start disturbs nobody who runs already.
    fn prepare(self) -> Result<Session> {
        let config = &self.config;
        let instrument = build::instrument(&config.strategy.symbol)?;
        let clock = runtime::clock::now();
        let (start, session) = match self.pace {
            Pace::Max => (SIMULATED_START, SIMULATED_SESSION),
            Pace::Times(_) => (clock, (clock.0 / 1_000_000_000) as u32),
        };
        let (start, venue) = venue(config, &instrument, &self.captures, start)?;
        let mut engine = build::engine(config, instrument.clone(), None, session)?;
        let taken = match self.pace {
            Pace::Max => None,
            Pace::Times(_) => Some((Sockets::bind(config)?, Folder::claim(&config.data.dir)?)),
        };
        let console = if self.json { Console::Stderr } else { Console::Stdout };
        let log = ops::logging::init(&config.logging, console)?;
        let front =
            taken.map(|(sockets, folder)| Front::open(sockets, folder, config)).transpose()?;
        if let Some(front) = &front {
            engine.session = front.folder.next_session(session)?;
        }
        // A batch run repeats itself, session number included: there is nothing to keep.
        let records = (front.is_some() && config.store.enabled)
            .then(|| Records::paper(config, engine.session));
        let (journal, writer) = self.begin_journal(&engine, clock, front.as_ref())?;
        let (controls, receiver) = sync_channel(CONTROLS_MAX);
        let paper = Paper {
            config: engine,
            venue,
            journal: writer,
            pace: self.pace,
            start,
            until: self.duration.map(|duration| start + duration),
            controls: receiver,
        };
        let (trading, fees) = (Trading::Paper(Box::new(paper)), None);
        Ok(Session {
            plan: self,
            trading,
            controls,
            instrument,
            fees,
            journal,
            log,
            front,
            records,
        })
    }
}

impl Front {
    fn open(sockets: Sockets, folder: Folder, config: &Config) -> Result<Self> {
        let (token, is_new) = folder.token(config.api.token.as_ref())?;
        Ok(Self { sockets, token, is_new, folder })
    }

    /// Takes back what a failed start has left.
    fn undo(&self) {
        if self.is_new {
            let _ = std::fs::remove_file(self.folder.token_path());
        }
    }
}

impl Session {
    fn run(self) -> Result<u8> {
        let Self { plan, trading, controls, instrument, fees, journal, log, front, records } = self;
        let Plan { config, source, pace, captures, duration, is_demo, json } = plan;
        let (recorder, shared) = recorder(&config, &instrument, &log.handle);
        let sockets = front.as_ref().map(|front| &front.sockets);
        log_start(&config, &trading, sockets, journal.as_deref(), is_demo);
        let beginning = Beginning {
            config: &config,
            engine: trading.engine(),
            venue: trading.venue(),
            journal: journal.as_deref(),
            controls: &controls,
            shared: &shared,
        };
        let kept = records.map(|records| store::open(records, &beginning)).transpose()?;
        let (store, records) = kept.unzip();
        let config = Arc::new(Mutex::new(config));
        let sink = Desk {
            config: Arc::clone(&config),
            source,
            controls: controls.clone(),
            log: Arc::clone(&log.handle),
            shared: Arc::clone(&shared),
            instrument,
            fees,
            session: trading.engine().session,
            store: store.as_ref().map(Store::handle),
        }
        .sink();
        let hangup = if is_demo { Hangup::Stop } else { Hangup::Reload(Arc::clone(&sink)) };
        let signals = Signals::watch(controls, hangup)?;
        let mut held = None;
        let server = match front {
            None => None,
            Some(Front { sockets, token, folder, .. }) => {
                let to_stdout = is_demo && !json;
                server::announce(sockets.api, &token, &folder.token_path(), to_stdout)?;
                held = Some(folder);
                Some(Server::start(sockets, token, &config, shared, sink))
            }
        };
        let is_watched = pace == Pace::Max && duration.is_some();
        let bar = is_watched.then(|| progress_bar("trading"));
        let mut glue = Glue::new(recorder, bar, records);
        let resumed = trading.is_resumed();
        let trading = on_thread(move || (trading.run(&mut glue), glue.tally, glue.sink));
        let ended = trading.join().map_err(|_| anyhow::anyhow!("the trading thread failed"));
        signals.stop();
        let ended = ended.map(|(result, tally, sink)| {
            if let (Some(store), Some(sink)) = (store, sink) {
                store::close(store, sink, &result, resumed);
            }
            (result, tally)
        });
        if let Some(server) = server {
            server.stop();
        }
        drop(held);
        let (result, tally) = ended?;
        let report = |summary: &Summary| {
            let (captures, journal, tally) = (&captures[..], journal.as_deref(), &tally);
            finish(
                &Report { summary, captures, journal, tally, resumed },
                Audience::of(is_demo, json),
            )
        };
        let code = conclude(result, report);
        // Kept until here, so that the last line is written.
        drop(log);
        code
    }
}

/// Reports a session that has a result.
fn conclude(
    result: Result<Summary, SessionError>,
    report: impl FnOnce(&Summary) -> Result<u8>,
) -> Result<u8> {
    match result {
        Ok(summary) => report(&summary),
        Err(error) => {
            tracing::error!(%error, "session ended badly");
            Err(error.into())
        }
    }
}

/// Who reads the summary.
enum Audience {
    /// A program, on standard output.
    Program,
    /// A person, on standard output.
    Person,
    /// A person, on standard error: standard output may be the log.
    Aside,
}

impl Audience {
    fn of(is_demo: bool, json: bool) -> Self {
        match (json, is_demo) {
            (true, _) => Self::Program,
            (false, true) => Self::Person,
            (false, false) => Self::Aside,
        }
    }
}

fn finish(report: &Report<'_>, audience: Audience) -> Result<u8> {
    log_end(report);
    match audience {
        Audience::Program => say(format_args!("{:#}", report.json()))?,
        Audience::Person => say(format_args!("{}", report.text()))?,
        Audience::Aside => complain(format_args!("{}", report.text())),
    }
    match report.failure() {
        Some(failure) => Err(anyhow::Error::msg(failure)),
        None => Ok(if report.venue_agrees() == Some(false) { FAILED } else { FINE }),
    }
}

/// The first line of a session's log: what runs, on what, and where to find it. No secrets.
fn log_start(
    config: &Config,
    trading: &Trading,
    sockets: Option<&Sockets>,
    journal: Option<&Path>,
    is_demo: bool,
) {
    let shown = |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        commit = env!("TRADER_COMMIT"),
        config_hash = format!("{:016x}", config.config_hash()),
        session = format!("{:08x}", trading.engine().session),
        symbol = config.strategy.symbol,
        mode = config.mode.as_str(),
        demo = is_demo,
        venue = trading.venue(),
        api = shown(sockets.map(|sockets| sockets.api)),
        metrics = shown(sockets.and_then(|sockets| sockets.metrics)),
        journal = journal.map(|path| path.display().to_string()),
        pid = std::process::id(),
        "session started"
    );
}

/// The last line of a session's log: what it came to.
fn log_end(report: &Report<'_>) {
    let summary = report.summary;
    let (snapshot, pnl) = (&summary.snapshot, &summary.snapshot.pnl);
    let Some(desk) = snapshot.desks.first() else { return };
    let counters = &desk.counters;
    tracing::info!(
        session = format!("{:08x}", snapshot.session),
        symbol = desk.instrument.symbol(),
        turns = summary.turns,
        placed = counters.placed,
        amended = counters.amended,
        canceled = counters.canceled,
        rejected = counters.rejected,
        refused = counters.refused,
        in_doubt = counters.in_doubt,
        anomalies = counters.anomalies,
        fills = counters.fills.iter().sum::<u64>(),
        turnover = %(counters.filled_value[0] + counters.filled_value[1]).round_e8(),
        position = %desk.instrument.position_decimal(desk.position),
        pnl = %pnl.total.round_e8(),
        fees = %pnl.fees.round_e8(),
        funding = %pnl.funding.round_e8(),
        max_drawdown = pnl.max_drawdown,
        venue_agrees = report.venue_agrees(),
        orders_left = summary.truth.as_ref().map(|truth| truth.ours()),
        state_hash = format!("{:016x}", summary.state_hash),
        failure = report.failure(),
        "session ended"
    );
}

fn venue(
    config: &Config,
    instrument: &Instrument,
    captures: &[CaptureInfo],
    start: Nanos,
) -> Result<(Nanos, Venue)> {
    if captures.is_empty() {
        let exchange = SimExchange::new(build::simulated(config, instrument.clone(), start));
        return Ok((start, Venue::Simulated(Box::new(exchange))));
    }
    let reader = CaptureReader::open_scanned(instrument, captures)?;
    let first = Nanos(captures[0].recv_first.0.saturating_add_signed(reader.shift()));
    let market = RecordedMarket::new(build::recorded(config, instrument.clone(), first));
    let source: runtime::paper::Source = Box::new(reader);
    let (market, source) = (Box::new(market), Box::new(source.peekable()));
    Ok((first, Venue::Recorded { market, source }))
}

/// Begins the record of the session, if one is wanted; says where it is.
fn journal(
    config: &Config,
    engine: &EngineConfig,
    created: Nanos,
    durable: bool,
) -> Result<Option<(PathBuf, journal::Writer)>> {
    if !config.data.journal.enabled {
        return Ok(None);
    }
    let folder = config.data.dir.join("journal");
    let header = journal::Header {
        program: concat!(env!("CARGO_PKG_VERSION"), "+", env!("TRADER_COMMIT")).to_owned(),
        session: engine.session,
        created,
        note: config.canonical_yaml(),
        config: engine.clone(),
    };
    let durability = match durable {
        true => journal::Durability::EachBatch,
        false => journal::Durability::Buffered,
    };
    let retention = journal::Retention {
        total_bytes: Some(config.data.journal.max_bytes),
        max_age: Some(config.data.journal.max_age),
        ..journal::Retention::default()
    };
    let writer = journal::Writer::create(&folder, header, durability, retention);
    let writer = writer.map_err(|error| {
        let remedy = "choose a data.dir that can be written, or set data.journal.enabled: false";
        anyhow::anyhow!("cannot start a journal: {error}; {remedy}")
    })?;
    Ok(Some((writer.dir().to_owned(), writer)))
}
