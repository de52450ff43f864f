//! A trading session: configuration, log, journal, engine and venue on a thread of their own, the API
//! on another, until the end or a signal.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use binance::{CaptureInfo, CaptureReader};
use engine::{Control, Output, Snapshot};
use indicatif::{ProgressBar, ProgressStyle};
use market::{Instrument, Nanos};
use ops::api::{ApiConfig, ControlError, ControlRequest, ControlSink, Listeners, Token};
use ops::config::{Config, Level, Mode};
use ops::logging::LogHandle;
use ops::recorder::{Build, Recorder, RecorderConfig, Shared};
use runtime::{Observer, Pace, Paper, PaperError, Summary, Venue};
use sim_exchange::{RecordedMarket, SimExchange};

use crate::cli::Demo;
use crate::output::say;
use crate::{FAILED, FINE, build, summary};

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

/// A request to trade that this build or configuration cannot grant.
#[derive(Debug)]
pub(crate) struct Refused(String);

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
    let source = options.config.clone();
    Session::new(config, source, options.speed, &infos, options.duration, true)?.run(options.json)
}

/// `trader run`: the market maker as configured.
pub(crate) fn run(path: &Path) -> Result<u8> {
    let config = ops::config::load(path, &ops::config::process_env)?;
    if config.mode == Mode::Live {
        return Err(anyhow::Error::new(Refused(format!(
            "{}: mode: live needs the venue client, which this build does not have; set mode: paper",
            path.display()
        ))));
    }
    let source = Some(path.to_owned());
    Session::new(config, source, Pace::Times(1.0), &[], None, false)?.run(false)
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

struct Session {
    config: Arc<Mutex<Config>>,
    source: Option<PathBuf>,
    paper: Paper,
    controls: SyncSender<Control>,
    instrument: Instrument,
    session: u32,
    journal: Option<PathBuf>,
    log: LogHandle,
    captures: Vec<CaptureInfo>,
    is_demo: bool,
}

impl Session {
    fn new(
        config: Config,
        source: Option<PathBuf>,
        pace: Pace,
        captures: &[CaptureInfo],
        duration: Option<Duration>,
        is_demo: bool,
    ) -> Result<Self> {
        let log = ops::logging::init(&config.logging)?;
        let instrument = build::instrument(&config.strategy.symbol)?;
        let clock = runtime::clock::now();
        let (start, session) = match pace {
            Pace::Max => (SIMULATED_START, SIMULATED_SESSION),
            Pace::Times(_) => (clock, (clock.0 / 1_000_000_000) as u32),
        };
        let (start, venue) = venue(&config, &instrument, captures, start)?;
        let engine = build::engine(&config, instrument.clone(), session)?;
        let (journal, writer) = match config.data.journal.enabled {
            true => {
                let durable = pace != Pace::Max;
                let (path, writer) = journal(&config, &engine, clock, durable)?;
                (Some(path), Some(writer))
            }
            false => (None, None),
        };
        let (controls, receiver) = sync_channel(CONTROLS_MAX);
        let until = duration.map(|duration| start + duration);
        let paper = Paper {
            config: engine,
            venue,
            journal: writer,
            pace,
            start,
            until,
            controls: receiver,
        };
        let config = Arc::new(Mutex::new(config));
        Ok(Self {
            config,
            source,
            paper,
            controls,
            instrument,
            session,
            journal,
            log,
            captures: captures.to_vec(),
            is_demo,
        })
    }

    fn run(self, json: bool) -> Result<u8> {
        let Self {
            config,
            source,
            paper,
            controls,
            instrument,
            session,
            journal,
            log,
            captures,
            is_demo,
        } = self;
        let log = Arc::new(log);
        let counts = Arc::clone(&log);
        let (hash, data_dir) = {
            let config = config.lock().expect("nobody panics while holding it");
            (config.config_hash(), config.data.dir.clone())
        };
        let (recorder, shared) = Recorder::new(RecorderConfig {
            instruments: vec![instrument.clone()],
            build: Build {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: env!("TRADER_COMMIT").to_owned(),
                config_hash: format!("{hash:016x}"),
            },
            clock: runtime::clock::now,
            log_messages: Arc::new(move || counts.counts()),
        });
        let sink = control_sink(&config, source, &controls, &log, &shared, instrument, session);
        let is_batch = paper.pace == Pace::Max;
        let is_bounded = paper.until.is_some();
        let server = match is_batch {
            true => None,
            false => Some(Server::start(
                &config,
                Arc::clone(&shared),
                sink,
                &data_dir,
                is_demo && !json,
            )?),
        };
        let bar = (is_batch && is_bounded).then(|| progress_bar("trading"));
        let mut glue = Glue { recorder, bar, journaled: 0 };
        let trading = on_thread(move || paper.run(&mut glue));
        let signals = Signals::watch(controls)?;
        let result = trading.join().map_err(|_| anyhow::anyhow!("the trading thread failed"))?;
        signals.stop();
        if let Some(server) = server {
            server.stop();
        }
        finish(result, &captures, journal.as_deref(), json, is_demo)
    }
}

fn finish(
    result: Result<Summary, PaperError>,
    captures: &[CaptureInfo],
    journal: Option<&Path>,
    json: bool,
    is_demo: bool,
) -> Result<u8> {
    let result = result?;
    let agrees = summary::venue_agrees(&result);
    if json {
        say(format_args!("{:#}", summary::json(&result, captures, journal)))?;
    } else if is_demo {
        say(format_args!("{}", summary::text(&result, captures, journal)))?;
    } else {
        // Standard output may be the log.
        eprintln!("{}", summary::text(&result, captures, journal));
    }
    Ok(if agrees { FINE } else { FAILED })
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

fn journal(
    config: &Config,
    engine: &engine::EngineConfig,
    created: Nanos,
    durable: bool,
) -> Result<(PathBuf, journal::Writer)> {
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
        ..journal::Retention::default()
    };
    let writer = journal::Writer::create(&folder, header, durability, retention)
        .with_context(|| format!("cannot start a journal in {}", folder.display()))?;
    Ok((writer.dir().to_owned(), writer))
}

/// What the trading thread tells the rest of the process.
struct Glue {
    recorder: Recorder,
    bar: Option<ProgressBar>,
    journaled: u64,
}

impl Observer for Glue {
    fn turn(&mut self, now: Nanos, outputs: &[Output], batch: usize, took: Duration) {
        self.recorder.outputs(now, outputs);
        self.recorder.turn(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), batch);
    }

    fn snapshot(&mut self, snapshot: Snapshot, journal_bytes: u64) {
        self.recorder.snapshot(snapshot);
        self.recorder.journaled(journal_bytes.saturating_sub(self.journaled));
        self.journaled = journal_bytes;
    }

    fn progress(&mut self, share: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position((share * 1_000.0) as u64);
        }
    }
}

