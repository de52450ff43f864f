//! The checked configuration: complete, typed, free of contradictions.
//!
//! Each `bind` ties the fields of a section to the keys of the table; reading, printing and
//! comparing are three visitors of the same binding. The derived `Default` of a section is only the
//! blank form that the reader fills in: it breaks most of the rules a [`super::Config`] keeps.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use market::Decimal;

use super::Config;
use super::secret::Secret;
use super::value::{
    Arm, BaseUrl, Estimator, ExchangeName, Level, LogFormat, LogOutput, Name, Network, OrderPath,
    RequoteOn, Setting, SocketPaths, StrategyName,
};

/// Something that passes over every key with its field.
pub(super) trait Visit {
    fn key(&mut self, path: &'static str, field: &mut dyn Setting);
}

/// The venue and how to reach it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ExchangeConfig {
    /// The venue.
    pub name: ExchangeName,
    /// API key, from `api_key` or `api_key_file`; always there in live mode.
    pub api_key: Option<Secret>,
    /// Secret of the API key, from `api_secret` or `api_secret_file`; always there in live mode.
    pub api_secret: Option<Secret>,
    /// File the API key was read from.
    pub api_key_file: Option<PathBuf>,
    /// File the secret was read from.
    pub api_secret_file: Option<PathBuf>,
    /// The same as [`Network::Testnet`].
    pub testnet: bool,
    /// Which money it is.
    pub network: Network,
    /// Address of a simulated exchange; always there with [`Network::Custom`].
    pub base_url: Option<BaseUrl>,
    /// How sockets are addressed.
    pub paths: SocketPaths,
    /// `SYMBOL mainnet`: the operator's word that real money may be traded with.
    pub arm: Option<Arm>,
    /// The way of orders.
    pub order_path: OrderPath,
    /// Market data connections.
    pub connections: u32,
    /// The venue refuses a request that arrives later.
    pub recv_window: Duration,
    /// Our clock and the venue's may differ by this much.
    pub max_clock_offset: Duration,
    /// Leverage that the account must be set to.
    pub leverage: u32,
    /// Whether we set the account up ourselves.
    pub apply_settings: bool,
    /// Whether a key that may withdraw is accepted.
    pub allow_withdrawals: bool,
    /// Proxy for everything; may hold a password.
    pub proxy: Option<Secret>,
    /// Certificate authorities trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// A request unanswered for this long is in doubt.
    pub ack_timeout: Duration,
    /// How often our records are compared with the venue's although nothing is in doubt.
    pub reconcile_interval: Duration,
    /// Fee rates.
    pub fees: FeesConfig,
    /// The venue-side dead-man's switch.
    pub dead_man: DeadManConfig,
}

/// Fee rates.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FeesConfig {
    /// Fraction of notional; negative is a rebate.
    pub maker: Decimal,
    /// Fraction of notional.
    pub taker: Decimal,
}

/// The venue-side dead-man's switch.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DeadManConfig {
    /// The venue cancels all our orders when not refreshed for this long.
    pub countdown: Duration,
    /// Time between refreshes; less than half of `countdown`.
    pub refresh: Duration,
}

/// What to quote.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StrategyConfig {
    /// The strategy.
    pub name: StrategyName,
    /// Instrument, as the venue spells it.
    pub symbol: String,
    /// Full quoted spread, fraction of mid; each side stands half of it from the quote centre.
    pub base_spread: f64,
    /// Quantity of each rung, base asset.
    pub base_size: Decimal,
    /// Inventory, either way, beyond which only the reducing side is quoted; base asset.
    pub max_inventory: Decimal,
    /// Shift of the quote centre at full inventory, as a multiple of `base_spread`.
    pub skew_factor: f64,
    /// Longest time between two decisions.
    pub tick_interval: Duration,
    /// Rungs per side.
    pub levels: u32,
    /// Distance between neighbouring rungs, fraction of mid.
    pub level_spacing: f64,
    /// Lowest full spread, fraction of mid.
    pub min_spread: f64,
    /// Highest full spread, fraction of mid.
    pub max_spread: f64,
    /// Profit wanted per side above the maker fee, fraction of mid.
    pub fee_edge: f64,
    /// When live orders are moved to the target.
    pub requote: RequoteConfig,
    /// How volatility is estimated.
    pub volatility: VolatilityConfig,
    /// Widening of the spread.
    pub dynamic_spread: DynamicSpreadConfig,
}

