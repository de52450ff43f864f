//! The demo's configuration (`configs/demo.yaml` over the defaults), as the engine gets it.

use std::time::Duration;

use engine::config::{
    BreakerConfig, DeskConfig, EngineConfig, Flatten, Limits, LossLimits, Requote,
};
use market::{Decimal, Instrument, InstrumentId, Nanos, Qty, Rate, Usd};
use quoting::{BasicMmConfig, DynamicSpreadConfig, Estimator, StrategyConfig, VolatilityConfig};

/// 2026-01-05 00:00:00 UTC, where simulated runs begin.
pub(crate) const START: Nanos = Nanos(1_767_571_200_000_000_000);

/// The demo's contract.
pub(crate) fn instrument() -> Instrument {
    Instrument::known(InstrumentId(0), "ETHUSDC").expect("built in")
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a constant")
}

pub(crate) fn usd(text: &str) -> Usd {
    Usd::from_decimal(decimal(text))
}

fn rate(text: &str) -> Rate {
    Rate::from_decimal(decimal(text))
}

/// The demo: three rungs, dynamic spread.
pub(crate) fn demo() -> EngineConfig {
    let desk = DeskConfig {
        instrument: instrument(),
        strategy: StrategyConfig::BasicMm(strategy()),
        maker_fee: Rate::ZERO,
        taker_fee: rate("0.0004"),
        requote: Requote {
            on_event: true,
            interval: Duration::from_secs(1),
            min_interval: Duration::from_millis(500),
            price_tolerance: 0.4,
            size_tolerance: 0.25,
            amend: true,
        },
        limits: Limits {
            max_position: Qty::new(1_000),
            max_order_value: usd("1000"),
            max_order_qty: Qty::new(1_000),
            price_collar: rate("0.02"),
            max_orders_per_second: 20,
            max_orders_per_minute: 600,
            max_open_orders: 40,
            max_book_age: Duration::from_secs(2),
        },
        flatten: Flatten { patience: Duration::from_secs(5), slippage: rate("0.002") },
        ack_timeout: Duration::from_secs(2),
        dead_man_countdown: Duration::from_secs(30),
        reconcile_interval: Duration::from_secs(30),
        dead_man_refresh: Duration::from_secs(10),
    };
    EngineConfig {
        session: 1,
        loss: LossLimits { daily_loss: usd("100"), drawdown: rate("0.05") },
        breaker: BreakerConfig { threshold: 5, timeout: Duration::from_secs(60) },
        desks: vec![desk],
    }
}

/// The demo's strategy.
pub(crate) fn strategy() -> BasicMmConfig {
    BasicMmConfig {
        base_spread: 0.0003,
        base_size: Qty::new(50),
        max_inventory: Qty::new(500),
        skew_factor: 0.5,
        levels: 3,
        level_spacing: 0.0001,
        min_spread: 0.0002,
        max_spread: 0.01,
        fee_edge: 0.0,
        volatility: VolatilityConfig {
            estimator: Estimator::Ewma,
            grid: Duration::from_millis(100),
            half_life: Duration::from_secs(30),
            bar: Duration::from_secs(10),
            bars: 30,
            warmup: Duration::from_millis(500),
            floor: 1e-5,
            cap: 1e-3,
        },
        dynamic_spread: Some(DynamicSpreadConfig {
            vol_multiplier: 0.1,
            horizon: Duration::from_secs(10),
            inventory_widen: 0.2,
            imbalance_widen: 0.1,
            depth_widen: 0.1,
            depth_reference: 10.0,
            depth_levels: 5,
        }),
    }
}

/// The demo, except that quotes may be replaced as often as the market moves.
pub(crate) fn restless() -> EngineConfig {
    let mut config = demo();
    let desk = &mut config.desks[0];
    desk.requote.min_interval = Duration::ZERO;
    desk.limits.max_orders_per_second = 300;
    desk.limits.max_orders_per_minute = 10_000;
    config
}
