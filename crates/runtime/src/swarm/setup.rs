//! The trader and the venue of a run, as its seed draws them.

use std::time::Duration;

use binance::client::{ClientConfig, OrderPath};
use binance::replies::{LimitKind, RateLimit};
use binance::server::LimitRules;
use binance::{ClockSync, Credentials, Endpoints};
use engine::config::{
    BreakerConfig, DeskConfig, EngineConfig, Flatten, Limits, LossLimits, Requote,
};
use market::{Decimal, Instrument, InstrumentId, Nanos, Qty, Rate, Usd};
use quoting::{BasicMmConfig, Estimator, StrategyConfig, VolatilityConfig};
use sim_exchange::{CrowdConfig, SimConfig};

use super::dice::Dice;
use crate::exchange::{Account, ExchangeConfig};

const PURPOSE: u64 = 4;
/// 2026-01-05 00:00:00 UTC.
const MIDNIGHT: Nanos = Nanos(1_767_571_200_000_000_000);
pub(super) const KEY: &str = "key";
const SECRET: &str = "secret";
/// Somebody with a lot of money.
pub(super) const WHALE: usize = 1;
/// What the trader begins with, in the quote currency.
const BALANCE: i64 = 10_000;
pub(super) const WINDOW: Duration = Duration::from_millis(1_500);

/// Everything about a run that is not a trouble.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) start: Nanos,
    pub(super) engine: EngineConfig,
    pub(super) path: OrderPath,
    pub(super) copies: u8,
    pub(super) exchange: ExchangeConfig,
    seed: u64,
}

fn usd(units: i64) -> Usd {
    Usd::from_decimal(Decimal::from_units(units * Decimal::SCALE))
}

/// Parts per million.
fn rate(ppm: u64) -> Rate {
    Rate::from_decimal(Decimal::from_units(ppm.cast_signed() * Decimal::SCALE / 1_000_000))
}

fn ppm(count: u64) -> f64 {
    count as f64 / 1e6
}

impl Setup {
    /// What the seed draws.
    ///
    /// # Panics
    /// When the embedded instrument has gone: a bug of ours.
    pub(super) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, PURPOSE);
        let known = Instrument::known(InstrumentId(0), "ETHUSDC");
        let instrument = known.expect("the instrument of the demo");
        // Now and then the day changes within the first hour.
        let minute = match dice.chance(250_000) {
            true => dice.between(1_385, 1_439),
            false => dice.below(1_380),
        };
        let start = MIDNIGHT + Duration::from_secs(minute * 60);
        let engine = engine_config(&mut dice, &instrument);
        let path = if dice.chance(250_000) { OrderPath::Rest } else { OrderPath::WsApi };
        let copies = if dice.chance(150_000) { 2 } else { 1 };
        let exchange = exchange_config(&mut dice, seed, instrument, start);
        Self { start, engine, path, copies, exchange, seed }
    }

    pub(super) fn instrument(&self) -> &Instrument {
        &self.exchange.instrument
    }

    pub(super) fn wallet(&self) -> Usd {
        usd(BALANCE)
    }

    /// A client for one life of the trader.
    ///
    /// # Panics
    /// When its address or key is not accepted: a bug of ours.
    pub(super) fn client(&self, life: u32) -> ClientConfig {
        let limit = |kind, seconds, limit| RateLimit {
            kind,
            interval: Duration::from_secs(seconds),
            limit,
        };
        ClientConfig {
            endpoints: Endpoints::custom("http://venue").expect("a base address"),
            credentials: Credentials::hmac(KEY, SECRET).expect("a key and a secret"),
            instrument: self.instrument().clone(),
            limits: vec![
                limit(LimitKind::Weight, 60, 2_400),
                limit(LimitKind::Orders, 60, 1_200),
                limit(LimitKind::Orders, 10, 300),
            ],
            clock: ClockSync::default(),
            clock_limit: Duration::from_secs(1),
            window: WINDOW,
            ack_timeout: Duration::from_secs(2),
            order_path: self.path,
            copies: self.copies,
            seed: self.seed ^ u64::from(life) << 40,
        }
    }

    /// The trader's key, for somebody else who uses it.
    pub(super) fn credentials() -> Credentials {
        Credentials::hmac(KEY, SECRET).expect("a key and a secret")
    }
}

