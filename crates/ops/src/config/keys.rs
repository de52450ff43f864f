//! Every configuration key, declared once: reading, checking, the JSON Schema and the documentation
//! all come from this table.

use std::fmt;

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Full name, such as `strategy.base_spread`.
    pub path: &'static str,
    /// What holds when the file does not give it.
    pub absent: Absent,
    /// Allowed values of a number or duration as an interval, such as `(0, 0.1]`; empty: all.
    pub range: Range,
    /// Unit of the value; empty when it has none or carries it (durations).
    pub unit: &'static str,
    /// Whether a running trader takes a new value on reload.
    pub reload: Reload,
    /// What it means, in one sentence.
    pub doc: &'static str,
}

/// What holds when a key is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The file is refused.
    Required,
    /// Nothing: the key has no value.
    Nothing,
    /// This text, as if it stood in the file.
    Default(&'static str),
    /// The value of another key.
    SameAs(&'static str),
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// On reload, while trading.
    Live,
    /// Only after a restart.
    Restart,
}

/// An interval as mathematicians write it: `[a, b]` includes its ends, `(a, b)` does not; an end
/// left out is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range(&'static str);

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) text: &'static str,
    pub(super) included: bool,
}

impl Range {
    /// No limits but those of the type.
    pub fn is_unlimited(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn low(self) -> Option<Bound> {
        let text = self.0.split(',').next()?.trim_start_matches(['(', '[']).trim();
        (!text.is_empty()).then_some(Bound { text, included: self.0.starts_with('[') })
    }

    pub(super) fn high(self) -> Option<Bound> {
        let text = self.0.split(',').nth(1)?.trim_end_matches([')', ']']).trim();
        (!text.is_empty()).then_some(Bound { text, included: self.0.ends_with(']') })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.low(), self.high()) {
            (
                Some(Bound { text: low, included: true }),
                Some(Bound { text: high, included: true }),
            ) => {
                return write!(f, "from {low} to {high}");
            }
            (Some(low), high) => {
                write!(f, "{} {}", if low.included { "at least" } else { "more than" }, low.text)?;
                if high.is_some() {
                    f.write_str(" and ")?;
                }
            }
            (None, _) => {}
        }
        if let Some(high) = self.high() {
            write!(f, "{} {}", if high.included { "at most" } else { "less than" }, high.text)?;
        }
        Ok(())
    }
}

impl Key {
    /// The section it lies in, such as `strategy.requote`; empty for `mode`.
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its name within the section.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// Every key, in the order in which files and documents list them.
pub fn all() -> &'static [Key] {
    KEYS
}

/// The key of that name.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The keys whose values are never shown.
pub(super) const SECRETS: [&str; 5] =
    ["exchange.api_key", "exchange.api_secret", "exchange.proxy", "api.token", "store.url"];

/// What a section is about; `None` when there is no such section.
pub fn section_doc(path: &str) -> Option<&'static str> {
    SECTIONS.iter().find(|(name, _)| *name == path).map(|(_, doc)| *doc)
}

/// Every section with what it is about, outer before inner.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("exchange", "The venue and how to reach it."),
    ("exchange.fees", "Fee rates assumed where the venue does not report them."),
    (
        "exchange.dead_man",
        "The venue-side dead-man's switch, which cancels all orders if we fall silent.",
    ),
    ("strategy", "What to quote."),
    ("strategy.requote", "When live orders are moved to the target."),
    ("strategy.volatility", "How volatility is estimated; all per square root of a second."),
    ("strategy.dynamic_spread", "Widening of the spread with volatility, inventory and the book."),
    ("risk", "Limits that no order passes."),
    (
        "risk.circuit_breaker",
        "What stops trading after failures in a row or a breached hard limit.",
    ),
    ("risk.flatten", "How a position is closed."),
    ("monitoring", "Metrics."),
    ("api", "The HTTP API and console."),
    ("logging", "The log."),
    ("data", "What is kept on disk."),
    ("data.journal", "The record of every engine input, for replay."),
    ("store", "The database of sessions, orders, fills, PnL, risk events and cash."),
    ("simulation", "The embedded simulated exchange of paper trading."),
    ("simulation.latency", "Delays of the simulated exchange."),
];

const fn key(
    path: &'static str,
    absent: Absent,
    range: &'static str,
    unit: &'static str,
    reload: Reload,
    doc: &'static str,
) -> Key {
    Key { path, absent, range: Range(range), unit, reload, doc }
}

use Absent::{Default, Nothing, Required, SameAs};
use Reload::{Live, Restart};

