//! From a checked configuration to the parts of a session.

use anyhow::{Context as _, Result};
use engine::config::{
    BreakerConfig, DeskConfig, EngineConfig, Flatten, Limits, LossLimits, Requote,
};
use market::{Decimal, Instrument, InstrumentId, Nanos, Qty, Rate, Usd};
use ops::config::{Config, Estimator, RequoteOn, StrategyName};
use quoting::{BasicMmConfig, DynamicSpreadConfig, StrategyConfig, VolatilityConfig};
use sim_exchange::{Fees, Latency, RecordedConfig, SimConfig};

/// Fees as the venue told them, maker and taker; `None` takes those of the configuration.
pub(crate) type VenueFees = Option<(Rate, Rate)>;

/// The engine's part of a configuration.
///
/// # Errors
/// When a quantity does not lie on the instrument's grid.
pub(crate) fn engine(
    config: &Config,
    instrument: Instrument,
    fees: VenueFees,
    session: u32,
) -> Result<EngineConfig> {
    let risk = &config.risk;
    Ok(EngineConfig {
        session,
        loss: LossLimits {
            daily_loss: Usd::from_decimal(risk.daily_loss_limit),
            drawdown: Rate::from_decimal(risk.max_drawdown_limit),
        },
        breaker: BreakerConfig {
            threshold: risk.circuit_breaker.threshold,
            timeout: risk.circuit_breaker.timeout,
        },
        desks: vec![desk(config, instrument, fees)?],
    })
}

/// The instrument that a configuration names.
///
/// # Errors
/// When no rules are known for its symbol.
pub(crate) fn instrument(symbol: &str) -> Result<Instrument> {
    Instrument::known(InstrumentId(0), symbol)
        .with_context(|| format!("strategy.symbol: {symbol} cannot be traded on paper"))
}

fn desk(config: &Config, instrument: Instrument, fees: VenueFees) -> Result<DeskConfig> {
    let (exchange, risk, flatten) = (&config.exchange, &config.risk, &config.risk.flatten);
    let requote = &config.strategy.requote;
    let configured =
        (Rate::from_decimal(exchange.fees.maker), Rate::from_decimal(exchange.fees.taker));
    let (maker_fee, taker_fee) = fees.unwrap_or(configured);
    Ok(DeskConfig {
        strategy: strategy(config, &instrument)?,
        maker_fee,
        taker_fee,
        requote: Requote {
            on_event: requote.on == RequoteOn::Event,
            interval: config.strategy.tick_interval,
            min_interval: requote.min_interval,
            price_tolerance: requote.price_tolerance,
            size_tolerance: requote.size_tolerance,
            amend: requote.amend,
        },
        limits: Limits {
            max_position: lots(&instrument, "risk.max_position", risk.max_position)?,
            max_order_value: Usd::from_decimal(risk.max_order_value),
            max_order_qty: lots(&instrument, "risk.max_order_qty", risk.max_order_qty)?,
            price_collar: Rate::from_decimal(risk.price_collar),
            max_orders_per_second: risk.max_orders_per_second,
            max_orders_per_minute: risk.max_orders_per_minute,
            max_open_orders: risk.max_open_orders,
            max_book_age: risk.max_book_age,
        },
        flatten: Flatten {
            patience: flatten.patience,
            slippage: Rate::from_decimal(flatten.slippage),
        },
        ack_timeout: exchange.ack_timeout,
        dead_man_countdown: exchange.dead_man.countdown,
        reconcile_interval: exchange.reconcile_interval,
        dead_man_refresh: exchange.dead_man.refresh,
        instrument,
    })
}

fn strategy(config: &Config, instrument: &Instrument) -> Result<StrategyConfig> {
    let own = &config.strategy;
    let (volatility, dynamic) = (&own.volatility, &own.dynamic_spread);
    let dynamic_spread = dynamic.enabled.then(|| DynamicSpreadConfig {
        vol_multiplier: dynamic.vol_multiplier,
        horizon: dynamic.horizon,
        inventory_widen: dynamic.inventory_widen,
        imbalance_widen: dynamic.imbalance_widen,
        depth_widen: dynamic.depth_widen,
        depth_reference: dynamic.depth_reference.to_f64(),
        depth_levels: dynamic.depth_levels as u8,
    });
    match own.name {
        StrategyName::BasicMm => Ok(StrategyConfig::BasicMm(BasicMmConfig {
            base_spread: own.base_spread,
            base_size: lots(instrument, "strategy.base_size", own.base_size)?,
            max_inventory: lots(instrument, "strategy.max_inventory", own.max_inventory)?,
            skew_factor: own.skew_factor,
            levels: own.levels as u8,
            level_spacing: own.level_spacing,
            min_spread: own.min_spread,
            max_spread: own.max_spread,
            fee_edge: own.fee_edge,
            volatility: VolatilityConfig {
                estimator: match volatility.estimator {
                    Estimator::Ewma => quoting::Estimator::Ewma,
                    Estimator::Parkinson => quoting::Estimator::Parkinson,
                    Estimator::GarmanKlass => quoting::Estimator::GarmanKlass,
                    Estimator::RogersSatchell => quoting::Estimator::RogersSatchell,
                    Estimator::YangZhang => quoting::Estimator::YangZhang,
                },
                grid: volatility.grid,
                half_life: volatility.half_life,
                bar: volatility.bar,
                bars: volatility.bars as u16,
                warmup: volatility.warmup,
                floor: volatility.floor,
                cap: volatility.cap,
            },
            dynamic_spread,
        })),
    }
}

fn lots(instrument: &Instrument, key: &str, value: Decimal) -> Result<Qty> {
    let step = instrument.rules().step;
    instrument.qty(value).with_context(|| {
        format!("{key}: {value} is not a multiple of {step}, the step of {}", instrument.symbol())
    })
}

/// Where the embedded market begins, and what a price of the instrument looks like.
pub(crate) fn start_price(instrument: &Instrument) -> Decimal {
    let units = match instrument.rules().base.as_str() {
        "BTC" => 61_800,
        _ => 2_610,
    };
    Decimal::from_units(units * Decimal::SCALE)
}

/// The embedded market.
pub(crate) fn simulated(config: &Config, instrument: Instrument, start: Nanos) -> SimConfig {
    let (simulation, fees) = (&config.simulation, &config.exchange.fees);
    let latency = &simulation.latency;
    SimConfig {
        start_price: start_price(&instrument),
        balance: Usd::from_decimal(simulation.balance),
        fees: Fees { maker: Rate::from_decimal(fees.maker), taker: Rate::from_decimal(fees.taker) },
        latency: Latency::constant(latency.feed, latency.entry, latency.response),
        ..SimConfig::new(instrument, simulation.seed, start)
    }
}

/// The venue over recorded data.
pub(crate) fn recorded(config: &Config, instrument: Instrument, start: Nanos) -> RecordedConfig {
    let sim = simulated(config, instrument, start);
    RecordedConfig {
        balance: sim.balance,
        fees: sim.fees,
        latency: sim.latency,
        ..RecordedConfig::new(sim.instrument, sim.seed, start)
    }
}
