//! A contract and its rules: the only doors between decimals and integers.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::ids::InstrumentId;
use crate::units::{FinePrice, Position, Price, Qty, Usd};

/// The venue's rules for one contract, as decimals (Binance `exchangeInfo`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rules {
    /// Spelling on the wire, e.g. `ETHUSDC`.
    pub symbol: String,
    /// Currency of PnL, fees and margin.
    pub quote: String,
    /// Currency of quantities.
    pub base: String,
    /// Price step (`PRICE_FILTER.tickSize`, not `pricePrecision`).
    pub tick: Decimal,
    /// Quantity step (`LOT_SIZE.stepSize`).
    pub step: Decimal,
    /// Smallest order.
    pub min_qty: Decimal,
    /// Largest limit order.
    pub max_qty: Decimal,
    /// Largest market order (`MARKET_LOT_SIZE.maxQty`).
    pub market_max_qty: Decimal,
    /// Smallest price times quantity; reduce-only orders are exempt.
    pub min_notional: Decimal,
    /// A buy may not be priced above mark times this (`PERCENT_PRICE.multiplierUp`).
    pub band_up: Decimal,
    /// A sell may not be priced below mark times this (`PERCENT_PRICE.multiplierDown`).
    pub band_down: Decimal,
    /// Base asset per contract; 1 for USDⓈ-M.
    pub multiplier: Decimal,
    /// Open orders allowed per account (`MAX_NUM_ORDERS`).
    pub max_orders: u32,
}

/// Why rules or a value do not fit an instrument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    /// A rule that must be positive is not, or lies on no usable grid.
    #[error("{symbol}: rule `{rule}` is {value}, which is not usable")]
    BadRule {
        /// The instrument.
        symbol: String,
        /// The rule's name.
        rule: &'static str,
        /// What it was.
        value: Decimal,
    },
    /// A price that is not a multiple of the tick, or not positive.
    #[error("price {0} is not a positive multiple of the tick {1}")]
    OffTick(Decimal, Decimal),
    /// A quantity that is not a multiple of the step, or negative.
    #[error("quantity {0} is not a non-negative multiple of the step {1}")]
    OffStep(Decimal, Decimal),
    /// No built-in rules for a symbol.
    #[error("no rules known for {0}; known: BTCUSDC, BTCUSDT, ETHUSDC, ETHUSDT")]
    UnknownSymbol(String),
}

/// One contract: its rules, and conversion between decimals and counts of ticks and lots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instrument {
    /// Its index in this process.
    pub id: InstrumentId,
    rules: Rules,
    tick: i64,
    step: i64,
    lot_tick_value: i128,
    lot_fine_value: i128,
}

impl Instrument {
    /// Checks the rules and prepares the conversions.
    ///
    /// # Errors
    /// [`InstrumentError::BadRule`] when a rule is zero or negative, or one lot is worth less than
    /// 1e-10 of base asset.
    pub fn new(id: InstrumentId, rules: Rules) -> Result<Self, InstrumentError> {
        let positive = [
            ("tick", rules.tick),
            ("step", rules.step),
            ("min_qty", rules.min_qty),
            ("max_qty", rules.max_qty),
            ("market_max_qty", rules.market_max_qty),
            ("band_up", rules.band_up),
            ("multiplier", rules.multiplier),
        ];
        let bad =
            |rule, value| InstrumentError::BadRule { symbol: rules.symbol.clone(), rule, value };
        for (rule, value) in positive {
            if value <= Decimal::ZERO {
                return Err(bad(rule, value));
            }
        }
        let (tick, step) = (rules.tick.units(), rules.step.units());
        // 1e-8 tick units x 1e-8 step units x 1e-8 multiplier units = 1e-24; money is 1e-18.
        let lot = i128::from(step) * i128::from(rules.multiplier.units());
        let lot_fine_value = lot / 1_000_000;
        if lot % 1_000_000 != 0 {
            return Err(bad("step", rules.step));
        }
        let lot_tick_value = lot_fine_value * i128::from(tick);
        Ok(Self { id, tick, step, lot_tick_value, lot_fine_value, rules })
    }

