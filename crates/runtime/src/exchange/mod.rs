//! `trader exchange`: a simulated exchange that speaks Binance's protocol over real sockets.
//!
//! The machine and the protocol in front of it run on one thread, on the clock. Sockets are served
//! by async tasks that hand every request to that thread over a bounded queue and wait for its
//! answer; a full queue is answered as an overloaded venue would.
//!
//! Modules in reading order: this one (configuration, start and end), `host` (the machine as the
//! protocol wants it), `store` (accounts on disk), `hub` (the thread), `handle` (the way to it),
//! `http` (connections and requests), `socket` (WebSockets), `control` (faults from outside), `tls`.

mod control;
mod handle;
mod host;
mod http;
mod hub;
mod socket;
mod store;
mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use binance::CaptureError;
use binance::server::verify::Secret;
use binance::server::{AccountConfig, Faults, Front, FrontConfig, LimitRules};
use market::{Decimal, FinePrice, Instrument, Nanos, Rate, Usd};
use sim_exchange::{Latency, RecordedConfig, SimConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::clock;
use host::Left;
use hub::Opening;
use store::{Folder, Revived};

pub use host::Host;
pub use store::StateError;

/// How long open connections may take to end at shutdown.
const GRACE: Duration = Duration::from_millis(500);

/// A customer of the exchange.
#[derive(Clone, Debug)]
pub struct Account {
    /// What goes into `X-MBX-APIKEY`.
    pub api_key: String,
    /// What signs the requests.
    pub secret: Signer,
    /// First wallet balance in the quote currency.
    pub balance: Decimal,
    /// First leverage.
    pub leverage: u32,
    /// Whether the key may withdraw.
    pub can_withdraw: bool,
    /// Whether the account is in hedge mode, in which orders are refused here.
    pub hedge: bool,
    /// Whether its margin is isolated.
    pub isolated: bool,
    /// Whether it is in multi-assets mode.
    pub multi_assets: bool,
}

/// What an account signs with.
#[derive(Clone)]
pub enum Signer {
    /// A shared secret, for HMAC-SHA256.
    Hmac(String),
    /// An Ed25519 public key, PEM or base64.
    Ed25519(String),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "Hmac",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

impl Account {
    /// An HMAC key, leverage 20, one-way mode.
    pub fn new(api_key: &str, secret: &str, balance: Decimal) -> Self {
        Self {
            api_key: api_key.to_owned(),
            secret: Signer::Hmac(secret.to_owned()),
            balance,
            leverage: 20,
            can_withdraw: false,
            hedge: false,
            isolated: false,
            multi_assets: false,
        }
    }
}

/// What an exchange is told at birth.
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where it listens for faults and actions; `None` for nowhere.
    pub control: Option<SocketAddr>,
    /// Certificate chain and key, PEM; `None` for plain HTTP and WS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Its customers.
    pub accounts: Vec<Account>,
    /// What is traded.
    pub instrument: Instrument,
    /// Seeds the crowd, the listen keys and the faults.
    pub seed: u64,
    /// Captures to replay in place of the crowd, in the order of their recording; none for the
    /// crowd. When they end, the market stands still.
    pub replay: Vec<PathBuf>,
    /// What goes wrong from the beginning.
    pub faults: Faults,
    /// Rate limits.
    pub limits: LimitRules,
    /// Market history made up before the first request.
    pub warm_up: Duration,
    /// Between two ping frames.
    pub ping_every: Duration,
    /// Folder in which its accounts outlive the process; `None` to forget them.
    pub state: Option<PathBuf>,
    /// Its clock is off by this much.
    pub clock_skew_ms: i64,
    /// Changes to the embedded market, such as its crowd; its accounts, time and seed are ours.
    pub market: Option<SimConfig>,
}

impl ExchangeConfig {
    /// An exchange on a free loopback port with one instrument.
    pub fn new(instrument: Instrument, accounts: Vec<Account>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            control: None,
            tls: None,
            accounts,
            instrument,
            seed: 1,
            replay: Vec::new(),
            faults: Faults::default(),
            limits: LimitRules::default(),
            warm_up: Duration::from_secs(300),
            ping_every: Duration::from_secs(180),
            state: None,
            clock_skew_ms: 0,
            market: None,
        }
    }
}

