//! The HTTP API on a thread of its own, and what its requests do to a running session.

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use engine::Control;
use market::Instrument;
use ops::api::{ApiConfig, ControlError, ControlRequest, ControlSink, Listeners, Token};
use ops::config::keys::Reload;
use ops::config::{Config, Level};
use ops::logging::LogHandle;
use ops::recorder::Shared;
use runtime::store::Handle;

use crate::output::{complain, say};
use crate::{build, explain};

/// The sockets of a session, before anything else of it exists.
pub(crate) struct Sockets {
    runtime: tokio::runtime::Runtime,
    listeners: Listeners,
    /// Where the API listens.
    pub(crate) api: SocketAddr,
    /// Where the metrics listener listens.
    pub(crate) metrics: Option<SocketAddr>,
}

impl Sockets {
    /// Takes the ports that the configuration names.
    pub(crate) fn bind(config: &Config) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("api")
            .enable_all()
            .build()?;
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, config.monitoring.prometheus_port));
        let listeners = runtime.block_on(Listeners::bind(config.api.listen, Some(metrics)))?;
        let (api, metrics) = (listeners.api_address()?, listeners.metrics_address());
        Ok(Self { runtime, listeners, api, metrics })
    }
}

/// The running API.
pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Serves until stopped.
    pub(crate) fn start(
        sockets: Sockets,
        token: Token,
        config: &Arc<Mutex<Config>>,
        shared: Arc<Shared>,
        control: ControlSink,
    ) -> Self {
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
        let Sockets { runtime, listeners, .. } = sockets;
        let task = runtime.spawn(ops::api::serve(api, shared, listeners, shutdown));
        Self { runtime, stop, task }
    }

    /// Lets open requests finish for a moment.
    pub(crate) fn stop(self) {
        let _ = self.stop.send(());
        if let Ok(Err(error)) = self.runtime.block_on(self.task) {
            tracing::error!("the API stopped: {error}");
        }
    }
}

/// Tells where the console is: the demo on standard output, where the link carries the token if that
/// is a terminal (a terminal is not a log); otherwise on standard error, for the log may be on the
/// other.
pub(crate) fn announce(
    address: SocketAddr,
    token: &Token,
    token_path: &Path,
    to_stdout: bool,
) -> Result<()> {
    let file = token_path.display();
    let line = format!("console: http://{address}/ (token for its buttons: {file})");
    if to_stdout && std::io::stdout().is_terminal() {
        say(format_args!("console: http://{address}/#token={}", token.expose()))?;
    } else if to_stdout {
        say(format_args!("{line}"))?;
    } else {
        complain(format_args!("{line}"));
    }
    Ok(())
}

/// Where a configuration came from, to read it again.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file.
    pub(crate) path: PathBuf,
    /// Keys replaced on the command line.
    pub(crate) set: Vec<(String, String)>,
}

/// What requests of operators change.
pub(crate) struct Desk {
    pub(crate) config: Arc<Mutex<Config>>,
    pub(crate) source: Option<Source>,
    pub(crate) controls: SyncSender<Control>,
    pub(crate) log: Arc<LogHandle>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) instrument: Instrument,
    /// As the venue told them at the start.
    pub(crate) fees: build::VenueFees,
    pub(crate) session: u32,
    /// The store, if records are kept.
    pub(crate) store: Option<Handle>,
}

impl Desk {
    /// Turns requests into controls of the engine.
    pub(crate) fn sink(self) -> ControlSink {
        Arc::new(move |request| match request {
            ControlRequest::Engine(control) => self.send(control),
            ControlRequest::LogLevel(level) => self.set_log_level(&level),
            ControlRequest::Reload => {
                let result = self.reload();
                self.shared.reloaded(result.is_ok());
                result
            }
        })
    }

    fn send(&self, control: Control) -> Result<(), ControlError> {
        self.controls.try_send(control).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(_) => ControlError::Busy,
            std::sync::mpsc::TrySendError::Disconnected(_) => ControlError::Unavailable,
        })
    }

    fn set_log_level(&self, level: &str) -> Result<(), ControlError> {
        let wrong = |_| ControlError::Invalid(format!("no log level {level}"));
        let level = level.parse::<Level>().map_err(wrong)?;
        self.log.set_level(level);
        let mut config = self.config.lock().expect("nobody panics while holding it");
        config.logging.level = level;
        self.configured(&config);
        Ok(())
    }

    /// Reads the configuration again: all or nothing, and only what may change while running.
    fn reload(&self) -> Result<(), ControlError> {
        let invalid = |error: anyhow::Error| ControlError::Invalid(explain(&error));
        let new = self.read_again().map_err(invalid)?;
        let mut config = self.config.lock().expect("nobody panics while holding it");
        let changes = config.changes(&new);
        let frozen = changes.iter().find(|change| change.key.reload == Reload::Restart);
        if let Some(change) = frozen {
            let file = self.source.as_ref().map(|source| source.path.display().to_string());
            return Err(ControlError::Invalid(format!(
                "{}: {} cannot change while running (from {} to {}); restart instead",
                file.unwrap_or_default(),
                change.key.path,
                change.from,
                change.to
            )));
        }
        let engine = build::engine(&new, self.instrument.clone(), self.fees, self.session)
            .map_err(invalid)?;
        self.send(Control::Configure(Box::new(engine)))?;
        for change in &changes {
            tracing::info!("reload: {} from {} to {}", change.key.path, change.from, change.to);
        }
        self.log.set_level(new.logging.level);
        self.configured(&new);
        *config = new;
        Ok(())
    }

    /// Another configuration is in force now.
    fn configured(&self, config: &Config) {
        let hash = config.config_hash();
        self.shared.configured(hash);
        if let Some(store) = &self.store {
            let (hash, text) = (format!("{hash:016x}"), config.canonical_yaml());
            store.configured(runtime::clock::now(), &hash, &text);
        }
    }

    fn read_again(&self) -> Result<Config> {
        let Some(Source { path, set }) = &self.source else {
            bail!("the demo has no configuration file to read again")
        };
        let set: Vec<_> = set.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Ok(ops::config::load_with(path, &ops::config::process_env, &set)?)
    }
}