    /// Rules of well-known contracts as of 2026, for recorded data and the embedded market.
    ///
    /// Live trading reads them from the venue instead.
    ///
    /// # Errors
    /// [`InstrumentError::UnknownSymbol`].
    pub fn known(id: InstrumentId, symbol: &str) -> Result<Self, InstrumentError> {
        let (base, quote, tick, min_notional, max_qty, market_max) = match symbol {
            "ETHUSDC" => ("ETH", "USDC", "0.01", "20", "8000", "700"),
            "ETHUSDT" => ("ETH", "USDT", "0.01", "20", "10000", "2000"),
            "BTCUSDC" => ("BTC", "USDC", "0.1", "50", "1000", "120"),
            "BTCUSDT" => ("BTC", "USDT", "0.1", "50", "1000", "120"),
            _ => return Err(InstrumentError::UnknownSymbol(symbol.to_owned())),
        };
        let decimal = |text: &str| match text.parse::<Decimal>() {
            Ok(value) => value,
            Err(error) => unreachable!("constant {text}: {error}"),
        };
        let rules = Rules {
            symbol: symbol.to_owned(),
            base: base.to_owned(),
            quote: quote.to_owned(),
            tick: decimal(tick),
            step: decimal("0.001"),
            min_qty: decimal("0.001"),
            max_qty: decimal(max_qty),
            market_max_qty: decimal(market_max),
            min_notional: decimal(min_notional),
            band_up: decimal("1.05"),
            band_down: decimal("0.95"),
            multiplier: Decimal::ONE,
            max_orders: 200,
        };
        Self::new(id, rules)
    }

    /// The venue's rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Spelling on the wire.
    pub fn symbol(&self) -> &str {
        &self.rules.symbol
    }

    /// A decimal price as a level.
    ///
    /// # Errors
    /// [`InstrumentError::OffTick`] unless it is a positive multiple of the tick.
    pub fn price(&self, value: Decimal) -> Result<Price, InstrumentError> {
        if value.units() <= 0 || value.units() % self.tick != 0 {
            return Err(InstrumentError::OffTick(value, self.rules.tick));
        }
        Ok(Price::new(value.units() / self.tick))
    }

    /// A decimal quantity as lots.
    ///
    /// # Errors
    /// [`InstrumentError::OffStep`] unless it is a non-negative multiple of the step.
    pub fn qty(&self, value: Decimal) -> Result<Qty, InstrumentError> {
        match u64::try_from(value.units()) {
            Ok(units) if units % self.step.unsigned_abs() == 0 => {
                Ok(Qty::new(units / self.step.unsigned_abs()))
            }
            _ => Err(InstrumentError::OffStep(value, self.rules.step)),
        }
    }

    /// The largest number of whole lots within a decimal quantity; zero when it is negative.
    pub fn qty_at_most(&self, value: Decimal) -> Qty {
        Qty::new(u64::try_from(value.units() / self.step).unwrap_or(0))
    }

    /// A level as a decimal.
    pub fn price_decimal(&self, price: Price) -> Decimal {
        Decimal::from_units(price.raw() * self.tick)
    }

    /// Lots as a decimal.
    pub fn qty_decimal(&self, qty: Qty) -> Decimal {
        Decimal::from_units(qty.raw() as i64 * self.step)
    }

    /// A holding as a signed decimal.
    pub fn position_decimal(&self, position: Position) -> Decimal {
        Decimal::from_units(position.raw() * self.step)
    }

    /// A price with the decimals of the tick, as the venue prints it (`2610.50`).
    pub fn price_text(&self, price: Price) -> String {
        self.price_decimal(price).padded(self.rules.tick.decimals()).to_string()
    }

    /// A quantity with the decimals of the step, as the venue prints it (`0.010`).
    pub fn qty_text(&self, qty: Qty) -> String {
        self.qty_decimal(qty).padded(self.rules.step.decimals()).to_string()
    }