/// When live orders are moved to the target.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RequoteConfig {
    /// What makes the strategy decide.
    pub on: RequoteOn,
    /// Shortest time between two changes of one rung.
    pub min_interval: Duration,
    /// An order this close to its target price stays; fraction of the half-spread.
    pub price_tolerance: f64,
    /// An order this close to its target quantity stays; fraction of the quantity.
    pub size_tolerance: f64,
    /// Amend orders in place instead of cancelling and placing anew.
    pub amend: bool,
}

/// How volatility is estimated; all figures per square root of a second.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct VolatilityConfig {
    /// The estimator.
    pub estimator: Estimator,
    /// Sampling interval of the mid, for `ewma`.
    pub grid: Duration,
    /// Age at which a sample counts half, for `ewma`.
    pub half_life: Duration,
    /// Length of a bar, for the estimators that use bars.
    pub bar: Duration,
    /// Bars in the window.
    pub bars: u32,
    /// Time during which the estimate is not yet trusted.
    pub warmup: Duration,
    /// Lowest estimate, per square root of a second.
    pub floor: f64,
    /// Highest estimate, per square root of a second.
    pub cap: f64,
}

/// Widening of the spread with volatility, inventory and the book.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DynamicSpreadConfig {
    /// Whether the spread is widened at all.
    pub enabled: bool,
    /// Spread added per unit of volatility over the horizon.
    pub vol_multiplier: f64,
    /// Time over which a quote is exposed to volatility.
    pub horizon: Duration,
    /// Relative widening at full inventory.
    pub inventory_widen: f64,
    /// Relative widening when all depth stands on one side.
    pub imbalance_widen: f64,
    /// Relative widening when the book is empty.
    pub depth_widen: f64,
    /// Depth per side at which the book counts as deep, base asset.
    pub depth_reference: Decimal,
    /// Book levels per side that are summed up as depth.
    pub depth_levels: u32,
}

/// Limits that no order passes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RiskConfig {
    /// Loss since 00:00 UTC at which trading halts, quote currency.
    pub daily_loss_limit: Decimal,
    /// Fall from peak equity at which trading halts, fraction.
    pub max_drawdown_limit: Decimal,
    /// Largest position either way, open orders included, base asset.
    pub max_position: Decimal,
    /// Largest value of one order, quote currency.
    pub max_order_value: Decimal,
    /// Largest quantity of one order, base asset.
    pub max_order_qty: Decimal,
    /// Farthest from mid that an order may be priced, fraction of mid.
    pub price_collar: Decimal,
    /// Requests that place or amend orders, per second.
    pub max_orders_per_second: u32,
    /// Requests that place or amend orders, per minute.
    pub max_orders_per_minute: u32,
    /// Orders that may be open at once.
    pub max_open_orders: u32,
    /// A book not updated for this long is not quoted on.
    pub max_book_age: Duration,
    /// What stops trading after failures.
    pub circuit_breaker: CircuitBreakerConfig,
    /// How a position is closed.
    pub flatten: FlattenConfig,
}

/// What stops trading after failures in a row or a breached hard limit.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CircuitBreakerConfig {
    /// Failures in a row that open the breaker.
    pub threshold: u32,
    /// Time until an open breaker allows a trial.
    pub timeout: Duration,
}

/// How a position is closed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FlattenConfig {
    /// Time that post-only orders get before the position is closed at the market.
    pub patience: Duration,
    /// Worst price away from mid, fraction of mid.
    pub slippage: Decimal,
}

/// Metrics.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MonitoringConfig {
    /// Port of `/metrics` for Prometheus; 0 takes any free port.
    pub prometheus_port: u16,
    /// How often the slow metrics are refreshed.
    pub metrics_interval: Duration,
}

/// The HTTP API and console.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ApiConfig {
    /// Address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Bearer token, from `token` or `token_file`.
    pub token: Option<Secret>,
    /// File the token was read from.
    pub token_file: Option<PathBuf>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, token: None, token_file: None }
    }
}

/// The log.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoggingConfig {
    /// Least severe level that is logged.
    pub level: Level,
    /// How a line is written.
    pub format: LogFormat,
    /// Where the log goes; never empty.
    pub outputs: Vec<LogOutput>,
    /// The log file; always there when `outputs` contains [`LogOutput::File`].
    pub file_path: Option<PathBuf>,
    /// Size at which the file is rotated, MB (10^6 bytes).
    pub max_size: u32,
    /// Rotated files that are kept.
    pub max_backups: u32,
    /// Age at which rotated files are deleted, days.
    pub max_age: u32,
}

/// What is kept on disk.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DataConfig {
    /// Directory of the store and the journal.
    pub dir: PathBuf,
    /// The record of every engine input.
    pub journal: JournalConfig,
}

