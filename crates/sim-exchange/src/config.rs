//! What a simulated venue can be told at birth. Everything else follows from it and the commands.

use std::time::Duration;

use market::{Decimal, Instrument, Nanos, Rate, Usd};

use crate::faults::Faults;

/// A participant. Number 0 is the trader under test; 1 to 99 are further accounts with a ledger;
/// from 100 on they belong to the crowd, which is not accounted for beyond its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u16);

impl AccountId {
    /// The account that [`SimExchange::step`](crate::SimExchange::step) trades for.
    pub const TRADER: Self = Self(0);
    /// A second account for tests that place liquidity themselves.
    pub const OTHER: Self = Self(1);
    pub(crate) const CROWD: Self = Self(100);

    /// Whether the venue keeps orders, wallet and fills for it.
    pub const fn has_ledger(self) -> bool {
        self.0 < Self::CROWD.0
    }
}

/// Fee rates on notional; negative is a rebate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// For resting orders.
    pub maker: Rate,
    /// For orders that take.
    pub taker: Rate,
}

impl Default for Fees {
    /// USDC pairs in 2026: maker 0, taker 4 bps.
    fn default() -> Self {
        Self { maker: Rate::ZERO, taker: Rate::new(40_000) }
    }
}

/// One-way delays between the trader and the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Market event at the venue to the trader seeing it.
    pub feed: Duration,
    /// Command sent to the venue acting on it.
    pub entry: Duration,
    /// Venue acting to the trader hearing of it.
    pub response: Duration,
    /// Up to this much is added to each delay, uniformly, by seed. Zero for constant delays.
    pub jitter: Duration,
}

impl Latency {
    /// Everything at once.
    pub const ZERO: Self = Self::constant(Duration::ZERO, Duration::ZERO, Duration::ZERO);

    /// Delays without jitter.
    pub const fn constant(feed: Duration, entry: Duration, response: Duration) -> Self {
        Self { feed, entry, response, jitter: Duration::ZERO }
    }
}

impl Default for Latency {
    /// A colocated but not fastest trader: feed 2 ms, entry 5 ms, response 4 ms, jitter 1 ms.
    fn default() -> Self {
        Self {
            feed: Duration::from_millis(2),
            entry: Duration::from_millis(5),
            response: Duration::from_millis(4),
            jitter: Duration::from_millis(1),
        }
    }
}

/// Order rate limits, counted on windows of the clock for placing and amending; cancels are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Per 10 seconds.
    pub per_10s: u32,
    /// Per minute.
    pub per_minute: u32,
}

impl Default for RateLimits {
    /// Binance USD-M: 300 per 10 s, 1200 per minute.
    fn default() -> Self {
        Self { per_10s: 300, per_minute: 1_200 }
    }
}

/// Everybody else in the market. Floats describe a hidden model and never carry money.
#[derive(Clone, Debug, PartialEq)]
pub struct CrowdConfig {
    /// Liquidity providers (0 for an exchange without participants, at most 32).
    pub makers: u16,
    /// Uninformed taker orders per second in an average phase.
    pub noise_rate: f64,
    /// Looks per second of takers who know fair value; they trade only when a quote is stale.
    pub informed_rate: f64,
    /// Forced orders per second that walk the book whatever it costs (stops, liquidations).
    pub sweep_rate: f64,
    /// Mean reach of a forced order beyond the touch, in basis points.
    pub sweep_reach_bps: f64,
    /// Typical volatility of fair value, in basis points per square root of a second.
    pub vol_bps: f64,
    /// Mean time between jumps of fair value, in seconds.
    pub jump_every_s: f64,
    /// Standard deviation of a jump, in basis points.
    pub jump_bps: f64,
}

impl CrowdConfig {
    /// Nobody: tests place liquidity through a second account.
    pub const fn none() -> Self {
        Self {
            makers: 0,
            noise_rate: 0.0,
            informed_rate: 0.0,
            sweep_rate: 0.0,
            sweep_reach_bps: 0.0,
            vol_bps: 0.0,
            jump_every_s: 0.0,
            jump_bps: 0.0,
        }
    }
}

impl Default for CrowdConfig {
    /// A lively but not extreme hour of ETHUSDC.
    fn default() -> Self {
        Self {
            makers: 10,
            noise_rate: 4.5,
            informed_rate: 7.0,
            sweep_rate: 0.1,
            sweep_reach_bps: 3.0,
            vol_bps: 1.05,
            jump_every_s: 300.0,
            jump_bps: 4.0,
        }
    }
}

/// Everything that defines a run of [`SimExchange`](crate::SimExchange).
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// The contract and its filters.
    pub instrument: Instrument,
    /// Same seed, same commands: same run.
    pub seed: u64,
    /// When the venue opens. Nothing happens before.
    pub start: Nanos,
    /// The trader's first wallet balance in the quote currency.
    pub balance: Usd,
    /// Initial margin is notional divided by this.
    pub leverage: u32,
    /// The trader's fee rates.
    pub fees: Fees,
    /// Delays between trader and venue.
    pub latency: Latency,
    /// The other participants.
    pub crowd: CrowdConfig,
    /// What goes wrong.
    pub faults: Faults,
    /// First fair value, mark and index, in the quote currency.
    pub start_price: Decimal,
    /// Funding is paid at multiples of this since the epoch. Zero: never.
    pub funding_interval: Duration,
    /// Depth changes are gathered this long into one diff.
    pub diff_interval: Duration,
    /// Order rate limits per account.
    pub rate_limits: RateLimits,
}

impl SimConfig {
    /// The demo's market: balance 10 000, leverage 10, price 2610, funding every 8 h, no faults.
    pub fn new(instrument: Instrument, seed: u64, start: Nanos) -> Self {
        Self {
            instrument,
            seed,
            start,
            balance: Usd::from_decimal(Decimal::from_units(10_000 * Decimal::SCALE)),
            leverage: 10,
            fees: Fees::default(),
            latency: Latency::default(),
            crowd: CrowdConfig::default(),
            faults: Faults::none(),
            start_price: Decimal::from_units(2_610 * Decimal::SCALE),
            funding_interval: Duration::from_secs(8 * 3_600),
            diff_interval: Duration::from_millis(50),
            rate_limits: RateLimits::default(),
        }
    }
}

/// Everything that defines a run of [`RecordedMarket`](crate::RecordedMarket).
#[derive(Clone, Debug)]
pub struct RecordedConfig {
    /// The contract and its filters.
    pub instrument: Instrument,
    /// Seeds jitter and faults; the market itself is the recording.
    pub seed: u64,
    /// When the venue opens. Nothing happens before.
    pub start: Nanos,
    /// The trader's first wallet balance in the quote currency.
    pub balance: Usd,
    /// Initial margin is notional divided by this.
    pub leverage: u32,
    /// The trader's fee rates.
    pub fees: Fees,
    /// Delays between trader and venue; `feed` counts from the events' `ts_event`.
    pub latency: Latency,
    /// What goes wrong.
    pub faults: Faults,
    /// Order rate limits.
    pub rate_limits: RateLimits,
}

impl RecordedConfig {
    /// Balance 10 000, leverage 10, default fees and latency, no faults.
    pub fn new(instrument: Instrument, seed: u64, start: Nanos) -> Self {
        let sim = SimConfig::new(instrument, seed, start);
        Self {
            instrument: sim.instrument,
            seed,
            start,
            balance: sim.balance,
            leverage: sim.leverage,
            fees: sim.fees,
            latency: sim.latency,
            faults: sim.faults,
            rate_limits: sim.rate_limits,
        }
    }
}