#[rustfmt::skip]
const KEYS: &[Key] = &[
    key("mode", Default("paper"), "", "", Restart,
        "paper trades on the embedded simulated exchange, live with real money."),

    key("exchange.name", Default("binance"), "", "", Restart,
        "The venue."),
    key("exchange.api_key", Nothing, "", "", Restart,
        "API key; needed for live trading only."),
    key("exchange.api_secret", Nothing, "", "", Restart,
        "Secret that belongs to api_key."),
    key("exchange.api_key_file", Nothing, "", "", Restart,
        "File that holds the API key, instead of api_key (systemd credentials)."),
    key("exchange.api_secret_file", Nothing, "", "", Restart,
        "File that holds the secret, instead of api_secret (systemd credentials)."),
    key("exchange.testnet", Default("false"), "", "", Restart,
        "The same as network: testnet."),
    key("exchange.network", Default("mainnet"), "", "", Restart,
        "mainnet is real money, demo and testnet are the venue's play money, custom is base_url."),
    key("exchange.base_url", Nothing, "", "", Restart,
        "Address of a simulated exchange that serves everything, such as http://127.0.0.1:8080; for network: custom."),
    key("exchange.paths", Default("routed"), "", "", Restart,
        "routed uses the sockets /public, /market and /private, legacy one socket as before 2026-04."),
    key("exchange.arm", Nothing, "", "", Restart,
        "Real money is traded only when this is SYMBOL mainnet, such as ETHUSDC mainnet, or with --arm-live."),
    key("exchange.order_path", Default("ws_api"), "", "", Restart,
        "ws_api sends orders over the WebSocket API and over REST while that is down, rest over REST alone."),
    key("exchange.connections", Default("1"), "[1, 2]", "connections per stream", Restart,
        "With 2, either market data connection may fail without a gap."),
    key("exchange.recv_window", Default("1500ms"), "[100ms, 1m]", "", Restart,
        "The venue refuses a request that arrives later than this, so that no stale order is executed."),
    key("exchange.max_clock_offset", Default("1s"), "[10ms, 10s]", "", Restart,
        "Our clock and the venue's may differ by this much; beyond, nothing is quoted."),
    key("exchange.leverage", Default("5"), "[1, 125]", "", Restart,
        "Leverage that the account must be set to for this instrument."),
    key("exchange.apply_settings", Default("false"), "", "", Restart,
        "Set leverage, cross margin and one-way mode at the start, when there is no position and no order."),
    key("exchange.allow_withdrawals", Default("false"), "", "", Restart,
        "Trade although the API key may withdraw; a stolen key then costs everything."),
    key("exchange.proxy", Nothing, "", "", Restart,
        "Proxy for everything, http:// or socks5://, instead of those that the environment names."),
    key("exchange.ca_file", Nothing, "", "", Restart,
        "PEM file of certificate authorities trusted besides the public ones."),
    key("exchange.ack_timeout", Default("2s"), "[100ms, 1m]", "", Restart,
        "A request unanswered for this long is in doubt and queried."),
    key("exchange.reconcile_interval", Default("30s"), "[1s, 10m]", "", Live,
        "How often orders, position and wallet are compared with the venue's although nothing is in doubt."),
    key("exchange.fees.maker", Default("0"), "[-0.001, 0.01]", "fraction of notional", Restart,
        "Fee of a fill that rested in the book; negative is a rebate."),
    key("exchange.fees.taker", Default("0.0004"), "[0, 0.01]", "fraction of notional", Restart,
        "Fee of a fill that took from the book."),
    key("exchange.dead_man.countdown", Default("30s"), "[1s, 1h]", "", Restart,
        "The venue cancels all our orders when not refreshed for this long."),
    key("exchange.dead_man.refresh", Default("10s"), "[100ms, 30m]", "", Restart,
        "How often the countdown is restarted; less than half of it, so that one may be lost."),

    key("strategy.name", Required, "", "", Restart,
        "Strategy to run."),
    key("strategy.symbol", Required, "", "", Restart,
        "Instrument, as the venue spells it."),
    key("strategy.base_spread", Required, "(0, 0.1]", "fraction of mid", Live,
        "Full quoted spread; each side stands half of it from the quote centre."),
    key("strategy.base_size", Required, "(0, ]", "base asset", Live,
        "Quantity of each rung."),
    key("strategy.max_inventory", Required, "(0, ]", "base asset", Live,
        "Inventory, long or short, beyond which only the reducing side is quoted."),
    key("strategy.skew_factor", Default("0"), "[0, 10]", "multiple of base_spread", Live,
        "Shift of the quote centre against the inventory when it is at max_inventory."),
    key("strategy.tick_interval", Default("5s"), "[10ms, 1h]", "", Live,
        "Longest time between two decisions; events may come sooner."),
    key("strategy.levels", Default("1"), "[1, 10]", "rungs per side", Live,
        "Rungs quoted on each side."),
    key("strategy.level_spacing", Default("0.0005"), "(0, 0.1]", "fraction of mid", Live,
        "Distance between neighbouring rungs."),
    key("strategy.min_spread", Default("0"), "[0, 0.1]", "fraction of mid", Live,
        "Full spread that is never undercut."),
    key("strategy.max_spread", Default("0.05"), "(0, 0.2]", "fraction of mid", Live,
        "Full spread that is never exceeded."),
    key("strategy.fee_edge", Default("0"), "[0, 0.05]", "fraction of mid", Live,
        "Profit wanted on each side above the maker fee."),
    key("strategy.requote.on", Default("event"), "", "", Live,
        "event decides whenever the market moves, interval only every tick_interval."),
    key("strategy.requote.min_interval", Default("250ms"), "[0ms, 1m]", "", Live,
        "Shortest time between two changes of one rung."),
    key("strategy.requote.price_tolerance", Default("0.1"), "[0, 1]", "fraction of the half-spread", Live,
        "An order this close to its target price stays."),
    key("strategy.requote.size_tolerance", Default("0.25"), "[0, 1]", "fraction of the size", Live,
        "An order this close to its target quantity stays."),
    key("strategy.requote.amend", Default("true"), "", "", Live,
        "Amend orders in place instead of cancelling and placing anew."),
    key("strategy.volatility.estimator", Default("ewma"), "", "", Restart,
        "How volatility is estimated."),
    key("strategy.volatility.grid", Default("1s"), "[100ms, 1m]", "", Restart,
        "Sampling interval of the mid for ewma."),
    key("strategy.volatility.half_life", Default("30s"), "[1s, 1d]", "", Restart,
        "Age at which a sample counts half, for ewma."),
    key("strategy.volatility.bar", Default("10s"), "[1s, 1h]", "", Restart,
        "Length of a bar, for the estimators that use bars."),
    key("strategy.volatility.bars", Default("30"), "[2, 1000]", "bars", Restart,
        "Bars in the window, for the estimators that use bars."),
    key("strategy.volatility.warmup", Default("10s"), "[0s, 1d]", "", Restart,
        "Time during which the estimate is not yet trusted."),
    key("strategy.volatility.floor", Default("0.00001"), "[0, 0.01]", "per square root of a second", Live,
        "Lowest estimate."),
    key("strategy.volatility.cap", Default("0.001"), "(0, 0.1]", "per square root of a second", Live,
        "Highest estimate."),
    key("strategy.dynamic_spread.enabled", Default("false"), "", "", Live,
        "Widen the spread with the market's state."),
    key("strategy.dynamic_spread.vol_multiplier", Default("1"), "[0, 100]", "", Live,
        "Spread added per unit of volatility over the horizon."),
    key("strategy.dynamic_spread.horizon", Default("10s"), "[100ms, 1h]", "", Live,
        "Time over which a quote is exposed to volatility."),
    key("strategy.dynamic_spread.inventory_widen", Default("0"), "[0, 100]", "", Live,
        "Relative widening at full inventory."),
    key("strategy.dynamic_spread.imbalance_widen", Default("0"), "[0, 100]", "", Live,
        "Relative widening when all depth stands on one side."),
    key("strategy.dynamic_spread.depth_widen", Default("0"), "[0, 100]", "", Live,
        "Relative widening when the book is empty."),
    key("strategy.dynamic_spread.depth_reference", Default("10"), "(0, ]", "base asset", Live,
        "Depth per side at which the book counts as deep."),
    key("strategy.dynamic_spread.depth_levels", Default("5"), "[1, 100]", "book levels", Live,
        "Book levels per side that are summed up as depth."),

    key("risk.daily_loss_limit", Required, "(0, ]", "quote currency", Live,
        "Loss since 00:00 UTC at which trading halts until the next 00:00 UTC."),
    key("risk.max_drawdown_limit", Required, "(0, 1)", "fraction of peak equity", Live,
        "Fall from peak equity at which trading halts."),
    key("risk.max_position", Required, "(0, ]", "base asset", Live,
        "Largest position, long or short, open orders included."),
    key("risk.max_order_value", Default("1000"), "(0, ]", "quote currency", Live,
        "Largest value of one order."),
    key("risk.max_order_qty", SameAs("risk.max_position"), "(0, ]", "base asset", Live,
        "Largest quantity of one order."),
    key("risk.price_collar", Default("0.02"), "(0, 1)", "fraction of mid", Live,
        "Farthest from mid that an order may be priced."),
    key("risk.max_orders_per_second", Default("20"), "[1, 300]", "orders", Live,
        "Requests that place or amend orders, per second."),
    key("risk.max_orders_per_minute", Default("600"), "[1, 10000]", "orders", Live,
        "Requests that place or amend orders, per minute."),
    key("risk.max_open_orders", Default("40"), "[1, 200]", "orders", Live,
        "Orders that may be open at once."),
    key("risk.max_book_age", Default("2s"), "[100ms, 1m]", "", Live,
        "A book not updated for this long is not quoted on."),
    key("risk.circuit_breaker.threshold", Required, "[1, 1000]", "failures in a row", Live,
        "Failures in a row that open the breaker."),
    key("risk.circuit_breaker.timeout", Required, "[1s, 1d]", "", Live,
        "Time until an open breaker allows a trial."),
    key("risk.flatten.patience", Default("5s"), "[0s, 10m]", "", Live,
        "Time that post-only orders get to close the position before it is closed at the market."),
    key("risk.flatten.slippage", Default("0.002"), "[0, 0.1]", "fraction of mid", Live,
        "Worst price, away from mid, at which a position is closed."),

    key("monitoring.prometheus_port", Default("9090"), "", "", Restart,
        "Port of /metrics for Prometheus; 0 takes any free port."),
    key("monitoring.metrics_interval", Default("5s"), "[100ms, 10m]", "", Live,
        "How often the slow metrics are refreshed."),

    key("api.listen", Default("127.0.0.1:9100"), "", "", Restart,
        "Address of the HTTP API and console; port 0 takes any free port."),
    key("api.token", Nothing, "", "", Restart,
        "Bearer token that control requests, and reads from elsewhere, must carry."),
    key("api.token_file", Nothing, "", "", Restart,
        "File that holds the token, instead of token (systemd credentials)."),

    key("logging.level", Default("info"), "", "", Live,
        "Least severe level that is logged."),
    key("logging.format", Default("json"), "", "", Restart,
        "json for machines, pretty for people."),
    key("logging.outputs", Default("stdout"), "", "", Restart,
        "Where the log goes."),
    key("logging.file_path", Nothing, "", "", Restart,
        "The log file; needed when outputs contains file."),
    key("logging.max_size", Default("100"), "[1, 10240]", "MB (10^6 bytes)", Restart,
        "Size at which the log file is rotated."),
    key("logging.max_backups", Default("10"), "[0, 1000]", "files", Restart,
        "Rotated files that are kept."),
    key("logging.max_age", Default("30"), "[1, 3650]", "days", Restart,
        "Age at which rotated files are deleted, however few they are."),

    key("data.dir", Default("./data"), "", "", Restart,
        "Directory of the store and the journal."),
    key("data.journal.enabled", Default("true"), "", "", Restart,
        "Record every engine input, so that the session can be replayed."),
    key("data.journal.max_bytes", Default("10737418240"), "[1048576, ]", "bytes", Restart,
        "Size of all sessions together; the oldest are deleted, never one that is being written."),
    key("data.journal.max_age", Default("30d"), "[1h, 3650d]", "", Restart,
        "Sessions that ended longer ago are deleted, however small they are."),

    key("store.enabled", Default("true"), "", "", Restart,
        "Keep them; runs as fast as possible (--speed max) never do."),
    key("store.url", Nothing, "", "", Restart,
        "A PostgreSQL database, such as postgres://user:password@host:5432/name, instead of the file store.sqlite in data.dir."),
    key("store.url_file", Nothing, "", "", Restart,
        "File that holds the address, instead of url (systemd credentials)."),
    key("store.ca_file", Nothing, "", "", Restart,
        "PEM file of certificate authorities trusted besides the public ones, for PostgreSQL over TLS."),
    key("store.trader", Default("trader"), "", "", Restart,
        "Name of this trader in the store; those that share a database need different ones."),
    key("store.halt_after", Default("0s"), "[0s, 1d]", "", Restart,
        "Trading is halted when the database has failed for longer; 0s never halts."),
    key("store.pnl_interval", Default("10s"), "[1s, 1h]", "", Restart,
        "How often position and PnL are kept."),

    key("simulation.seed", Default("1"), "", "", Restart,
        "Seed of everything random in the simulated exchange."),
    key("simulation.balance", Default("5000"), "(0, ]", "quote currency", Restart,
        "Balance to start with."),
    key("simulation.latency.feed", Default("2ms"), "[0ms, 10s]", "", Restart,
        "Delay of market data to us."),
    key("simulation.latency.entry", Default("5ms"), "[0ms, 10s]", "", Restart,
        "Delay of our requests to the exchange."),
    key("simulation.latency.response", Default("5ms"), "[0ms, 10s]", "", Restart,
        "Delay of the answers to us."),
];