/// The record of every engine input, for replay.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct JournalConfig {
    /// Whether inputs are recorded.
    pub enabled: bool,
    /// Size of all segments together, bytes; the oldest are deleted.
    pub max_bytes: u64,
    /// How long a session is kept after its end.
    pub max_age: Duration,
}

/// The database of sessions, orders, fills, PnL, risk events and cash.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StoreConfig {
    /// Whether they are kept.
    pub enabled: bool,
    /// Address of a PostgreSQL database, from `url` or `url_file`; may hold a password.
    pub url: Option<Secret>,
    /// File the address was read from.
    pub url_file: Option<PathBuf>,
    /// Certificate authorities trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Name of this trader.
    pub trader: Name,
    /// Trading is halted when the database has failed for longer; zero never halts.
    pub halt_after: Duration,
    /// Between two snapshots of position and PnL.
    pub pnl_interval: Duration,
}

/// The embedded simulated exchange of paper trading.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SimulationConfig {
    /// Seed of everything random in it.
    pub seed: u64,
    /// Balance to start with, quote currency.
    pub balance: Decimal,
    /// Its delays.
    pub latency: LatencyConfig,
}

/// Delays of the simulated exchange.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LatencyConfig {
    /// Market data to us.
    pub feed: Duration,
    /// Our requests to the exchange.
    pub entry: Duration,
    /// The answers to us.
    pub response: Duration,
}

/// Passes `visitor` over every key of `config`, in the order of the table.
pub(super) fn bind(config: &mut Config, visitor: &mut dyn Visit) {
    visitor.key("mode", &mut config.mode);
    config.exchange.bind(visitor);
    config.strategy.bind(visitor);
    config.strategy.requote.bind(visitor);
    config.strategy.volatility.bind(visitor);
    config.strategy.dynamic_spread.bind(visitor);
    config.risk.bind(visitor);
    config.monitoring.bind(visitor);
    config.api.bind(visitor);
    config.logging.bind(visitor);
    config.data.bind(visitor);
    config.store.bind(visitor);
    config.simulation.bind(visitor);
}

impl ExchangeConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("exchange.name", &mut self.name);
        v.key("exchange.api_key", &mut self.api_key);
        v.key("exchange.api_secret", &mut self.api_secret);
        v.key("exchange.api_key_file", &mut self.api_key_file);
        v.key("exchange.api_secret_file", &mut self.api_secret_file);
        v.key("exchange.testnet", &mut self.testnet);
        v.key("exchange.network", &mut self.network);
        v.key("exchange.base_url", &mut self.base_url);
        v.key("exchange.paths", &mut self.paths);
        v.key("exchange.arm", &mut self.arm);
        v.key("exchange.order_path", &mut self.order_path);
        v.key("exchange.connections", &mut self.connections);
        v.key("exchange.recv_window", &mut self.recv_window);
        v.key("exchange.max_clock_offset", &mut self.max_clock_offset);
        v.key("exchange.leverage", &mut self.leverage);
        v.key("exchange.apply_settings", &mut self.apply_settings);
        v.key("exchange.allow_withdrawals", &mut self.allow_withdrawals);
        v.key("exchange.proxy", &mut self.proxy);
        v.key("exchange.ca_file", &mut self.ca_file);
        v.key("exchange.ack_timeout", &mut self.ack_timeout);
        v.key("exchange.reconcile_interval", &mut self.reconcile_interval);
        v.key("exchange.fees.maker", &mut self.fees.maker);
        v.key("exchange.fees.taker", &mut self.fees.taker);
        v.key("exchange.dead_man.countdown", &mut self.dead_man.countdown);
        v.key("exchange.dead_man.refresh", &mut self.dead_man.refresh);
    }
}

impl StrategyConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("strategy.name", &mut self.name);
        v.key("strategy.symbol", &mut self.symbol);
        v.key("strategy.base_spread", &mut self.base_spread);
        v.key("strategy.base_size", &mut self.base_size);
        v.key("strategy.max_inventory", &mut self.max_inventory);
        v.key("strategy.skew_factor", &mut self.skew_factor);
        v.key("strategy.tick_interval", &mut self.tick_interval);
        v.key("strategy.levels", &mut self.levels);
        v.key("strategy.level_spacing", &mut self.level_spacing);
        v.key("strategy.min_spread", &mut self.min_spread);
        v.key("strategy.max_spread", &mut self.max_spread);
        v.key("strategy.fee_edge", &mut self.fee_edge);
    }
}