    /// A level as a price off the grid.
    pub fn fine(&self, price: Price) -> FinePrice {
        FinePrice::new(price.raw() * self.tick)
    }

    /// The middle between two levels, exact for every tick that is an even count of 1e-8.
    pub fn mid(&self, bid: Price, ask: Price) -> FinePrice {
        let (bid, ask) = (self.fine(bid), self.fine(ask));
        FinePrice::new(bid.raw() + (ask - bid).raw().div_euclid(2))
    }

    /// The highest level at or below a fine price.
    pub fn price_at_or_below(&self, price: FinePrice) -> Price {
        Price::new(price.raw().div_euclid(self.tick))
    }

    /// The lowest level at or above a fine price.
    pub fn price_at_or_above(&self, price: FinePrice) -> Price {
        Price::new(-(-price.raw()).div_euclid(self.tick))
    }

    /// A strategy's price rounded down to a level; `None` for NaN, infinite, or not positive.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn float_at_or_below(&self, price: f64) -> Option<Price> {
        level_from_float((price / self.tick_f64() + 1e-9).floor())
    }

    /// A strategy's price rounded up to a level; `None` for NaN, infinite, or not positive.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn float_at_or_above(&self, price: f64) -> Option<Price> {
        level_from_float((price / self.tick_f64() - 1e-9).ceil())
    }

    /// A strategy's quantity cut down to whole lots; `None` for NaN, infinite or negative.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn float_qty_at_most(&self, qty: f64) -> Option<Qty> {
        let lots = (qty / self.step_f64() + 1e-9).floor();
        (0.0..9e15).contains(&lots).then_some(Qty::new(lots as u64))
    }

    /// The tick as a float.
    pub fn tick_f64(&self) -> f64 {
        self.rules.tick.to_f64()
    }

    /// The step as a float.
    pub fn step_f64(&self) -> f64 {
        self.rules.step.to_f64()
    }

    /// A level as a float, for strategies.
    pub fn price_f64(&self, price: Price) -> f64 {
        self.price_decimal(price).to_f64()
    }

    /// Lots as a float in base asset, for strategies.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn qty_f64(&self, qty: Qty) -> f64 {
        qty.raw() as f64 * self.step_f64()
    }

    /// A holding as a float in base asset, for strategies.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn position_f64(&self, position: Position) -> f64 {
        position.raw() as f64 * self.step_f64()
    }

    /// Exact value of a quantity at a level.
    pub fn notional(&self, price: Price, qty: Qty) -> Usd {
        self.scaled(self.lot_tick_value, price.raw(), i128::from(qty.raw()))
    }

    /// Exact signed value of a holding at a level.
    pub fn position_value(&self, price: Price, position: Position) -> Usd {
        self.scaled(self.lot_tick_value, price.raw(), i128::from(position.raw()))
    }

    /// Exact signed value of a holding at a fine price.
    pub fn value_at(&self, price: FinePrice, position: Position) -> Usd {
        self.scaled(self.lot_fine_value, price.raw(), i128::from(position.raw()))
    }

    fn scaled(&self, unit: i128, price: i64, lots: i128) -> Usd {
        match unit.checked_mul(i128::from(price)).and_then(|value| value.checked_mul(lots)) {
            Some(value) => Usd::new(value),
            None => panic!("{}: value of {lots} lots at {price} overflows", self.symbol()),
        }
    }

    /// The average price of a holding worth `cost` (negative for shorts), rounded to 1e-8; zero when
    /// flat.
    pub fn average_price(&self, cost: Usd, position: Position) -> FinePrice {
        let (cost, lots) =
            (cost.abs().raw(), self.lot_fine_value * i128::from(position.raw().abs()));
        if lots == 0 {
            return FinePrice::ZERO;
        }
        FinePrice::new(i64::try_from((cost + lots / 2) / lots).unwrap_or(i64::MAX))
    }
}

fn level_from_float(ticks: f64) -> Option<Price> {
    (1.0..9e15).contains(&ticks).then_some(Price::new(ticks as i64))
}
