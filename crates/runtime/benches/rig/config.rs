//! One desk on BTCUSDT that is never content with where its orders rest.

use std::time::Duration;

use binance::client::{ClientConfig, OrderPath};
use binance::replies::{LimitKind, RateLimit};
use binance::{ClockSync, Credentials, Endpoints};
use engine::config::{
    BreakerConfig, DeskConfig, EngineConfig, Flatten, Limits, LossLimits, Requote,
};
use market::{Decimal, Instrument, InstrumentId, Qty, Rate, Usd};
use quoting::{BasicMmConfig, DynamicSpreadConfig, Estimator, StrategyConfig, VolatilityConfig};

/// API key and secret, as long as the venue's own.
pub(crate) const KEY: (&str, &str) = (
    "key-0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab",
    "secret-0123456789abcdef0123456789abcdef0123456789abcdef012345678",
);
/// More than any run asks for: limits are counted here as everywhere, and never met.
const MANY: u32 = 1_000_000;

/// The recording's contract.
pub(crate) fn instrument() -> Instrument {
    Instrument::known(InstrumentId(0), "BTCUSDT").expect("built in")
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a constant")
}

fn strategy() -> BasicMmConfig {
    BasicMmConfig {
        base_spread: 0.000_5,
        base_size: Qty::new(10),
        max_inventory: Qty::new(100),
        skew_factor: 0.5,
        levels: 1,
        level_spacing: 0.0,
        min_spread: 0.0,
        max_spread: 0.01,
        fee_edge: 0.0,
        volatility: VolatilityConfig {
            estimator: Estimator::Ewma,
            grid: Duration::from_millis(100),
            half_life: Duration::from_secs(30),
            bar: Duration::from_secs(10),
            bars: 30,
            warmup: Duration::from_millis(500),
            floor: 1e-6,
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

/// A quote a side. The spread follows volatility and the sizes near the touch, and nothing counts
/// as noise, so that every other depth frame moves both orders.
pub(crate) fn engine() -> EngineConfig {
    let desk = DeskConfig {
        instrument: instrument(),
        strategy: StrategyConfig::BasicMm(strategy()),
        maker_fee: Rate::ZERO,
        taker_fee: Rate::from_decimal(decimal("0.0004")),
        requote: Requote {
            on_event: true,
            interval: Duration::from_secs(1),
            min_interval: Duration::ZERO,
            price_tolerance: 0.0,
            size_tolerance: 0.0,
            amend: true,
        },
        limits: Limits {
            max_position: Qty::new(1_000),
            max_order_value: Usd::from_decimal(decimal("10000")),
            max_order_qty: Qty::new(1_000),
            price_collar: Rate::from_decimal(decimal("0.02")),
            max_orders_per_second: MANY,
            max_orders_per_minute: MANY,
            max_open_orders: 40,
            max_book_age: Duration::from_secs(2),
        },
        flatten: Flatten {
            patience: Duration::from_secs(5),
            slippage: Rate::from_decimal(decimal("0.002")),
        },
        ack_timeout: Duration::from_secs(2),
        dead_man_countdown: Duration::from_secs(30),
        reconcile_interval: Duration::from_secs(30),
        dead_man_refresh: Duration::from_secs(10),
    };
    EngineConfig {
        session: 1,
        loss: LossLimits {
            daily_loss: Usd::from_decimal(decimal("1000")),
            drawdown: Rate::from_decimal(decimal("0.5")),
        },
        breaker: BreakerConfig { threshold: 5, timeout: Duration::from_secs(60) },
        desks: vec![desk],
    }
}

/// A client that signs every order by HMAC and sends it over the WS API.
pub(crate) fn client(endpoints: Endpoints) -> ClientConfig {
    let limit =
        |kind, seconds| RateLimit { kind, interval: Duration::from_secs(seconds), limit: MANY };
    ClientConfig {
        endpoints,
        credentials: Credentials::hmac(KEY.0, KEY.1).expect("a key"),
        instrument: instrument(),
        limits: vec![
            limit(LimitKind::Weight, 60),
            limit(LimitKind::Orders, 60),
            limit(LimitKind::Orders, 10),
        ],
        clock: ClockSync::default(),
        clock_limit: Duration::from_secs(1),
        window: Duration::from_secs(5),
        ack_timeout: Duration::from_secs(2),
        order_path: OrderPath::WsApi,
        copies: 1,
        seed: 1,
    }
}
