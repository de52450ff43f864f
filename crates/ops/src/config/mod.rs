//! Configuration in two stages: a file is read into a tree, the tree is checked into [`Config`].
//!
//! Every key is declared once, in [`keys`]; what is wrong with a file is reported all at once, as
//! [`Faults`]. Reading order: this page, `keys` (the table), `sections` (the checked structs),
//! `read` (tree to values), `check` (contradictions), `yaml`, `value`, `schema`.

mod check;
mod fault;
pub mod keys;
mod print;
mod read;
mod schema;
mod secret;
mod sections;
mod value;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::hash::Hasher;
use std::io::Read;
use std::path::Path;

use siphasher::sip::SipHasher24;

pub use fault::{Fault, Faults};
pub use keys::Key;
pub use read::Env;
pub use schema::{Documented, documented, json_schema};
pub use secret::{MASK, Secret};
pub use sections::{
    ApiConfig, CircuitBreakerConfig, DataConfig, DeadManConfig, DynamicSpreadConfig,
    ExchangeConfig, FeesConfig, FlattenConfig, JournalConfig, LatencyConfig, LoggingConfig,
    MonitoringConfig, RequoteConfig, RiskConfig, SimulationConfig, StoreConfig, StrategyConfig,
    VolatilityConfig,
};
pub use value::{
    Arm, BaseUrl, Estimator, ExchangeName, Kind, Level, LogFormat, LogOutput, Mode, Name, Network,
    OrderPath, RequoteOn, SocketPaths, StrategyName,
};

use fault::Collector;
use read::Reader;

/// A complete configuration: every key has a value in its range, and none contradicts another.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Which venue the engine trades on.
    pub mode: Mode,
    /// The venue and how to reach it.
    pub exchange: ExchangeConfig,
    /// What to quote.
    pub strategy: StrategyConfig,
    /// Limits that no order passes.
    pub risk: RiskConfig,
    /// Metrics.
    pub monitoring: MonitoringConfig,
    /// The HTTP API and console.
    pub api: ApiConfig,
    /// The log.
    pub logging: LoggingConfig,
    /// What is kept on disk.
    pub data: DataConfig,
    /// The database of sessions, orders, fills, PnL, risk events and cash.
    pub store: StoreConfig,
    /// The embedded simulated exchange of paper trading.
    pub simulation: SimulationConfig,
}

/// A key whose value differs between two configurations.
#[derive(Clone, Debug)]
pub struct Change {
    /// The key; `key.reload` says whether a running trader takes the new value.
    pub key: &'static Key,
    /// The value before, as written in a file; `***` for a secret.
    pub from: String,
    /// The value after.
    pub to: String,
}

/// Reads and checks a configuration file.
pub fn load(path: &Path, env: Env<'_>) -> Result<Config, Faults> {
    load_with(path, env, &[])
}

/// Reads and checks a configuration file with keys replaced, as by `--set key=value`.
pub fn load_with(path: &Path, env: Env<'_>, set: &[(&str, &str)]) -> Result<Config, Faults> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to know; the path may be a device that never ends.
    let limit = yaml::BYTES_MAX as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if let Err(error) = read {
        let mut faults = Collector::new(&name);
        faults
            .add(None, "", format!("cannot read the file: {error}"))
            .remedy("check the path and its permissions");
        return Err(faults.finish().expect("just added"));
    }
    parse_with(&name, &bytes, env, set)
}

/// Checks the text of a configuration file; `file` is how faults name it.
pub fn parse(file: &str, text: impl AsRef<[u8]>, env: Env<'_>) -> Result<Config, Faults> {
    parse_with(file, text, env, &[])
}

/// Checks the text of a configuration file with keys replaced, as by `--set key=value`.
pub fn parse_with(
    file: &str,
    text: impl AsRef<[u8]>,
    env: Env<'_>,
    set: &[(&str, &str)],
) -> Result<Config, Faults> {
    let mut faults = Collector::new(file);
    let Some(mut root) = yaml::parse(text.as_ref(), &mut faults) else {
        return Err(faults.finish().expect("no tree without a fault"));
    };
    for (path, value) in set {
        root.set(path, value);
    }
    check(&root, env, false, faults)
}

/// Reads back what [`Config::canonical_yaml`] printed, as a journal holds it, whatever its mode:
/// secrets stay masked and nothing is read from the environment or other files.
pub fn parse_recorded(file: &str, text: impl AsRef<[u8]>) -> Result<Config, Faults> {
    parse_recorded_with(file, text, &[])
}

/// Reads back a recorded configuration with keys replaced: what a session would have had.
pub fn parse_recorded_with(
    file: &str,
    text: impl AsRef<[u8]>,
    set: &[(&str, &str)],
) -> Result<Config, Faults> {
    let mut faults = Collector::new(file);
    let Some(mut root) = yaml::parse(text.as_ref(), &mut faults) else {
        return Err(faults.finish().expect("no tree without a fault"));
    };
    for (path, value) in set {
        root.set(path, value);
    }
    check(&root, &|_| None, true, faults)
}

/// The environment of this process, for [`load`].
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn check(
    root: &yaml::Node,
    env: Env<'_>,
    recorded: bool,
    faults: Collector,
) -> Result<Config, Faults> {
    let (meant, values) = (BTreeSet::new(), BTreeMap::new());
    let mut reader = Reader { root, env, recorded, faults, meant, values };
    let mut config = Config::blank();
    reader.refuse_unknown();
    sections::bind(&mut config, &mut reader);
    reader.settle_network(&mut config);
    reader.secrets(&mut config);
    check::contradictions(&config, &mut reader);
    match reader.faults.finish() {
        None => Ok(config),
        Some(faults) => Err(faults),
    }
}

impl Config {
    /// The form before anything is filled in.
    fn blank() -> Self {
        Self {
            mode: Mode::default(),
            exchange: ExchangeConfig::default(),
            strategy: StrategyConfig::default(),
            risk: RiskConfig::default(),
            monitoring: MonitoringConfig::default(),
            api: ApiConfig::default(),
            logging: LoggingConfig::default(),
            data: DataConfig::default(),
            store: StoreConfig::default(),
            simulation: SimulationConfig::default(),
        }
    }

    /// The complete effective configuration as a file: defaults and environment filled in, secrets
    /// masked. [`parse_recorded`] reads it back, and so does [`parse`] in paper mode.
    pub fn canonical_yaml(&self) -> String {
        print::yaml(self)
    }

    /// Equal for equal configurations, on every machine; secrets do not count.
    pub fn config_hash(&self) -> u64 {
        let mut hasher = SipHasher24::new();
        hasher.write(self.canonical_yaml().as_bytes());
        hasher.finish()
    }

    /// The keys whose values differ in `new`, in the order of the table.
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        print::changes(self, new)
    }
}