/// Why there is no exchange.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}; stop what holds it or choose another address")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("{path}: {reason}; --tls-cert needs a PEM certificate chain and --tls-key its PEM key")]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The accounts make no sense.
    #[error("accounts: {0}")]
    Accounts(String),
    /// The recorded data cannot be used.
    #[error("replay: {0}")]
    Replay(#[from] CaptureError),
    /// What accounts had cannot be brought back, or kept.
    #[error("{0}")]
    State(#[from] StateError),
    /// The machine's thread could not be started, or a listener failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The machine stopped by itself: a bug of ours.
    #[error("the matching machine has stopped")]
    Stopped,
}

/// Sockets that listen and an exchange that is about to open, before anybody is served.
pub struct Listeners {
    main: TcpListener,
    control: Option<TcpListener>,
    tls: Option<TlsAcceptor>,
    opening: Opening,
}

impl Listeners {
    /// Binds what the configuration names, reads its certificate, its recordings and what its
    /// accounts had. Whatever is wrong with them shows here.
    ///
    /// # Errors
    /// [`ExchangeError`]: what is wrong with the configuration.
    pub async fn bind(config: &ExchangeConfig) -> Result<Self, ExchangeError> {
        let tls = match &config.tls {
            Some((cert, key)) => Some(tls::acceptor(cert, key)?),
            None => None,
        };
        let control = match config.control {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let main = bind(config.listen).await?;
        Ok(Self { main, control, tls, opening: opening(config)? })
    }

    /// Where requests and sockets go.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    /// Where faults and actions go.
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control.as_ref().and_then(|listener| listener.local_addr().ok())
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ExchangeError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ExchangeError::Bind { address, source })
}

/// Serves until `shutdown` is done.
///
/// # Errors
/// [`ExchangeError`]: that what happens cannot be kept, or that the machine stopped.
pub async fn serve(
    config: ExchangeConfig,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ExchangeError> {
    let (handle, thread) = hub::start(listeners.opening, &config)?;
    let (stop, stopping) = watch::channel(false);
    let handle = Arc::new(handle);
    let main = http::run(listeners.main, listeners.tls, Arc::clone(&handle), stopping.clone());
    let control = async {
        match listeners.control {
            Some(listener) => control::run(listener, Arc::clone(&handle), stopping).await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        biased;
        () = shutdown => Ok(()),
        () = handle.stopped() => Err(ExchangeError::Stopped),
        error = main => Err(ExchangeError::Io(error)),
        error = control => Err(ExchangeError::Io(error)),
    };
    // Nobody listening any more is as good as told.
    let _ = stop.send(true);
    tokio::time::sleep(GRACE).await;
    handle.stop();
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    match joined {
        Ok(Ok(Ok(()))) => result,
        Ok(Ok(Err(error))) => Err(error.into()),
        _ => Err(ExchangeError::Stopped),
    }
}

/// A new exchange, or the one that was left in the folder.
fn opening(config: &ExchangeConfig) -> Result<Opening, ExchangeError> {
    let now = hub::skewed(clock::now(), config.clock_skew_ms);
    let folder = config.state.as_deref().map(Folder::open).transpose()?;
    let revived = match &folder {
        Some(folder) => folder.revive(front_config(config, now)?, !config.replay.is_empty())?,
        None => None,
    };
    if let Some(Revived { front, kept, left_at }) = revived {
        let (price, played) = left_at.unzip();
        let left = Left { kept, price, played: played.flatten() };
        let host = Host::reopen(config, now, &left)?;
        return Ok(Opening { front, host, begin: now, folder });
    }
    // A recording makes up no history.
    let begin = if config.replay.is_empty() { now - config.warm_up } else { now };
    let front = Front::new(front_config(config, begin)?);
    Ok(Opening { front, host: Host::new(config, begin)?, begin, folder })
}

/// What the protocol in front is told at birth.
///
/// # Errors
/// [`ExchangeError::Accounts`].
pub fn front_config(config: &ExchangeConfig, start: Nanos) -> Result<FrontConfig, ExchangeError> {
    let mut accounts: Vec<AccountConfig> = Vec::new();
    if config.accounts.is_empty() || config.accounts.len() > host::ACCOUNTS_MAX {
        let text = format!("there must be 1 to {}", host::ACCOUNTS_MAX);
        return Err(ExchangeError::Accounts(text));
    }
    for account in &config.accounts {
        if accounts.iter().any(|other| other.api_key == account.api_key) {
            let text = format!("the API key `{}` is given twice", account.api_key);
            return Err(ExchangeError::Accounts(text));
        }
        let secret = match &account.secret {
            Signer::Hmac(secret) => Secret::hmac(secret),
            Signer::Ed25519(key) => Secret::ed25519(key).ok_or_else(|| {
                let text = format!("`{}` has no usable Ed25519 public key", account.api_key);
                ExchangeError::Accounts(text)
            })?,
        };
        accounts.push(AccountConfig {
            secret,
            leverage: account.leverage,
            can_withdraw: account.can_withdraw,
            hedge: account.hedge,
            isolated: account.isolated,
            multi_assets: account.multi_assets,
            ..AccountConfig::new(&account.api_key, "", Usd::from_decimal(account.balance))
        });
    }
    let fees = config.market.as_ref().map(|market| market.fees).unwrap_or_default();
    let (maker_fee, taker_fee): (Rate, Rate) = (fees.maker, fees.taker);
    Ok(FrontConfig {
        instrument: config.instrument.clone(),
        accounts,
        limits: config.limits,
        maker_fee,
        taker_fee,
        start,
        seed: config.seed,
        faults: config.faults.clone(),
    })
}

/// The embedded market as this configuration wants it.
fn sim_config(config: &ExchangeConfig, start: Nanos, left_at: Option<FinePrice>) -> SimConfig {
    let base = || SimConfig::new(config.instrument.clone(), config.seed, start);
    let mut sim = config.market.clone().unwrap_or_else(base);
    (sim.instrument, sim.seed, sim.start) = (config.instrument.clone(), config.seed, start);
    if let Some(price) = left_at {
        // The same draws again would repeat the same hour again.
        (sim.start_price, sim.seed) = (price.decimal(), config.seed ^ start.0);
    }
    sim.latency = Latency::ZERO;
    sim.diff_interval = Duration::from_millis(50);
    // Counted in front, where the headers are.
    sim.rate_limits = sim_exchange::RateLimits { per_10s: u32::MAX, per_minute: u32::MAX };
    sim
}

/// The recorded market as this configuration wants it.
fn recorded_config(config: &ExchangeConfig, start: Nanos) -> RecordedConfig {
    let sim = sim_config(config, start, None);
    RecordedConfig {
        latency: sim.latency,
        fees: sim.fees,
        rate_limits: sim.rate_limits,
        ..RecordedConfig::new(config.instrument.clone(), config.seed, start)
    }
}