impl RequoteConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("strategy.requote.on", &mut self.on);
        v.key("strategy.requote.min_interval", &mut self.min_interval);
        v.key("strategy.requote.price_tolerance", &mut self.price_tolerance);
        v.key("strategy.requote.size_tolerance", &mut self.size_tolerance);
        v.key("strategy.requote.amend", &mut self.amend);
    }
}

impl VolatilityConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("strategy.volatility.estimator", &mut self.estimator);
        v.key("strategy.volatility.grid", &mut self.grid);
        v.key("strategy.volatility.half_life", &mut self.half_life);
        v.key("strategy.volatility.bar", &mut self.bar);
        v.key("strategy.volatility.bars", &mut self.bars);
        v.key("strategy.volatility.warmup", &mut self.warmup);
        v.key("strategy.volatility.floor", &mut self.floor);
        v.key("strategy.volatility.cap", &mut self.cap);
    }
}

impl DynamicSpreadConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("strategy.dynamic_spread.enabled", &mut self.enabled);
        v.key("strategy.dynamic_spread.vol_multiplier", &mut self.vol_multiplier);
        v.key("strategy.dynamic_spread.horizon", &mut self.horizon);
        v.key("strategy.dynamic_spread.inventory_widen", &mut self.inventory_widen);
        v.key("strategy.dynamic_spread.imbalance_widen", &mut self.imbalance_widen);
        v.key("strategy.dynamic_spread.depth_widen", &mut self.depth_widen);
        v.key("strategy.dynamic_spread.depth_reference", &mut self.depth_reference);
        v.key("strategy.dynamic_spread.depth_levels", &mut self.depth_levels);
    }
}

impl RiskConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("risk.daily_loss_limit", &mut self.daily_loss_limit);
        v.key("risk.max_drawdown_limit", &mut self.max_drawdown_limit);
        v.key("risk.max_position", &mut self.max_position);
        v.key("risk.max_order_value", &mut self.max_order_value);
        v.key("risk.max_order_qty", &mut self.max_order_qty);
        v.key("risk.price_collar", &mut self.price_collar);
        v.key("risk.max_orders_per_second", &mut self.max_orders_per_second);
        v.key("risk.max_orders_per_minute", &mut self.max_orders_per_minute);
        v.key("risk.max_open_orders", &mut self.max_open_orders);
        v.key("risk.max_book_age", &mut self.max_book_age);
        v.key("risk.circuit_breaker.threshold", &mut self.circuit_breaker.threshold);
        v.key("risk.circuit_breaker.timeout", &mut self.circuit_breaker.timeout);
        v.key("risk.flatten.patience", &mut self.flatten.patience);
        v.key("risk.flatten.slippage", &mut self.flatten.slippage);
    }
}

impl MonitoringConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("monitoring.prometheus_port", &mut self.prometheus_port);
        v.key("monitoring.metrics_interval", &mut self.metrics_interval);
    }
}

impl ApiConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("api.listen", &mut self.listen);
        v.key("api.token", &mut self.token);
        v.key("api.token_file", &mut self.token_file);
    }
}

impl LoggingConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("logging.level", &mut self.level);
        v.key("logging.format", &mut self.format);
        v.key("logging.outputs", &mut self.outputs);
        v.key("logging.file_path", &mut self.file_path);
        v.key("logging.max_size", &mut self.max_size);
        v.key("logging.max_backups", &mut self.max_backups);
        v.key("logging.max_age", &mut self.max_age);
    }
}

impl DataConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("data.dir", &mut self.dir);
        v.key("data.journal.enabled", &mut self.journal.enabled);
        v.key("data.journal.max_bytes", &mut self.journal.max_bytes);
        v.key("data.journal.max_age", &mut self.journal.max_age);
    }
}

impl StoreConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("store.enabled", &mut self.enabled);
        v.key("store.url", &mut self.url);
        v.key("store.url_file", &mut self.url_file);
        v.key("store.ca_file", &mut self.ca_file);
        v.key("store.trader", &mut self.trader);
        v.key("store.halt_after", &mut self.halt_after);
        v.key("store.pnl_interval", &mut self.pnl_interval);
    }
}

impl SimulationConfig {
    fn bind(&mut self, v: &mut dyn Visit) {
        v.key("simulation.seed", &mut self.seed);
        v.key("simulation.balance", &mut self.balance);
        v.key("simulation.latency.feed", &mut self.latency.feed);
        v.key("simulation.latency.entry", &mut self.latency.entry);
        v.key("simulation.latency.response", &mut self.latency.response);
    }
}