/// A bar on a terminal; nothing in a pipe.
fn progress_bar(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent:>3}% {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(1_000).with_style(style);
    bar.set_message(what.to_owned());
    bar
}

#[expect(clippy::disallowed_methods, reason = "trading has a thread of its own; nothing shares it")]
fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(work)
}

/// The HTTP API on its own runtime.
struct Server {
    runtime: tokio::runtime::Runtime,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(
        config: &Arc<Mutex<Config>>,
        shared: Arc<Shared>,
        control: ControlSink,
        data_dir: &Path,
        to_stdout: bool,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("api")
            .enable_all()
            .build()?;
        let (address, metrics_port, token) = {
            let config = config.lock().expect("nobody panics while holding it");
            (config.api.listen, config.monitoring.prometheus_port, token(&config, data_dir)?)
        };
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, metrics_port));
        let listeners = runtime.block_on(Listeners::bind(address, Some(metrics)))?;
        announce(&listeners, &token, data_dir, to_stdout)?;
        let shown = Arc::clone(config);
        let api = ApiConfig {
            token,
            hosts: Vec::new(),
            health: ops::api::HealthRules::default(),
            config_text: Arc::new(move || {
                shown.lock().expect("nobody panics while holding it").canonical_yaml()
            }),
            control,
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = runtime.spawn(ops::api::serve(api, shared, listeners, shutdown));
        Ok(Self { runtime, stop, task })
    }

    fn stop(self) {
        let _ = self.stop.send(());
        if let Ok(Err(error)) = self.runtime.block_on(self.task) {
            tracing::error!("the API stopped: {error}");
        }
    }
}

/// Tells where the console is: the demo on standard output, where the link carries the token if that
/// is a terminal (a terminal is not a log); otherwise on standard error, for the log may be on the
/// other.
fn announce(listeners: &Listeners, token: &Token, data_dir: &Path, to_stdout: bool) -> Result<()> {
    let address = listeners.api_address()?;
    let file = data_dir.join("api.token");
    let line = format!("console: http://{address}/ (token for its buttons: {})", file.display());
    if to_stdout && std::io::stdout().is_terminal() {
        say(format_args!("console: http://{address}/#token={}", token.expose()))?;
    } else if to_stdout {
        say(format_args!("{line}"))?;
    } else {
        eprintln!("{line}");
    }
    Ok(())
}