fn strategy(dice: &mut Dice) -> BasicMmConfig {
    BasicMmConfig {
        base_spread: ppm(dice.between(120, 500)),
        base_size: Qty::new(dice.between(20, 150)),
        max_inventory: Qty::new(dice.between(150, 600)),
        skew_factor: ppm(dice.below(1_000_000)),
        levels: *dice.pick(&[1, 1, 2, 3]),
        level_spacing: ppm(dice.between(50, 300)),
        min_spread: 0.0,
        max_spread: 0.05,
        fee_edge: 0.0,
        volatility: VolatilityConfig {
            estimator: Estimator::Ewma,
            grid: Duration::from_secs(1),
            half_life: Duration::from_secs(30),
            bar: Duration::from_secs(10),
            bars: 30,
            warmup: Duration::from_secs(10),
            floor: 1e-5,
            cap: 1e-3,
        },
        dynamic_spread: None,
    }
}

fn engine_config(dice: &mut Dice, instrument: &Instrument) -> EngineConfig {
    let desk = DeskConfig {
        instrument: instrument.clone(),
        strategy: StrategyConfig::BasicMm(strategy(dice)),
        maker_fee: Rate::ZERO,
        taker_fee: rate(400),
        requote: Requote {
            on_event: dice.chance(700_000),
            interval: Duration::from_millis(dice.between(500, 3_000)),
            min_interval: Duration::from_millis(dice.between(100, 500)),
            price_tolerance: ppm(dice.between(50_000, 400_000)),
            size_tolerance: 0.25,
            amend: dice.chance(750_000),
        },
        limits: Limits {
            max_position: Qty::new(dice.between(200, 900)),
            max_order_value: usd(5_000),
            max_order_qty: Qty::new(1_000),
            price_collar: rate(20_000),
            max_orders_per_second: dice.between(6, 20) as u32,
            max_orders_per_minute: dice.between(100, 600) as u32,
            max_open_orders: 40,
            max_book_age: Duration::from_secs(3),
        },
        flatten: Flatten { patience: Duration::from_secs(5), slippage: rate(2_000) },
        ack_timeout: Duration::from_secs(2),
        dead_man_countdown: Duration::from_secs(30),
        reconcile_interval: Duration::from_secs(30),
        dead_man_refresh: Duration::from_secs(10),
    };
    let daily_loss = *dice.pick(&[6, 15, 500, 500, 500, 500, 500, 500]);
    EngineConfig {
        session: 1,
        loss: LossLimits { daily_loss: usd(daily_loss), drawdown: rate(200_000) },
        breaker: BreakerConfig { threshold: 5, timeout: Duration::from_secs(30) },
        desks: vec![desk],
    }
}

/// A crowd of two patient makers: a full book and far fewer messages than a real one has.
fn exchange_config(
    dice: &mut Dice,
    seed: u64,
    instrument: Instrument,
    start: Nanos,
) -> ExchangeConfig {
    let crowd = CrowdConfig {
        makers: 2,
        noise_rate: ppm(dice.between(100_000, 700_000)),
        informed_rate: ppm(dice.between(100_000, 500_000)),
        sweep_rate: ppm(dice.between(10_000, 80_000)),
        sweep_reach_bps: ppm(dice.between(2_000_000, 6_000_000)),
        vol_bps: ppm(dice.between(300_000, 1_500_000)),
        jump_every_s: dice.between(60, 400) as f64,
        jump_bps: ppm(dice.between(2_000_000, 10_000_000)),
    };
    let market = SimConfig {
        crowd,
        funding_interval: Duration::from_secs(dice.between(10, 60) * 60),
        ..SimConfig::new(instrument.clone(), seed, start)
    };
    let balance = |units: i64| Decimal::from_units(units * Decimal::SCALE);
    let accounts = vec![
        Account::new(KEY, SECRET, balance(BALANCE)),
        Account::new("whale", "whale", balance(9_000_000_000)),
    ];
    ExchangeConfig {
        seed,
        market: Some(market),
        limits: LimitRules::default(),
        ..ExchangeConfig::new(instrument, accounts)
    }
}