/// The configured token, or a fresh one; either way the command line finds it in the data folder.
fn token(config: &Config, data_dir: &Path) -> Result<Token> {
    let token = match &config.api.token {
        Some(secret) => Token::new(secret.expose())?,
        None => Token::random()?,
    };
    let path = data_dir.join("api.token");
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("data.dir: cannot create {}", data_dir.display()))?;
    // A new file, so that its permissions are ours from the start.
    let _ = std::fs::remove_file(&path);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{}", token.expose())?;
    Ok(token)
}

/// Turns requests of the API into controls of the engine.
fn control_sink(
    config: &Arc<Mutex<Config>>,
    source: Option<PathBuf>,
    controls: &SyncSender<Control>,
    log: &Arc<LogHandle>,
    shared: &Arc<Shared>,
    instrument: Instrument,
    session: u32,
) -> ControlSink {
    let (config, controls) = (Arc::clone(config), controls.clone());
    let (log, shared) = (Arc::clone(log), Arc::clone(shared));
    Arc::new(move |request| match request {
        ControlRequest::Engine(control) => send(&controls, control),
        ControlRequest::LogLevel(level) => {
            let wrong = |_| ControlError::Invalid(format!("no log level {level}"));
            let level = level.parse::<Level>().map_err(wrong)?;
            log.set_level(level);
            config.lock().expect("nobody panics while holding it").logging.level = level;
            Ok(())
        }
        ControlRequest::Reload => {
            let result = reload(&config, source.as_deref(), &instrument, session, &log)
                .map_err(|error| ControlError::Invalid(format!("{error:#}")))
                .and_then(|engine| send(&controls, Control::Configure(Box::new(engine))));
            shared.reloaded(result.is_ok());
            result
        }
    })
}

fn send(controls: &SyncSender<Control>, control: Control) -> Result<(), ControlError> {
    controls.try_send(control).map_err(|error| match error {
        std::sync::mpsc::TrySendError::Full(_) => ControlError::Busy,
        std::sync::mpsc::TrySendError::Disconnected(_) => ControlError::Unavailable,
    })
}

/// Reads the configuration again: all or nothing, and only what may change while running.
fn reload(
    config: &Mutex<Config>,
    source: Option<&Path>,
    instrument: &Instrument,
    session: u32,
    log: &LogHandle,
) -> Result<engine::EngineConfig> {
    let Some(path) = source else { bail!("the demo has no configuration file to read again") };
    let new = ops::config::load(path, &ops::config::process_env)?;
    let mut config = config.lock().expect("nobody panics while holding it");
    let changes = config.changes(&new);
    let frozen =
        changes.iter().find(|change| change.key.reload == ops::config::keys::Reload::Restart);
    if let Some(change) = frozen {
        bail!(
            "{}: {} cannot change while running (from {} to {}); nothing was applied, restart instead",
            path.display(),
            change.key.path,
            change.from,
            change.to
        );
    }
    let engine = build::engine(&new, instrument.clone(), session)?;
    for change in &changes {
        tracing::info!("reload: {} from {} to {}", change.key.path, change.from, change.to);
    }
    log.set_level(new.logging.level);
    *config = new;
    Ok(engine)
}

/// Waits for SIGINT and SIGTERM: the first stops cleanly, the second at once.
struct Signals {
    done: Sender<()>,
}

impl Signals {
    fn watch(controls: SyncSender<Control>) -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (done, finished) = std::sync::mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = {
            let _guard = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        on_thread(move || {
            runtime.block_on(async {
                let mut asked = false;
                loop {
                    let tick = tokio::time::sleep(Duration::from_millis(50));
                    let signaled = tokio::select! {
                        biased;
                        _ = interrupt.recv() => true,
                        _ = terminate.recv() => true,
                        () = tick => false,
                    };
                    let over = finished.try_recv() != Err(std::sync::mpsc::TryRecvError::Empty);
                    if over {
                        return;
                    }
                    if signaled && asked {
                        eprintln!(
                            "stopped at once; orders may rest until the dead-man's switch fires"
                        );
                        std::process::exit(130);
                    }
                    if signaled {
                        asked = true;
                        eprintln!("stopping: canceling all orders (again to stop at once)");
                        let _ = controls.try_send(Control::Shutdown);
                    }
                }
            });
        });
        Ok(Self { done })
    }

    fn stop(&self) {
        let _ = self.done.send(());
    }
}
